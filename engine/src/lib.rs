//! The hot path and its edges.
//!
//! Data comes in at one door ([`feeds`]), walks through the [`core`] in one direction (accept → features → normalise →
//! policy → action → record) and leaves at another: the journal first, then the signal hub. The core is
//! `step(state, inputs) → records`: no thread, socket, clock, lock or allocation; drivers own those.

pub mod bench;
pub mod bundle;
pub mod cli;
pub mod clock;
pub mod config;
pub mod core;
pub mod drivers;
pub mod edges;
pub mod feeds;
pub mod follower;
pub mod journal;
pub mod limits;
pub mod metrics;
pub mod net;
