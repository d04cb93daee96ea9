//! The engine as a process: killed, stopped, halted, fed badly. What must be true is read from its journal and from what clients got.

mod client;
mod crash;
mod halt;
mod journal;
mod place;
mod restart;

pub use client::{Client, Heard};
pub use journal::{Entry, journal};
pub use place::Place;
