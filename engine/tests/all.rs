//! Tests of the engine crate from outside.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "all/journal_cli.rs"]
mod journal_cli;
#[path = "all/signals/mod.rs"]
mod signals;
