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

/// Largest production contract or directive in bytes: with every list at its limit one stays below a quarter of this.
pub const CONTRACT_BYTES_MAX: usize = 1 << 20;

/// Instruments one slot may have: their state and their rings are held in memory.
pub const INSTRUMENTS_MAX: usize = 4_096;

/// Signatures one document may carry: one per key in a rotation, with room.
pub const SIGNATURES_MAX: usize = 8;

/// Longest name of a model's output in bytes, as exporters write them.
pub const OUTPUT_NAME_BYTES_MAX: usize = 256;

/// Golden observations of a contract.
pub const GOLDEN_ROWS: usize = 256;

/// Largest golden vectors file in bytes: 256 rows of 64 features in 17 digits stay below a quarter of this.
pub const GOLDEN_BYTES_MAX: usize = 2 << 20;

/// Largest ONNX file in bytes.
pub const MODEL_BYTES_MAX: usize = 64 << 20;

/// Largest norm-stats file in bytes.
pub const NORM_STATS_BYTES_MAX: usize = 1 << 20;

/// Most macro series one contract may name: keeps a series' index within a byte and its state within a snapshot.
pub const SERIES_MAX: usize = 32;

/// Largest experiment in bytes: ten times the shipped example; also bounds what the YAML scanner may spend on nesting.
pub const EXPERIMENT_BYTES_MAX: usize = 32 << 10;

/// Deepest nesting of an experiment or a source file: their own sections go four deep.
pub const DOCUMENT_DEPTH_MAX: usize = 16;

/// Most values of such a document with its aliases written out: a few hundred are used, an alias bomb has millions.
pub const DOCUMENT_NODES_MAX: usize = 4_096;

/// Longest experiment name in bytes: with the hash, number and prefix of a proposal id it stays within [`ID_BYTES_MAX`].
pub const EXPERIMENT_NAME_BYTES_MAX: usize = 64;

/// Longest description in bytes: a page for people.
pub const DESCRIPTION_BYTES_MAX: usize = 4 << 10;

/// Most hidden layers of a policy, and the most units of one: larger ones leave the admission's file size.
pub const NET_LAYERS_MAX: usize = 8;
/// See [`NET_LAYERS_MAX`].
pub const NET_UNITS_MAX: u32 = 4_096;

/// Most words of a trainer's command.
pub const COMMAND_WORDS_MAX: usize = 64;

/// Most days a proposal or an approval may wait.
pub const WAIT_DAYS_MAX: u32 = 90;

/// Most hours a contract may run without a newer directive: a directive is good for seven days anyway.
pub const OFFLINE_GRACE_HOURS_MAX: u32 = 168;

/// Oldest bar that may get a decision, in seconds: beyond the bar interval the next bar is already there.
pub const BAR_AGE_S_MAX: u32 = 300;

/// Largest source file in bytes: fifty series take a fifth of this.
pub const SOURCE_BYTES_MAX: usize = 32 << 10;

/// Longest line of a file of rows, in bytes: vendors' widest rows stay below a hundredth of this; bounds what one row may cost.
pub const ROW_BYTES_MAX: usize = 64 << 10;

/// Most rows one file may hold: fifty years of bars around the clock; bounds the memory of a file that is read whole to 300 MB.
pub const FILE_ROWS_MAX: u64 = 6_000_000;

/// Most columns a file of rows may have.
pub const FILE_COLUMNS_MAX: usize = 1_024;
