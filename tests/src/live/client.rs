//! A signal client that reads texts and says when it has all it waits for.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::TOKEN;
use crate::guard::within;

/// A subscribed client, to be used from a plain thread.
pub struct Client {
    runtime: tokio::runtime::Runtime,
    socket: WebSocketStream<TcpStream>,
    /// Every message with a `seq` so far, as it came.
    pub published: Vec<String>,
    /// How many of them are results of bars: `signal` or `withheld`.
    pub results: usize,
}

/// True for a message that answers a bar.
#[must_use]
pub fn is_result(text: &str) -> bool {
    text.starts_with("{\"type\":\"signal\"") || text.starts_with("{\"type\":\"withheld\"")
}

impl Client {
    /// Connects and subscribes to everything from `from_seq` on.
    ///
    /// # Panics
    /// When the engine does not take the client.
    #[must_use]
    pub fn subscribe(address: SocketAddr, from_seq: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime for a client");
        let socket = runtime.block_on(within("a subscription", async {
            let stream = TcpStream::connect(address).await.expect("the engine listens");
            let mut request = format!("ws://{address}/v1/signals")
                .into_client_request()
                .expect("an address");
            let bearer = format!("Bearer {TOKEN}").parse().expect("a header");
            request.headers_mut().insert("authorization", bearer);
            let (mut socket, _) = client_async(request, stream).await.expect("the token is good");
            let subscribe = json!({"op": "subscribe", "instruments": "*", "resume_from": from_seq});
            socket
                .send(Message::text(subscribe.to_string()))
                .await
                .expect("a subscription can be sent");
            socket
        }));
        Self {
            runtime,
            socket,
            published: Vec::new(),
            results: 0,
        }
    }

    /// Reads until there are `count` results.
    ///
    /// # Panics
    /// When the stream ends before.
    pub fn read_results(&mut self, count: usize) {
        while self.results < count {
            let seen = self.results;
            assert!(
                self.read_one(),
                "the stream ended after {seen} of {count} results"
            );
        }
    }

    /// Reads until a published message fits.
    ///
    /// # Panics
    /// When the stream ends before.
    pub fn read_until(&mut self, what: &str, fits: impl Fn(&str) -> bool) {
        let mut looked_at = 0;
        loop {
            if self.published[looked_at..].iter().any(|text| fits(text)) {
                return;
            }
            looked_at = self.published.len();
            assert!(self.read_one(), "the stream ended before {what}");
        }
    }

    /// Reads to the end of the stream.
    pub fn read_to_end(&mut self) {
        while self.read_one() {}
    }

    /// One message; false at the end of the stream.
    fn read_one(&mut self) -> bool {
        let next = self
            .runtime
            .block_on(within("the next message", self.socket.next()));
        match next {
            Some(Ok(Message::Text(text))) => {
                let text = text.as_str();
                assert!(
                    !text.starts_with("{\"type\":\"gap\"") && !text.starts_with("{\"type\":\"fault\""),
                    "{text}"
                );
                if text.contains("\"seq\":") {
                    self.results += usize::from(is_result(text));
                    self.published.push(text.to_owned());
                }
                true
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => false,
            Some(Ok(_)) => true,
        }
    }
}
