//! Tests of the contracts crate from outside: golden files of every persisted or published format.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "all/experiment.rs"]
mod experiment;
#[path = "all/golden.rs"]
mod golden;
#[path = "all/native.rs"]
mod native;
#[path = "all/persisted.rs"]
mod persisted;
#[path = "all/same_bits.rs"]
mod same_bits;
#[path = "all/schema.rs"]
mod schema;
#[path = "all/wire.rs"]
mod wire;
