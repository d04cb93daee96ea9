//! Every limit of this crate, with its unit and its reason.

/// Longest identifier in bytes: fits a one-byte length prefix in the journal and a file name.
pub const ID_BYTES_MAX: usize = 96;

/// Longest instrument name in bytes: vendors' longest symbols stay below 24.
pub const INSTRUMENT_BYTES_MAX: usize = 32;

/// The only bar interval the system accepts, in milliseconds (five minutes).
pub const BAR_INTERVAL_MS: i64 = 5 * 60 * 1_000;

/// Most features one contract may hold: bounds a row of the journal and the stack space of an observation.
pub const FEATURES_MAX: usize = 64;

/// Most outputs an action head may have (three logits).
pub const RAW_OUTPUTS_MAX: usize = 3;

/// Most instruments one `subscribe` may list: with the longest names 36 KiB, inside the 64 KiB a client message may have.
pub const SUBSCRIPTION_INSTRUMENTS_MAX: usize = 1_024;
