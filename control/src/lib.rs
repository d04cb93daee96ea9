//! The control plane: from an experiment contract to a production contract, through two votes.
//!
//! Direction: `store` (all SQL) and `artifacts` (all files) → domain (`registry`, `proposals`, `votes`, `slots`, `audit`, …) →
//! `api` (HTTP) and `cli`. The engine is never a dependency: it follows what this plane signs.

pub mod api;
pub mod app;
pub mod artifacts;
pub mod audit;
pub mod auth;
pub mod backtests;
pub mod backup;
mod causes;
pub mod cli;
pub mod clock;
pub mod config;
pub mod contract;
pub mod experiments;
pub mod ingest;
pub mod inspect;
pub mod jobs;
pub mod keys;
pub mod limits;
pub mod market;
pub mod markets;
pub mod notify;
pub mod promote;
pub mod proposals;
pub mod registry;
pub mod research;
pub mod routine;
pub mod slots;
pub mod store;
pub mod votes;
mod whole;
mod words;
