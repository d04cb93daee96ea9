//! One client of a file server: subscription, hello, then the tape.

use std::net::SocketAddr;
use std::time::Duration;

use contracts::native::{
    NativeBar, NativeFault, NativeHello, NativeMacro, NativeMessage, NativeRequest, Subscribe,
};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{WebSocketStream, accept_async_with_config};

use super::pace::Pacer;
use super::{FileServerOptions, TapeMacro};
use crate::limits::{FEED_CONNECT_MS, FEED_MESSAGE_BYTES_MAX, FILE_SERVER_FLUSH_MESSAGES};

/// Why a session ended; all of it is the client's doing and none of it is worth more than a line.
#[derive(Debug, thiserror::Error)]
enum Left {
    #[error("the client closed the connection")]
    Closed,
    #[error("no subscription came in time")]
    Silent,
    #[error("the first message was no subscription to anything here")]
    NoSubscription,
    #[error(transparent)]
    Socket(#[from] WsError),
}

/// Serves one client to its end.
pub(super) async fn serve(socket: TcpStream, peer: SocketAddr, options: FileServerOptions) {
    let Err(left) = session(socket, options).await;
    tracing::info!(%peer, %left, "feed client left");
}

async fn session(socket: TcpStream, options: FileServerOptions) -> Result<std::convert::Infallible, Left> {
    // A paced bar must not wait for the next one; refused only by a socket that is gone already.
    drop(socket.set_nodelay(true));
    let config = WebSocketConfig::default()
        .max_message_size(Some(FEED_MESSAGE_BYTES_MAX))
        .max_frame_size(Some(FEED_MESSAGE_BYTES_MAX));
    let patience = Duration::from_millis(FEED_CONNECT_MS);
    let opening = async {
        let mut client = Client {
            socket: accept_async_with_config(socket, Some(config)).await?,
            unflushed: 0,
        };
        let subscribe = client.subscription().await?;
        Ok::<_, Left>((client, subscribe))
    };
    let (mut client, subscribe) = tokio::time::timeout(patience, opening)
        .await
        .unwrap_or(Err(Left::Silent))?;
    client.play(&subscribe, options).await
}

struct Client {
    socket: WebSocketStream<TcpStream>,
    unflushed: usize,
}

impl Client {
    async fn subscription(&mut self) -> Result<Subscribe, Left> {
        loop {
            let text = match self.socket.next().await {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(_))) | None => return Err(Left::Closed),
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(error.into()),
            };
            return match serde_json::from_str(&text) {
                Ok(NativeRequest::Subscribe(subscribe)) => Ok(subscribe),
                Err(error) => {
                    self.fault("bad_request", &error.to_string()).await?;
                    Err(Left::NoSubscription)
                }
            };
        }
    }

    async fn play(
        &mut self,
        subscribe: &Subscribe,
        options: FileServerOptions,
    ) -> Result<std::convert::Infallible, Left> {
        let FileServerOptions { tape, pace, mode } = options;
        let unknown: Vec<_> = subscribe
            .instruments
            .iter()
            .filter(|id| !tape.knows(id))
            .map(|id| id.as_str())
            .collect();
        if !unknown.is_empty() {
            let known: Vec<_> = tape.instruments().map(|id| id.as_str()).collect();
            let detail = format!(
                "no bars of {}; there are {}",
                unknown.join(", "),
                known.join(", ")
            );
            self.fault("unknown_instrument", &detail).await?;
        }
        if unknown.len() == subscribe.instruments.len() {
            return Err(Left::NoSubscription);
        }
        let speed = pace.speed();
        self.send(&NativeMessage::Hello(NativeHello { mode, speed }))
            .await?;
        let paced = pace.is_paced();
        let mut pacer = Pacer::new(pace);
        let mut macros = tape.macros().iter().peekable();
        let bars = tape.merged(&subscribe.instruments, &subscribe.after);
        for group in bars.chunk_by(|a, b| a.1.close_time == b.1.close_time) {
            let close_time = group[0].1.close_time;
            self.while_listening(pacer.wait(close_time)).await?;
            while let Some(daily) = macros.next_if(|daily| daily.visible_at <= close_time) {
                self.send(&daily_message(daily)).await?;
            }
            for (instrument, bar) in group {
                self.send(&NativeMessage::Bar(NativeBar::new(instrument.as_str(), bar)))
                    .await?;
            }
            if paced {
                self.flush().await?;
            }
        }
        for daily in macros {
            self.send(&daily_message(daily)).await?;
        }
        self.send(&NativeMessage::End).await?;
        self.flush().await?;
        self.while_listening(std::future::pending()).await
    }

    async fn fault(&mut self, code: &str, detail: &str) -> Result<(), Left> {
        self.send(&NativeMessage::Error(NativeFault {
            code: code.into(),
            detail: detail.into(),
        }))
        .await?;
        self.flush().await
    }

    async fn send(&mut self, message: &NativeMessage<'_>) -> Result<(), Left> {
        let text = message
            .to_json()
            .expect("a message of the server's own serialises");
        self.socket.feed(Message::text(text)).await?;
        self.unflushed += 1;
        if self.unflushed >= FILE_SERVER_FLUSH_MESSAGES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Pushes everything out, and answers what has come in meanwhile.
    async fn flush(&mut self) -> Result<(), Left> {
        self.unflushed = 0;
        self.socket.flush().await?;
        while let Some(read) = self.socket.next().now_or_never() {
            heard(read)?;
        }
        Ok(())
    }

    /// Awaits `event` while pings are answered and a goodbye is heard.
    async fn while_listening<T>(&mut self, event: impl Future<Output = T>) -> Result<T, Left> {
        tokio::pin!(event);
        loop {
            tokio::select! {
                biased;
                value = &mut event => return Ok(value),
                read = self.socket.next() => heard(read)?,
            }
        }
    }
}

fn heard(read: Option<Result<Message, WsError>>) -> Result<(), Left> {
    match read {
        Some(Ok(Message::Close(_))) | None => Err(Left::Closed),
        Some(Ok(_)) => Ok(()),
        Some(Err(error)) => Err(error.into()),
    }
}

fn daily_message(daily: &TapeMacro) -> NativeMessage<'_> {
    NativeMessage::Macro(NativeMacro {
        series: daily.series.as_str().into(),
        date: daily.date,
        value: daily.value,
        arrived_at: daily.arrived_at,
    })
}
