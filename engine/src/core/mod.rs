//! `Core::step(&mut self, inputs, out)`: a plain synchronous state machine, time as data.
//!
//! Nothing in here knows a thread, a socket, a clock or a lock, and a step allocates nothing once its buffers are made. Live,
//! replay, verify and tests are short loops around it ([`crate::drivers`]).

pub mod accept;
mod adopt;
pub mod batch;
pub mod bytes;
pub mod confirmation;
pub mod counters;
mod finish;
pub mod input;
pub mod latches;
pub mod macro_feed;
pub mod options;
pub mod record;
pub mod recovery;
mod retrace;
pub mod silence;
pub mod slot;
pub mod snapshot;
mod step;
mod timers;

pub use input::{ClockMode, Input, InstrumentIndex, SeriesIndex};
pub use options::CoreOptions;
pub use record::Records;
pub use step::Core;
