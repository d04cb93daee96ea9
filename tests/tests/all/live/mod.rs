//! The engine as a process: killed, stopped, halted, fed badly. What must be true is read from its journal and from what clients got.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod client;
mod crash;
mod faults;
mod feature_swap;
mod halt;
mod journal;
mod macro_rows;
mod metrics;
mod modes;
mod parity;
mod place;
mod restart;
mod resume;
mod tls;
mod wall;

pub use client::{Client, Heard};
pub use journal::{Entry, journal};
pub use place::Place;
