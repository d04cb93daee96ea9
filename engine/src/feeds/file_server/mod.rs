//! A file served as a native feed: `engine feed`, and what tests start on port 0.
//!
//! Every client gets the whole [`Tape`] from after what it holds, at its own pace from there: a reconnecting client loses
//! nothing and two clients do not disturb each other. Bars of one close time are sent in the order in which the client
//! named the instruments; daily values precede the first bar that may see them, those from before what the client holds
//! included: which of them it has, it does not say, and a value that comes twice changes nothing.

mod pace;
mod session;
mod tape;

use std::net::SocketAddr;
use std::sync::Arc;

use contracts::native::FeedMode;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use pace::{Pace, Release};
pub use tape::{Tape, TapeError, TapeMacro, visible_everywhere};

use crate::limits::FILE_SERVER_CLIENTS_MAX;

/// What is served, and how.
#[derive(Debug, Clone)]
pub struct FileServerOptions {
    /// The data.
    pub tape: Arc<Tape>,
    /// How fast.
    pub pace: Pace,
    /// What the hello says: a file is a replay. Only tests of the live path say otherwise.
    pub mode: FeedMode,
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum FileServerError {
    /// The address is taken, not of this host, or below 1024 without the right to it. Choose another `--listen`.
    #[error("cannot listen on {address}")]
    Listen {
        /// As asked for.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Accepts clients until stopped.
#[derive(Debug)]
pub struct FileServer {
    listener: TcpListener,
    options: FileServerOptions,
    stop: watch::Receiver<bool>,
}

/// Knows the address and stops the server. Clonable.
#[derive(Debug, Clone)]
pub struct FileServerHandle {
    address: SocketAddr,
    stop: Arc<watch::Sender<bool>>,
}

impl FileServerHandle {
    /// Where it listens; the port is the real one.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as a feed client wants it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    /// Ends the server and cuts its connections.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}

impl FileServer {
    /// Listens on `address` (port 0: any).
    ///
    /// # Errors
    /// [`FileServerError::Listen`].
    pub async fn bind(
        address: SocketAddr,
        options: FileServerOptions,
    ) -> Result<(Self, FileServerHandle), FileServerError> {
        let failed = |source| FileServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (sender, stop) = watch::channel(false);
        let server = Self {
            listener,
            options,
            stop,
        };
        let handle = FileServerHandle {
            address,
            stop: Arc::new(sender),
        };
        Ok((server, handle))
    }

    /// Serves until [`FileServerHandle::stop`] (or until every handle is gone).
    pub async fn run(mut self) {
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => break,
                Some(_) = sessions.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((socket, peer)) if sessions.len() < FILE_SERVER_CLIENTS_MAX => {
                        tracing::info!(%peer, "feed client connected");
                        sessions.spawn(session::serve(socket, peer, self.options.clone()));
                    }
                    Ok((_, peer)) => tracing::warn!(%peer, "feed client refused: too many connections"),
                    // Out of descriptors, or the client is gone already: others can still be served.
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a feed client");
                        tokio::task::yield_now().await;
                    }
                },
            }
        }
        sessions.shutdown().await;
    }
}

/// Returns when the server shall end; all handles gone means the same.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that every handle is gone: nobody could ever stop the server, so it ends.
    drop(stop.wait_for(|stop| *stop).await);
}
