//! Limits and fixed numbers of this crate, each with its unit and its reason.

/// Fewest rows norm stats are fitted on: a standard deviation of 512 independent values is known to 3 %.
pub const FIT_ROWS_MIN: usize = 512;
/// Rows read from a Parquet column in one piece: 64 KiB of doubles.
pub const READ_ROWS: usize = 8_192;
/// Largest file of a dataset that is read, in bytes: twenty years of a market that never closes stay below half of it.
pub const DATASET_FILE_BYTES_MAX: u64 = 1 << 30;
/// Longest generated market in days: what a macro series keeps (4,096 values, week-days only), less the days before the first session.
pub const SYNTHETIC_DAYS_MAX: i64 = 5_000;
