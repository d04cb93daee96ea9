//! What a feed delivers to a driver, and every reason for which something was not delivered.

use contracts::bar::Bar;
use contracts::native::{FeedMode, Speed};
use contracts::time::{DayNumber, UnixNanos, UtcMillis};

use crate::core::input::{InstrumentIndex, SeriesIndex};

/// One thing a feed says, in the order it was said. `Copy`: a batch is a plain slice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FeedEvent {
    /// A closed five-minute bar. Whether it is acceptable (in order, no duplicate, not in the future) is the core's to say.
    Bar {
        /// Whose.
        instrument: InstrumentIndex,
        /// The bar.
        bar: Bar,
        /// When the last byte that completed it was read.
        received_at: UnixNanos,
        /// Fetched from history after a break.
        backfilled: bool,
    },
    /// A daily value.
    Macro {
        /// Which series.
        series: SeriesIndex,
        /// Observation date.
        date: DayNumber,
        /// The value, finite.
        value: f64,
        /// When it arrived, as the source says; for a live feed that does not say, when it was read; `None` in a replay
        /// (the contract's rule alone decides).
        arrived_at: Option<UtcMillis>,
    },
    /// Bars that no source could deliver.
    Gap {
        /// Whose.
        instrument: InstrumentIndex,
        /// First missing close time.
        from: UtcMillis,
        /// Last missing close time.
        to: UtcMillis,
    },
    /// The source said what it is.
    Hello {
        /// Live, or a file.
        mode: FeedMode,
        /// How fast.
        speed: Speed,
    },
    /// The source is there and has nothing to say.
    Heartbeat,
    /// A replay has sent all it has.
    End,
    /// The connection stands and the subscription has been sent, or what must come before it.
    Connected {
        /// Connections made so far, this one included.
        connection: u64,
    },
    /// The connection is gone; the next attempt follows after `delay_ms`.
    Reconnecting {
        /// What ended it.
        cause: FeedRefusal,
        /// Failed or ended connections since the last one that delivered anything.
        attempt: u32,
        /// Wait before the next attempt, in milliseconds.
        delay_ms: u64,
    },
    /// Something in a message was left out, and counted.
    Ignored {
        /// Why.
        reason: FeedRefusal,
    },
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// Why something a feed sent (or did) led to no bar. Every occurrence is counted under its word.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FeedRefusal { $($(#[$doc])* $name,)* }

        impl FeedRefusal {
            /// Every reason, in the order of their indices.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The label in metrics and logs.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

refusals! {
    /// Not a message of this source: no JSON, a missing or mistyped field, NaN, a number beyond f64, no UTF-8.
    Malformed = "malformed";
    /// Longer than the limit; the connection is dropped, since the rest of the message cannot be skipped.
    Oversized = "oversized";
    /// A binary message where the source speaks text.
    Binary = "binary";
    /// An instrument that was not asked for.
    UnknownInstrument = "unknown_instrument";
    /// A macro series the contract does not use.
    UnknownSeries = "unknown_series";
    /// A message or event of a kind this version does not know.
    UnknownKind = "unknown_kind";
    /// Candles of an interval other than one or five minutes.
    WrongInterval = "wrong_interval";
    /// A time off the grid of its interval, or outside 1970–9999.
    OffGrid = "off_grid";
    /// A candle that is not final yet.
    InProgress = "in_progress";
    /// A minute or tick for a five-minute bar that has already been delivered, or left out.
    LateMinute = "late_minute";
    /// The same minute again with the same content.
    DuplicateMinute = "duplicate_minute";
    /// The same minute again with other content; the first stays.
    ConflictMinute = "conflict_minute";
    /// A minute that never came; its five-minute bar was made without it.
    MissingMinute = "missing_minute";
    /// A five-minute bar whose beginning this connection did not see: not delivered, since what was missed could have been its
    /// open, high or low.
    PartialWindow = "partial_window";
    /// A minute, a tick or a candle in progress that lies further ahead of our clock than any can: taken, it would close the bar
    /// at hand and make every real one after it late.
    Future = "future";
    /// The source answered with an error.
    SourceError = "source_error";
    /// No connection could be made.
    ConnectFailed = "connect_failed";
    /// The source's certificate is of an unknown authority, for another host, or not valid now; the log says which.
    CertificateRefused = "certificate_refused";
    /// The connection was made, TLS could not be agreed on.
    TlsFailed = "tls_failed";
    /// The connection was made, the WebSocket handshake failed or did not end in time.
    HandshakeFailed = "handshake_failed";
    /// The source closed the connection.
    Closed = "closed";
    /// The connection broke: reset, cut inside a frame, a protocol violation.
    Broken = "broken";
    /// Nothing at all was read for the idle time.
    Silent = "silent";
    /// A bar or value before the source announced the replay that the feed's clock needs.
    Unannounced = "unannounced";
    /// The source announced a replay to an engine on the wall clock; the connection is given up.
    Replay = "replay";
}

impl FeedRefusal {
    /// Dense index for counters.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Takes what a feed delivers. Called on the client's own thread, so that a driver may run the core in place.
pub trait FeedSink {
    /// Everything that was waiting on the socket, in order; never empty. Blocking here is the feed's back-pressure.
    fn events(&mut self, events: &[FeedEvent]);
}

impl FeedSink for Vec<FeedEvent> {
    fn events(&mut self, events: &[FeedEvent]) {
        self.extend_from_slice(events);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_distinct_and_indices_dense() {
        let words: std::collections::BTreeSet<_> = FeedRefusal::ALL.iter().map(|r| r.word()).collect();
        assert_eq!(words.len(), FeedRefusal::ALL.len());
        for (index, reason) in FeedRefusal::ALL.iter().enumerate() {
            assert_eq!(reason.index(), index);
        }
    }
}
