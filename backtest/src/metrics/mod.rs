//! Every figure of a run, from its outcome. What has no value is null with a reason, never 999, 0 or infinite.

pub mod drawdown;
pub mod information;
mod measure;
pub mod resamples;
pub mod rows;
mod trades;

pub use self::measure::{Measurement, measure, measure_all};
pub use self::resamples::Resamples;
