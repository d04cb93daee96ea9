//! Limits and fixed numbers of this crate, each with its unit and its reason.

/// Resamples of a bootstrap: the 2.5 % points of 10,000 rest on 250 values each.
pub const BOOTSTRAP_RESAMPLES: u32 = 10_000;
/// Cut points of the causality check.
pub const CAUSALITY_CUTS: u32 = 32;
/// Below this many looks the variance between trials is floored at 1/(T − 1): it cannot be estimated from so few.
pub const TRIALS_FOR_VARIANCE: u32 = 10;
/// A baseline's annual Sharpe ratio from which an improvement is relative to it.
pub const RELATIVE_BASE_MIN: f64 = 0.25;
/// P(ΔSharpe > 0) from which an improvement counts as met.
pub const P_BETTER_MIN: f64 = 0.80;
/// Bars whose three positions are evaluated as one batch (rows = 3 × this, under the policy's 1,024).
pub const BLOCK_BARS: usize = 256;
