//! What the core is told, in order. `Copy`, fixed size, names already resolved to dense indices.

use contracts::bar::Bar;
use contracts::reason::{Latch, Position};
pub use contracts::time::DayNumber;
use contracts::time::{UnixNanos, UtcMillis};

/// Dense index of an instrument in the slot's list; resolved once at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstrumentIndex(pub u32);

/// Dense index of a macro series in the feature contract's sorted list of series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesIndex(pub u8);

/// Which time rules the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockMode {
    /// The wall clock: late and future bars are judged against it.
    Wall,
    /// The newest close time seen; only for a feed that announces a replay. Every message says `simulated`.
    Feed,
}

/// One input with a place in the order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Input {
    /// The wall clock as the driver read it just before this batch. Moves timers; the first input of every batch.
    Clock {
        /// UTC nanoseconds.
        now: UnixNanos,
    },
    /// A closed bar.
    Bar {
        /// Whose.
        instrument: InstrumentIndex,
        /// The bar.
        bar: Bar,
        /// When its last byte was read from the socket or file.
        received_at: UnixNanos,
        /// True for history fetched after a gap: updates features, never gives a decision.
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
        /// When it arrived; visibility is the later of this and the contract's rule. `None`: the rule alone.
        arrived_at: Option<UtcMillis>,
    },
    /// A position reported by its owner (`feedback` mode).
    Position {
        /// Whose.
        instrument: InstrumentIndex,
        /// What is held.
        position: Position,
        /// As of when; an older report than the last is refused before it comes here.
        as_of: UtcMillis,
    },
    /// Set a latch.
    Halt {
        /// Which one.
        latch: Latch,
    },
    /// A verified directive with a higher number than any before.
    Directive {
        /// Strictly increasing.
        number: u64,
        /// Sets the control latch.
        halted: bool,
        /// Clears the control latch.
        clears_control: bool,
        /// Clears the local latch.
        clears_local: bool,
        /// Issued at; `unconfirmed` follows `offline_grace_hours` later.
        issued_at: UtcMillis,
        /// `unconfirmed` from here on, if sooner.
        renew_by: UtcMillis,
    },
    /// The feed has said which time rules.
    Mode {
        /// Which.
        clock: ClockMode,
    },
    /// Write the whole state as a record: the journal begins a segment.
    Snapshot,
    /// The feed cannot deliver these bars.
    Gap {
        /// Whose.
        instrument: InstrumentIndex,
        /// First missing close time.
        from: UtcMillis,
        /// Last missing close time.
        to: UtcMillis,
    },
}
