//! `Core::step(&mut self, inputs, out)`: a plain synchronous state machine, time as data.

pub mod input;
pub mod record;
