//! The control plane against real databases.

#[path = "all/experiments.rs"]
mod experiments;
#[path = "all/kit/mod.rs"]
mod kit;
#[path = "all/store.rs"]
mod store;
#[path = "all/votes.rs"]
mod votes;
