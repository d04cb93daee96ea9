//! What the tests of this workspace share: a generated market, the real data beside the repository, hang guards,
//! child processes, and the instruments that watch a thread's allocations, locks and system calls.
//!
//! Three rules hold for every test that uses it:
//! * No test waits for a duration. It waits for an event; [`guard`] ends a test that hangs.
//! * A test that needs real data has a twin on [`market`], which always runs; what it cannot run it says through
//!   [`shared::skipped`], so that the runner can count it.
//! * What is long by nature takes its length from [`scale::soak`].

pub mod faulty_feed;
pub mod fuzz;
pub mod guard;
pub mod live;
pub mod market;
pub mod norm_stats;
pub mod process;
pub mod rig;
pub mod scale;
pub mod shared;
pub mod steady;
pub mod tls;

pub use shared::{shared_data, skipped};
