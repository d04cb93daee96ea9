//! Every limit of this crate, with its unit and its reason.

// ── Feeds ──

/// One minute in milliseconds: the shorter of the two candle widths that are accepted.
pub const MINUTE_MS: i64 = 60_000;

/// Longest message of a feed in bytes: a snapshot of 720 candles takes 180 kB.
pub const FEED_MESSAGE_BYTES_MAX: usize = 1 << 20;

/// How long after its close an unflagged candle or a bar with missing minutes is waited for, in milliseconds: vendors send
/// within 100 ms; the rest is for the network.
pub const FEED_GRACE_MS: i64 = 3_000;

/// Accepted bars kept per instrument by a core: covers the bars that close while a swap's warm-up is being built.
pub const BARS_KEPT: usize = 32;

/// How far ahead of the wall clock a bar may close, in milliseconds: clocks of venue and host differ by less.
pub const FUTURE_TOLERANCE_MS: i64 = 2_000;

/// How long before `unconfirmed` the slot says `contract_expiring`, in milliseconds (24 hours).
pub const EXPIRY_WARNING_MS: i64 = 24 * 3_600_000;

/// Batch sizes counted one by one; larger batches share the last place.
pub const BATCH_SIZES_COUNTED: usize = 129;

/// Closes examined per instrument and tick by the silence watch: bounds a tick, and walks a week-end in a minute of ticks.
pub const SILENCE_STEPS_PER_TICK: usize = 32;

/// The silence watch looks at most this often, in milliseconds.
pub const SILENCE_TICK_MS: i64 = 1_000;

/// Macro values kept by a core as they came: more than arrive while a warm-up is being built.
pub const MACROS_KEPT: usize = 128;

/// Most macro series one slot may name.
pub const SERIES_MAX: usize = 64;
