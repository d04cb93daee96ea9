//! The control plane against real databases.

#[path = "all/kit/mod.rs"]
mod kit;
#[path = "all/moves.rs"]
mod moves;
#[path = "all/store.rs"]
mod store;
#[path = "all/votes.rs"]
mod votes;
