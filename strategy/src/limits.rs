//! Every limit of this crate, with its unit and its reason.

/// Most rows one batch may hold: the largest bound buffer of the ORT executor, and more instruments than one engine serves.
pub const BATCH_ROWS_MAX: usize = 1_024;
