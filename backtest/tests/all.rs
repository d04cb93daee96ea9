//! Tests of the backtest crate from outside.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "all/noise/mod.rs"]
mod noise;
#[path = "all/oracle.rs"]
mod oracle;
