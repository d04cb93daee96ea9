//! From bars to a model, as computation: what is learnt from (`dataset`), what is learnt in (`environment`), who learns (`ppo`), and a
//! market whose edge is known (`synthetic`).
//!
//! Stands on `strategy` and `backtest`: features, normalisation, orders and costs are those of live and of the first vote. Knows no clock,
//! socket or database; randomness comes from a seed.

pub mod dataset;
pub mod environment;
pub mod export;
pub mod limits;
pub mod ppo;
pub mod reward;
#[cfg(test)]
mod samples;
pub mod synthetic;
