//! A feed that misbehaves as told: a scripted WebSocket server for tests of clients and of the whole engine.
//!
//! Each connection follows its own script; when the scripts are used up, further connections are held open and silent but
//! alive. What clients send first (their subscriptions) can be read by the test.

use std::net::SocketAddr;
use std::sync::Arc;

use contracts::bar::Bar;
use contracts::native::{FeedMode, NativeBar, NativeHello, NativeMessage, Speed};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

/// What happens to one connection.
#[derive(Debug, Clone)]
pub enum Script {
    /// The connection is cut in the middle of the answer to the handshake.
    CutHandshake,
    /// The handshake is never answered.
    SilentHandshake,
    /// The handshake is answered with an HTTP status, such as 503.
    RefuseHandshake(u16),
    /// The handshake succeeds, the first message is read, then these steps follow; then the connection stays open.
    Play(Vec<Step>),
}

/// One step of a script.
#[derive(Debug, Clone)]
pub enum Step {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A text frame whose payload is no UTF-8.
    NotUtf8,
    /// The header of a text frame and the first half of its payload.
    HalfFrame(String),
    /// A text message of this many bytes.
    Oversized(usize),
    /// Waits until the test says so.
    Await(Arc<Notify>),
    /// Cuts the connection without a word.
    Cut,
    /// Closes the connection in order.
    Close,
    /// Neither reads nor writes until the client leaves: not even pings are answered.
    Silent,
}

/// The native message with which a source says what it is.
///
/// # Panics
/// Never: a hello serialises.
#[must_use]
pub fn hello_text(mode: FeedMode) -> String {
    NativeMessage::Hello(NativeHello {
        mode,
        speed: Speed::Max,
    })
    .to_json()
    .expect("a hello serialises")
}

/// The running server; ends when dropped.
#[derive(Debug)]
pub struct FaultyFeed {
    address: SocketAddr,
    scheme: &'static str,
    requests: mpsc::UnboundedReceiver<String>,
    task: JoinHandle<()>,
}

impl FaultyFeed {
    /// Starts on a free port of the loopback; connection k follows script k.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(scripts: Vec<Script>) -> Self {
        Self::start_with(scripts, Vec::new()).await
    }

    /// The same over TLS: connection k is accepted by acceptor k, the last one takes all further ones. A client that leaves
    /// during that handshake uses up no script. Without acceptors: no TLS.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start_with(scripts: Vec<Script>, acceptors: Vec<TlsAcceptor>) -> Self {
        let scheme = if acceptors.is_empty() { "ws" } else { "wss" };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (sender, requests) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut scripts = scripts.into_iter();
            let mut acceptors = acceptors.into_iter();
            let mut acceptor = None;
            let mut connections = tokio::task::JoinSet::new();
            let mut next = move || scripts.next().unwrap_or_else(|| Script::Play(Vec::new()));
            while let Ok((socket, _)) = listener.accept().await {
                acceptor = acceptors.next().or(acceptor);
                match &acceptor {
                    None => drop(connections.spawn(connection(socket, next(), sender.clone()))),
                    Some(acceptor) => {
                        if let Ok(socket) = acceptor.accept(socket).await {
                            connections.spawn(connection(socket, next(), sender.clone()));
                        }
                    }
                }
            }
        });
        Self {
            address,
            scheme,
            requests,
            task,
        }
    }

    /// The same, each connection that is answered beginning with the announcement of a replay.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn replaying(scripts: Vec<Script>) -> Self {
        let announced = |script| match script {
            Script::Play(mut steps) => {
                steps.insert(0, Step::Text(hello_text(FeedMode::Replay)));
                Script::Play(steps)
            }
            other => other,
        };
        Self::start(scripts.into_iter().map(announced).collect()).await
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}/", self.scheme, self.address)
    }

    /// The next subscription, in the order of connections that got so far.
    ///
    /// # Panics
    /// When the server has ended.
    pub async fn request(&mut self) -> String {
        self.requests
            .recv()
            .await
            .expect("the server runs while it is held")
    }
}

impl Drop for FaultyFeed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The native message of a bar.
///
/// # Panics
/// Never: a bar serialises.
#[must_use]
pub fn bar_text(instrument: &str, bar: &Bar) -> String {
    NativeMessage::Bar(NativeBar::new(instrument, bar))
        .to_json()
        .expect("a bar serialises")
}

/// Every error here is the client having left, which is what most scripts provoke.
async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: S,
    script: Script,
    requests: mpsc::UnboundedSender<String>,
) {
    match script {
        Script::CutHandshake => {
            if some_request(&mut socket).await {
                drop(socket.write_all(b"HTTP/1.1 101 Switching Prot").await);
            }
        }
        Script::SilentHandshake => while some_request(&mut socket).await {},
        Script::RefuseHandshake(status) => {
            if some_request(&mut socket).await {
                let answer = format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n");
                drop(socket.write_all(answer.as_bytes()).await);
            }
        }
        Script::Play(steps) => {
            if let Ok(mut client) = accept_async(socket).await
                && let Some(Ok(Message::Text(request))) = client.next().await
            {
                // Nobody reads along in most tests.
                drop(requests.send(request.to_string()));
                for step in steps {
                    if !play(&mut client, step).await {
                        return;
                    }
                }
                while let Some(Ok(_)) = client.next().await {}
            }
        }
    }
}

async fn some_request<S: AsyncRead + Unpin>(socket: &mut S) -> bool {
    let mut bytes = [0; 1024];
    matches!(socket.read(&mut bytes).await, Ok(read) if read > 0)
}

/// Carries a step out; false when the connection is to be dropped.
async fn play<S: AsyncRead + AsyncWrite + Unpin>(client: &mut WebSocketStream<S>, step: Step) -> bool {
    match step {
        Step::Text(text) => client.send(Message::text(text)).await.is_ok(),
        Step::Binary(bytes) => client.send(Message::binary(bytes)).await.is_ok(),
        Step::NotUtf8 => raw(client, &[0x81, 2, 0xff, 0xfe]).await,
        Step::HalfFrame(text) => {
            let length = u16::try_from(text.len()).expect("the tests' messages are below 64 KiB");
            let mut bytes = vec![0x81, 126];
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&text.as_bytes()[..text.len() / 2]);
            raw(client, &bytes).await
        }
        Step::Oversized(length) => client.send(Message::text(" ".repeat(length))).await.is_ok(),
        Step::Await(notify) => {
            notify.notified().await;
            true
        }
        Step::Cut => false,
        Step::Close => {
            drop(client.close(None).await);
            true
        }
        Step::Silent => {
            // The client closing is the only event that is looked at, below the WebSocket.
            let socket = client.get_mut();
            while some_request(socket).await {}
            false
        }
    }
}

async fn raw<S: AsyncRead + AsyncWrite + Unpin>(client: &mut WebSocketStream<S>, bytes: &[u8]) -> bool {
    let socket = client.get_mut();
    socket.write_all(bytes).await.is_ok() && socket.flush().await.is_ok()
}
