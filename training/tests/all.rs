//! Tests of the training crate from outside.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "all/dataset.rs"]
mod dataset;
#[path = "all/experiments.rs"]
mod experiments;
#[path = "all/folder.rs"]
mod folder;
#[path = "all/ideal.rs"]
mod ideal;
#[path = "all/kit.rs"]
mod kit;
#[path = "all/market.rs"]
mod market;
#[path = "all/real.rs"]
mod real;
