//! `Core::step(&mut self, inputs, out)`: a plain synchronous state machine, time as data.

pub mod accept;
pub mod bytes;
pub mod confirmation;
pub mod counters;
pub mod input;
pub mod latches;
pub mod record;
pub mod silence;
