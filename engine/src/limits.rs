//! Every limit of this crate, with its unit and its reason.

// ── Feeds ──

/// One minute in milliseconds: the shorter of the two candle widths that are accepted.
pub const MINUTE_MS: i64 = 60_000;

/// Longest message of a feed in bytes: a snapshot of 720 candles takes 180 kB.
pub const FEED_MESSAGE_BYTES_MAX: usize = 1 << 20;

/// How long after its close an unflagged candle or a bar with missing minutes is waited for, in milliseconds: vendors send
/// within 100 ms; the rest is for the network.
pub const FEED_GRACE_MS: i64 = 3_000;
