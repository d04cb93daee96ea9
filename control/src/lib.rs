//! The control plane: from an experiment contract to a production contract, through two votes.
//!
//! Direction: `store` (all SQL) and `artifacts` (all files) → domain (`registry`, `proposals`, `votes`, `slots`, `audit`, …) →
//! `api` (HTTP) and `cli`. The engine is never a dependency: it follows what this plane signs.

pub mod store;
