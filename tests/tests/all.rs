//! End-to-end tests of the workspace: one binary, a module per subject.

#[path = "all/core/mod.rs"]
mod core;
#[path = "all/demos.rs"]
mod demos;
#[path = "all/feeds/mod.rs"]
mod feeds;
#[path = "all/fuzz.rs"]
mod fuzz;
#[path = "all/live/mod.rs"]
mod live;
#[path = "all/parity.rs"]
mod parity;
#[path = "all/pipeline.rs"]
mod pipeline;
#[path = "all/swaps.rs"]
mod swaps;
#[path = "all/tidy/mod.rs"]
mod tidy;
#[path = "all/verify/mod.rs"]
mod verify;
