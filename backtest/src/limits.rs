//! Limits and fixed numbers of this crate, each with its unit and its reason.

/// Resamples of a bootstrap: the 2.5 % points of 10,000 rest on 250 values each.
pub const BOOTSTRAP_RESAMPLES: u32 = 10_000;
/// Cut points of the causality check.
pub const CAUSALITY_CUTS: u32 = 32;
/// A baseline's annual Sharpe ratio from which an improvement is relative to it.
pub const RELATIVE_BASE_MIN: f64 = 0.25;
/// P(ΔSharpe > 0) from which an improvement counts as met.
pub const P_BETTER_MIN: f64 = 0.80;
/// Bars whose three positions are evaluated as one batch (rows = 3 × this, under the policy's 1,024).
pub const BLOCK_BARS: usize = 256;
/// Most bars between a decision and its fill: more than three sessions of five-minute bars are no latency.
pub const LATENCY_BARS_MAX: u32 = 1_000;
/// Confidence level of every interval in the evidence.
pub const INTERVAL_LEVEL: f64 = 0.95;
/// Level of the minimum track record length and of the tests shown beside it: the complement of a PSR of 0.95.
pub const TEST_ALPHA: f64 = 0.05;
/// Prior probability that a proposed strategy has an edge at all, for the false discovery rate: one in twenty.
pub const EDGE_PRIOR: f64 = 0.05;
/// Most blocks of the cross-validation: C(20, 10) = 184,756 splits.
pub const PBO_BLOCKS_MAX: usize = 20;
/// Bins of a feature's training values: deciles, as the index is customarily read.
pub const PSI_BINS: usize = 10;
/// A bin's share below this counts as this: an empty bin would make the index infinite.
pub const PSI_SHARE_MIN: f64 = 1e-4;
/// Noise on prices, as a share of the standard deviation of the bars' own returns: a tenth is about a tick of a liquid pair.
pub const NOISE_SHARE: f64 = 0.1;
/// Sessions of a block that changes places in the null of shuffled decisions: a week keeps what a position held over nights does.
pub const NULL_BLOCK_SESSIONS: usize = 5;
/// Shuffles of that null: the smallest p-value is then below half a per cent.
pub const NULL_SHUFFLES: u32 = 200;
/// Parts of a holdout among which the worst is looked for.
pub const REGIME_PARTS: usize = 4;
