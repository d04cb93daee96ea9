//! The messages of `/v1/signals`, both directions: one struct each, fields in the order they are written.
//!
//! Invariants:
//! * A published message (one with a `seq`) is a pure function of its journal record, so a client that resumes gets the same
//!   bytes; nothing in here reads a clock or a setting.
//! * Names inside server messages are borrowed (`Cow`): a message is rendered straight from the record, without a copy.
//!   Client messages come from outside and therefore hold the checked id types.
//! * `simulated` is written only when true and then stands last.
//! * Readers ignore fields they do not know; a change that breaks such a reader raises [`SCHEMA`].

mod client;
mod codes;
mod doc;
mod examples;
mod filter;
mod raw;
mod reason;
mod server;
mod stream;

pub use crate::manual::MessageDoc;
pub use client::{ClientMessage, PositionReport, Subscribe};
pub use codes::{ClockMode, ContractOrigin, ErrorCode, FaultCode};
pub use doc::{message_docs, render_markdown};
pub use examples::{client_examples, server_examples};
pub use filter::InstrumentFilter;
pub use reason::{ParseReasonError, Reason};
pub use server::{Flatten, ModelSwapped, ServerMessage, Signal, State, WithheldBar};
pub use stream::{Error, Fault, Gap, Progress, Rewound, Snapshot, Welcome};

/// Version of the messages, as `welcome` announces it.
pub const SCHEMA: u32 = 1;

/// Serde's test for leaving out a flag that is not set.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_unset(flag: &bool) -> bool {
    !*flag
}
