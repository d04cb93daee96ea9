//! From bars to the first vote, as pure computation: the same `Strategy` as live decides, orders fill at the next used bar's open,
//! equity is marked at every bar, and statistics say how far the figures can be trusted.
//!
//! Direction: `market` (what is read) → `run` (who holds what, when, at which price) → `outcome` → `metrics` and `stats` → `vote`.
//! Nothing here knows a clock, a socket or a database; randomness is seeded by the run's fingerprint.

pub mod baseline;
pub mod causality;
pub mod drift;
pub mod limits;
pub mod market;
pub mod metrics;
pub mod outcome;
pub mod output;
pub mod report;
pub mod run;
#[cfg(test)]
mod samples;
pub mod stats;
pub mod stress;
pub mod vote;
