//! The control plane against real databases.
#![expect(
    clippy::unwrap_used,
    clippy::large_futures,
    reason = "a test that cannot be set up fails, and its futures are few"
)]

#[path = "all/api.rs"]
mod api;
#[path = "all/api_login.rs"]
mod api_login;
#[path = "all/api_moves.rs"]
mod api_moves;
#[path = "all/bad_input.rs"]
mod bad_input;
#[path = "all/cli/mod.rs"]
mod cli;

#[path = "all/artifacts.rs"]
mod artifacts;
#[path = "all/audit.rs"]
mod audit;
#[path = "all/backup.rs"]
mod backup;
#[path = "all/described.rs"]
mod described;
#[path = "all/experiments.rs"]
mod experiments;
#[path = "all/inspection.rs"]
mod inspection;
#[path = "all/jobs.rs"]
mod jobs;
#[path = "all/kit/mod.rs"]
mod kit;
#[path = "all/lineage.rs"]
mod lineage;
#[path = "all/looks.rs"]
mod looks;
#[path = "all/market/mod.rs"]
mod market;
#[path = "all/models.rs"]
mod models;
#[path = "all/more_tests.rs"]
mod more_tests;
#[path = "all/moves.rs"]
mod moves;
#[path = "all/moves_stop.rs"]
mod moves_stop;
#[path = "all/notify.rs"]
mod notify;
#[path = "all/proposals.rs"]
mod proposals;
#[path = "all/store.rs"]
mod store;
#[path = "all/upload.rs"]
mod upload;
#[path = "all/votes.rs"]
mod votes;
