//! What the core counts instead of logging. Plain integers: the driver reads them after a step.

use crate::limits::BATCH_SIZES_COUNTED;

/// Counts since the core was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counters {
    /// Bars that came in, whatever became of them.
    pub bars: u64,
    /// Accepted bars: each gave exactly one record.
    pub accepted: u64,
    /// Decisions.
    pub signals: u64,
    /// Accepted bars without a decision, by the index of the reason (see [`reason_index`]).
    pub withheld: [u64; REASONS],
    /// The same bar again.
    pub duplicates: u64,
    /// The same close time, other content.
    pub conflicts: u64,
    /// Older than the last accepted.
    pub out_of_order: u64,
    /// Further ahead of the clock than the tolerance.
    pub future: u64,
    /// Close time off the five-minute grid.
    pub off_grid: u64,
    /// Macro values that were refused.
    pub macro_refused: u64,
    /// Missing bars between used bars of one session.
    pub missing_bars: u64,
    /// Position reports for instruments or modes that take none.
    pub positions_refused: u64,
    /// Models adopted.
    pub swaps: u64,
    /// Batches by rows inferred; the last place counts all larger ones.
    pub batch_sizes: [u64; BATCH_SIZES_COUNTED],
}

/// How many reasons there are.
pub const REASONS: usize = 10;

/// The wire words in the order of [`reason_index`].
pub const REASON_WORDS: [&str; REASONS] = [
    "off_session",
    "quarantined",
    "halted",
    "no_model",
    "unconfirmed",
    "late",
    "warming",
    "stale",
    "no_position",
    "not_finite",
];

/// The place of a reason in [`Counters::withheld`].
#[must_use]
pub const fn reason_index(reason: contracts::reason::Withheld) -> usize {
    use contracts::reason::Withheld as W;
    match reason {
        W::OffSession => 0,
        W::Quarantined => 1,
        W::Halted => 2,
        W::NoModel => 3,
        W::Unconfirmed => 4,
        W::Late => 5,
        W::Warming => 6,
        W::Stale(_) => 7,
        W::NoPosition => 8,
        W::NotFinite => 9,
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            bars: 0,
            accepted: 0,
            signals: 0,
            withheld: [0; REASONS],
            duplicates: 0,
            conflicts: 0,
            out_of_order: 0,
            future: 0,
            off_grid: 0,
            macro_refused: 0,
            missing_bars: 0,
            positions_refused: 0,
            swaps: 0,
            batch_sizes: [0; BATCH_SIZES_COUNTED],
        }
    }
}

impl Counters {
    /// Counts one inferred batch of `rows`.
    pub fn batch(&mut self, rows: usize) {
        self.batch_sizes[rows.min(BATCH_SIZES_COUNTED - 1)] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::reason::Withheld;

    #[test]
    fn every_reason_has_the_place_of_its_word() {
        let all = [
            Withheld::OffSession,
            Withheld::Quarantined,
            Withheld::Halted,
            Withheld::NoModel,
            Withheld::Unconfirmed,
            Withheld::Late,
            Withheld::Warming,
            Withheld::Stale(3),
            Withheld::NoPosition,
            Withheld::NotFinite,
        ];
        for reason in all {
            assert_eq!(REASON_WORDS[reason_index(reason)], reason.word());
        }
    }
}
