//! Where signals leave: the hub, the WebSocket server and the HTTP beside it, tokens, reported positions.
//!
//! ```text
//! journal ─▶ Publisher ─▶ ring ◀── Cursor (one per client) ──▶ socket
//!                                     │ older than the ring
//!                                     └──▶ History (the journal, read back)
//! ```
//! No queue per client: memory does not grow with a slow one. Nobody here can hold the publisher up.

pub mod board;
pub mod control;
pub mod cursor;
pub mod halt_file;
#[cfg(unix)]
pub mod halt_socket;
pub mod history;
mod http;
pub mod hub;
pub mod positions;
pub mod ring;
pub mod server;
mod session;
pub mod tokens;
mod transport;
pub mod wake;

#[cfg(test)]
mod testing;

pub use history::{History, HistoryEntry, HistoryError};
pub use hub::{EpochStart, Hub, HubOptions, Identity, Life, Publication, Publisher, Serving};
pub use positions::{InboxFull, PositionDesk, PositionSink};
pub use server::{BindError, Parts, ServerHandle, ServerOptions, SignalServer};
pub use tokens::Tokens;
