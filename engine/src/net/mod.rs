//! What every connection the engine opens is made of: TLS whose certificates are always checked, a stream with or without it, and
//! the wait before the next attempt. Feeds and the link to the control plane stand on it.

mod backoff;
mod socket;
mod tls;

pub(crate) use backoff::Backoff;
pub(crate) use socket::Socket;
pub use tls::CaFileError;
pub(crate) use tls::{Tls, TlsRefused};
