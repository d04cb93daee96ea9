//! The statistics of the first vote, one per file, each with the source of its formula and its golden vectors.
//!
//! Conventions: returns per period and net of costs, Sharpe ratios per period unless a name says annual, kurtosis not excess, ddof = 1 for
//! the standard deviation and population moments for the shape. Nothing here reads a clock; randomness is a seed.

pub mod annualise;
pub mod autocorrelation;
pub mod block_length;
pub mod bootstrap;
pub mod dsr;
pub mod effective_trials;
pub mod expected_maximum;
pub mod interval;
pub mod memmel;
pub mod min_backtest_length;
pub mod min_track_record;
pub mod moments;
pub mod normal;
pub mod paired;
pub mod pbo;
pub mod psi;
pub mod psr;
pub mod psr_2025;
pub mod quantile;
pub mod sharpe;
pub mod sums;
pub mod trials;
pub mod wilson;
