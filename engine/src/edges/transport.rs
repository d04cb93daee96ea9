//! A connection before it is a client: its request head, and streams that remember.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::handshake::machine::TryParse as _;
use tokio_tungstenite::tungstenite::handshake::server::Request;

use crate::limits::REQUEST_HEAD_BYTES_MAX;

/// Path of the signal stream.
pub const SIGNALS_PATH: &str = "/v1/signals";

/// What a connection wants.
#[derive(Debug)]
pub enum Head {
    /// The signal stream; `rest` was read beyond the head.
    Signals {
        /// The request.
        request: Box<Request>,
        /// Bytes that follow it.
        rest: Vec<u8>,
    },
    /// Anything else, a malformed head included: the HTTP server answers; it is given all bytes read.
    Http {
        /// From the first byte on.
        bytes: Vec<u8>,
    },
}

/// Reads until the head is complete or cannot become one.
///
/// # Errors
/// The stream's, `UnexpectedEof` when it ends first, `InvalidData` above [`REQUEST_HEAD_BYTES_MAX`].
pub async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Head> {
    let mut bytes = Vec::with_capacity(1 << 10);
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match Request::try_parse(&bytes) {
            Ok(Some((len, request))) => {
                let upgrade =
                    request.headers().contains_key("upgrade") && request.uri().path() == SIGNALS_PATH;
                return Ok(if upgrade {
                    let rest = bytes.split_off(len);
                    Head::Signals {
                        request: Box::new(request),
                        rest,
                    }
                } else {
                    Head::Http { bytes }
                });
            }
            Ok(None) if bytes.len() > REQUEST_HEAD_BYTES_MAX => return Err(io::ErrorKind::InvalidData.into()),
            Ok(None) => {}
            Err(_) => return Ok(Head::Http { bytes }),
        }
    }
}

/// A stream whose first bytes have been read already.
#[derive(Debug)]
pub struct Prefixed<S> {
    prefix: Vec<u8>,
    taken: usize,
    inner: S,
}

impl<S> Prefixed<S> {
    /// `prefix`, then `inner`.
    pub const fn new(prefix: Vec<u8>, inner: S) -> Self {
        Self {
            prefix,
            taken: 0,
            inner,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = &self.prefix[self.taken..];
        if left.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let n = left.len().min(buf.remaining());
        buf.put_slice(&left[..n]);
        self.taken += n;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// A stream that counts what it could write: a stall is a write that moves nothing, not one that is slow.
#[derive(Debug)]
pub struct Metered<S> {
    inner: S,
    written: u64,
}

impl<S> Metered<S> {
    /// Nothing written yet.
    pub const fn new(inner: S) -> Self {
        Self { inner, written: 0 }
    }

    /// Bytes the operating system has taken.
    pub const fn written(&self) -> u64 {
        self.written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let n = ready!(Pin::new(&mut self.inner).poll_write(cx, buf))?;
        self.written += n as u64;
        Poll::Ready(Ok(n))
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> io::Result<Head> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(read_head(&mut text.as_bytes()))
    }

    #[test]
    fn signals_go_one_way_and_the_rest_another() {
        let upgrade = "GET /v1/signals HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\nmore";
        let Head::Signals { request, rest } = head(upgrade).unwrap() else {
            panic!()
        };
        assert_eq!(
            (request.uri().path(), rest.as_slice()),
            ("/v1/signals", &b"more"[..])
        );
        for other in [
            "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /v1/signals HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /v1/bars HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
            "POST /v1/signals HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
            "\u{1}\u{2} nonsense",
        ] {
            let Head::Http { bytes } = head(other).unwrap() else {
                panic!("{other}")
            };
            assert_eq!(bytes, other.as_bytes());
        }
        assert_eq!(
            head("GET /v1/si").unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
        let endless = format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(REQUEST_HEAD_BYTES_MAX));
        assert_eq!(head(&endless).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
