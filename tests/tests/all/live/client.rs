//! A signal client that keeps its place and every message as it came.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use testkit::guard::within;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::place::TOKEN;

/// What a client heard.
#[derive(Debug)]
pub enum Heard {
    /// A message, parsed and as it came.
    Message(Value, String),
    /// The end; the close code when there was one.
    End(Option<u16>),
}

/// See the module.
pub struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// What the engine said first.
    pub welcome: Value,
}

impl Client {
    /// Connects and subscribes to everything, from `resume` (seq, epoch) on when there is one.
    pub async fn connect(address: SocketAddr, resume: Option<(u64, u64)>) -> Self {
        let client = Self::try_connect(address, None, resume).await;
        client.unwrap_or_else(|| panic!("nobody takes a client at {address}"))
    }

    /// The same for the instruments `names`; `None` when the engine is gone, or goes meanwhile.
    pub async fn try_connect(
        address: SocketAddr,
        names: Option<&[String]>,
        resume: Option<(u64, u64)>,
    ) -> Option<Self> {
        let mut request = format!("ws://{address}/v1/signals")
            .into_client_request()
            .unwrap();
        let bearer = format!("Bearer {TOKEN}").parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        let (socket, _) = within("the upgrade", connect_async(request)).await.ok()?;
        let mut client = Self {
            socket,
            welcome: Value::Null,
        };
        let mut subscribe = json!({"op": "subscribe", "instruments": "*"});
        if let Some(names) = names {
            subscribe["instruments"] = names.into();
        }
        if let Some((seq, epoch)) = resume {
            subscribe["resume_from"] = seq.into();
            subscribe["epoch"] = epoch.into();
        }
        match client.next().await {
            Heard::Message(welcome, _) if welcome["type"] == "welcome" => client.welcome = welcome,
            Heard::End(_) => return None,
            other => panic!("no welcome but {other:?}"),
        }
        let sent = client.socket.send(Message::text(subscribe.to_string())).await;
        sent.is_ok().then_some(client)
    }

    /// The epoch of the welcome.
    pub fn epoch(&self) -> u64 {
        self.welcome["epoch"].as_u64().unwrap()
    }

    /// The next thing heard.
    pub async fn next(&mut self) -> Heard {
        loop {
            match within("a message", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => {
                    return Heard::Message(serde_json::from_str(&text).unwrap(), text.to_string());
                }
                Some(Ok(Message::Close(frame))) => {
                    return Heard::End(frame.map(|frame| u16::from(frame.code)));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Heard::End(None),
            }
        }
    }

    /// Reads on to a message that satisfies `wanted`.
    pub async fn until(&mut self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        loop {
            match self.next().await {
                Heard::Message(message, _) if wanted(&message) => return message,
                Heard::Message(..) => {}
                Heard::End(code) => panic!("the stream ended ({code:?}) before {what}"),
            }
        }
    }
}

/// True for the one message every accepted bar gives.
pub fn is_result(message: &Value) -> bool {
    matches!(message["type"].as_str(), Some("signal" | "withheld"))
}
