//! One request per connection, all of it bounded in time and size.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{Method, Request, StatusCode, header};
use futures_util::StreamExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::address::Address;
use super::token::{self, TokenFileError};
use super::{ControlError, events::Events};
use crate::limits::{CONTROL_ANSWER_WITHIN_MS, CONTROL_PROBLEM_BYTES_MAX};
use crate::net::{CaFileError, Socket, Tls, TlsRefused};

/// Why a request got no good answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// The token's file has become unusable.
    #[error(transparent)]
    Token(#[from] TokenFileError),
    /// Nobody listens there, or the way is closed.
    #[error("it cannot be connected to")]
    Connect(#[source] std::io::Error),
    /// No TLS with it.
    #[error("{0}")]
    Tls(String),
    /// It took too long.
    #[error("it did not answer in time")]
    TimedOut,
    /// The connection broke, or what came was no HTTP.
    #[error("the connection broke")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// More than was asked for.
    #[error("its answer has {bytes} bytes or more, {bytes_max} are allowed")]
    TooLarge {
        /// So many at least.
        bytes: u64,
        /// The limit.
        bytes_max: usize,
    },
    /// It said no.
    #[error("it answered {status} {code}")]
    Refused {
        /// HTTP's.
        status: u16,
        /// The problem document's; may be empty.
        code: String,
    },
}

impl AskError {
    /// The word it is counted under; one of [`super::FAILURES`].
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::TimedOut => "timeout",
            Self::Broken(_) => "broken",
            Self::TooLarge { .. } => "too_large",
            Self::Refused { .. } => "refused",
        }
    }
}

impl From<TlsRefused> for AskError {
    fn from(refused: TlsRefused) -> Self {
        Self::Tls(refused.why)
    }
}

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AskError {
    AskError::Broken(error.into())
}

/// See the module.
pub(super) struct Client {
    address: Address,
    tls: Option<Tls>,
    token_file: PathBuf,
}

/// An answer whose body has not been read. The connection ends with it.
pub(super) struct Reply {
    status: StatusCode,
    pub(super) body: BodyDataStream,
    _connection: Connection,
}

struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Client {
    pub(super) fn new(
        address: Address,
        ca_file: Option<&Path>,
        token_file: PathBuf,
    ) -> Result<Self, ControlError> {
        let tls = match (&address.secured, ca_file) {
            (Some(name), ca_file) => {
                let tls: Result<Tls, CaFileError> = Tls::new(name.clone(), ca_file, "control");
                Some(tls?)
            }
            (None, None) => None,
            (None, Some(_)) => {
                return Err(ControlError::CaUnused {
                    url: format!("http://{}", address.authority),
                });
            }
        };
        Ok(Self {
            address,
            tls,
            token_file,
        })
    }

    /// The body of a GET.
    pub(super) async fn get(
        &self,
        path: &str,
        bytes_max: usize,
        within: Duration,
    ) -> Result<Vec<u8>, AskError> {
        let asking = async {
            let reply = self.send(Method::GET, path, None).await?;
            reply.accepted().await?.bytes(bytes_max).await
        };
        timeout(within, asking).await.unwrap_or(Err(AskError::TimedOut))
    }

    /// A POST whose answer does not matter.
    pub(super) async fn post(&self, path: &str, json: String) -> Result<(), AskError> {
        let within = Duration::from_millis(CONTROL_ANSWER_WITHIN_MS);
        let asking = async {
            let reply = self.send(Method::POST, path, Some(json)).await?;
            reply.accepted().await.map(drop)
        };
        timeout(within, asking).await.unwrap_or(Err(AskError::TimedOut))
    }

    /// The stream of events, once it has begun.
    pub(super) async fn events(&self, path: &str) -> Result<Events, AskError> {
        let within = Duration::from_millis(CONTROL_ANSWER_WITHIN_MS);
        let asking = async {
            let reply = self.send(Method::GET, path, None).await?;
            reply.accepted().await.map(Events::new)
        };
        timeout(within, asking).await.unwrap_or(Err(AskError::TimedOut))
    }

    async fn send(&self, method: Method, path: &str, json: Option<String>) -> Result<Reply, AskError> {
        let token = token::read(&self.token_file)?;
        let address = &self.address;
        let tcp = TcpStream::connect((address.host.as_str(), address.port)).await;
        let tcp = tcp.map_err(AskError::Connect)?;
        // Only delays a request where it is refused.
        drop(tcp.set_nodelay(true));
        let socket = match &self.tls {
            None => Socket::Plain(tcp),
            Some(tls) => Socket::Tls(Box::new(tls.open(tcp).await?)),
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(broken)?;
        let connection = Connection(tokio::spawn(async move { drop(connection.await) }));
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", address.base))
            .header(header::HOST, &address.authority)
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        if json.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(json.map_or_else(Body::empty, Body::from))
            .map_err(broken)?;
        let response = sender.send_request(request).await.map_err(broken)?;
        Ok(Reply {
            status: response.status(),
            body: Body::new(response.into_body()).into_data_stream(),
            _connection: connection,
        })
    }
}

impl Reply {
    /// Whatever is not 2xx is an error with the problem document's code.
    async fn accepted(self) -> Result<Self, AskError> {
        #[derive(Deserialize)]
        struct Problem {
            code: String,
        }
        if self.status.is_success() {
            return Ok(self);
        }
        let status = self.status.as_u16();
        let bytes = self.bytes(CONTROL_PROBLEM_BYTES_MAX).await.unwrap_or_default();
        let code =
            serde_json::from_slice(&bytes).map_or_else(|_| String::new(), |problem: Problem| problem.code);
        // It goes into logs: nothing but a word.
        let is_word = code.len() <= 64
            && code
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        Err(AskError::Refused {
            status,
            code: if is_word { code } else { String::new() },
        })
    }

    async fn bytes(mut self, bytes_max: usize) -> Result<Vec<u8>, AskError> {
        let mut bytes = Vec::new();
        while let Some(part) = self.body.next().await {
            let part = part.map_err(broken)?;
            if bytes.len() + part.len() > bytes_max {
                return Err(AskError::TooLarge {
                    bytes: u64::try_from(bytes.len() + part.len()).unwrap_or(u64::MAX),
                    bytes_max,
                });
            }
            bytes.extend_from_slice(&part);
        }
        Ok(bytes)
    }
}
