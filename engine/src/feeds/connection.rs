//! One WebSocket connection: open, read texts, stay alive, and a word for every way it can end.

use std::time::Duration;

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::address::Address;
use super::event::FeedRefusal;
use super::options::FeedLimits;
use crate::net::{Socket, Tls, TlsRefused};

/// How a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// The service was told to stop.
    Stopped,
    /// It was lost.
    Lost(Failure),
}

/// What ended or prevented a connection.
#[derive(Debug)]
pub(super) struct Failure {
    /// What it is counted under.
    pub cause: FeedRefusal,
    /// For the log: what happened and, where that helps, what to do; may be empty.
    pub why: String,
}

impl From<FeedRefusal> for Failure {
    fn from(cause: FeedRefusal) -> Self {
        Self {
            cause,
            why: String::new(),
        }
    }
}

impl From<TlsRefused> for Failure {
    fn from(refused: TlsRefused) -> Self {
        let cause = if refused.certificate {
            FeedRefusal::CertificateRefused
        } else {
            FeedRefusal::TlsFailed
        };
        Self {
            cause,
            why: refused.why,
        }
    }
}

impl FeedRefusal {
    /// True for what leaves no connection to go on with.
    pub(super) const fn ends_connection(self) -> bool {
        matches!(
            self,
            Self::Oversized | Self::Malformed | Self::Closed | Self::Broken | Self::Silent | Self::Replay
        )
    }
}

/// An open connection.
pub(super) struct Connection {
    socket: WebSocketStream<Socket>,
    last_read: Instant,
    last_heartbeat: Instant,
    pinged: bool,
    overdue: bool,
}

impl Connection {
    /// Connects and shakes hands, all of it within `limits.connect`.
    pub(super) async fn open(
        address: &Address,
        tls: Option<&Tls>,
        limits: &FeedLimits,
    ) -> Result<Self, Failure> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(limits.message_bytes_max))
            .max_frame_size(Some(limits.message_bytes_max));
        let opening = async {
            let tcp = TcpStream::connect((address.host.as_str(), address.port)).await;
            let tcp = tcp.map_err(|error| failed(FeedRefusal::ConnectFailed, &error))?;
            // Only delays a ping where it is refused.
            drop(tcp.set_nodelay(true));
            let stream = match tls {
                None => Socket::Plain(tcp),
                Some(tls) => Socket::Tls(Box::new(tls.open(tcp).await?)),
            };
            let (socket, _response) = client_async_with_config(address.request.clone(), stream, Some(config))
                .await
                .map_err(|error| failed(FeedRefusal::HandshakeFailed, &error))?;
            Ok(socket)
        };
        let socket = tokio::time::timeout(limits.connect, opening)
            .await
            .unwrap_or_else(|late| Err(failed(FeedRefusal::HandshakeFailed, &late)))?;
        let now = Instant::now();
        Ok(Self {
            socket,
            last_read: now,
            last_heartbeat: now,
            pinged: false,
            overdue: false,
        })
    }

    /// Sends texts, waiting for the socket at most `at_most`.
    pub(super) async fn say(&mut self, texts: Vec<String>, at_most: Duration) -> Result<(), FeedRefusal> {
        if texts.is_empty() {
            return Ok(());
        }
        let sending = async {
            for text in texts {
                self.socket.feed(Message::text(text)).await?;
            }
            self.socket.flush().await
        };
        match tokio::time::timeout(at_most, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(FeedRefusal::Broken),
        }
    }

    /// The next text. Losing the future loses nothing.
    pub(super) async fn text(&mut self) -> Result<Utf8Bytes, FeedRefusal> {
        loop {
            let message = self.socket.next().await;
            self.last_read = Instant::now();
            self.pinged = false;
            self.overdue = false;
            match message {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Binary(_))) => return Err(FeedRefusal::Binary),
                // Answered inside the library with the next write or read.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Err(FeedRefusal::Closed),
                Some(Err(error)) => return Err(ended_by(&error)),
            }
        }
    }

    /// The next text if it has been received already.
    pub(super) fn waiting_text(&mut self) -> Option<Result<Utf8Bytes, FeedRefusal>> {
        self.text().now_or_never()
    }

    /// Pings at half the idle time, gives up at the whole, and sends the source's own heartbeat when it is due.
    pub(super) fn housekeeping(
        &mut self,
        idle: Duration,
        heartbeat: Option<(Duration, &'static str)>,
    ) -> Result<(), FeedRefusal> {
        let silent_for = self.last_read.elapsed();
        if silent_for >= idle {
            // It may be this process that stood still: only what is still unread a round later is silence.
            if self.overdue {
                return Err(FeedRefusal::Silent);
            }
            self.overdue = true;
        }
        if silent_for >= idle / 2 && !self.pinged {
            self.pinged = true;
            self.offer(Message::Ping(Bytes::new()));
        }
        if let Some((every, text)) = heartbeat
            && self.last_heartbeat.elapsed() >= every
        {
            self.last_heartbeat = Instant::now();
            self.offer(Message::text(text));
        }
        Ok(())
    }

    /// Says that nobody reads any more, without waiting for an answer.
    pub(super) fn goodbye(&mut self) {
        self.offer(Message::Close(None));
    }

    /// Sends without waiting: what the socket does not take now goes out with the next write, and a dead one is found by
    /// the idle time.
    fn offer(&mut self, message: Message) {
        drop(self.socket.send(message).now_or_never());
    }
}

fn failed(cause: FeedRefusal, error: &dyn std::fmt::Display) -> Failure {
    Failure {
        cause,
        why: error.to_string(),
    }
}

fn ended_by(error: &WsError) -> FeedRefusal {
    match error {
        WsError::Capacity(_) => FeedRefusal::Oversized,
        WsError::Utf8(_) => FeedRefusal::Malformed,
        WsError::ConnectionClosed | WsError::AlreadyClosed => FeedRefusal::Closed,
        _ => FeedRefusal::Broken,
    }
}
