//! A core's counters as others may read them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::core::counters::{Counters, REASONS};
use crate::limits::BATCH_SIZES_COUNTED;

/// The words of [`CoreMirror::drops`]: bars that were not accepted, by reason.
pub const DROPS: [&str; 5] = ["duplicate", "conflict", "out_of_order", "future", "off_grid"];

/// A copy of [`Counters`], stored by the core's driver after a step.
#[derive(Debug)]
pub struct CoreMirror {
    pub(super) bars: AtomicU64,
    pub(super) accepted: AtomicU64,
    pub(super) signals: AtomicU64,
    pub(super) withheld: [AtomicU64; REASONS],
    pub(super) drops: [AtomicU64; DROPS.len()],
    pub(super) macro_refused: AtomicU64,
    pub(super) missing_bars: AtomicU64,
    pub(super) positions_refused: AtomicU64,
    pub(super) swaps: AtomicU64,
    pub(super) batch_sizes: [AtomicU64; BATCH_SIZES_COUNTED],
}

impl Default for CoreMirror {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            bars: zero(),
            accepted: zero(),
            signals: zero(),
            withheld: std::array::from_fn(|_| zero()),
            drops: std::array::from_fn(|_| zero()),
            macro_refused: zero(),
            missing_bars: zero(),
            positions_refused: zero(),
            swaps: zero(),
            batch_sizes: std::array::from_fn(|_| zero()),
        }
    }
}

impl CoreMirror {
    /// Batches by rows inferred, where there were any; the last size stands for all larger ones.
    #[must_use]
    pub fn batch_sizes(&self) -> BTreeMap<usize, u64> {
        let counts = self.batch_sizes.iter().map(|cell| cell.load(Ordering::Relaxed));
        counts.enumerate().filter(|(_, batches)| *batches > 0).collect()
    }

    /// Copies the counters: plain stores, for the one thread that owns the core.
    pub fn store(&self, counters: &Counters) {
        let set = |cell: &AtomicU64, value: u64| cell.store(value, Ordering::Relaxed);
        set(&self.bars, counters.bars);
        set(&self.accepted, counters.accepted);
        set(&self.signals, counters.signals);
        for (cell, value) in self.withheld.iter().zip(counters.withheld) {
            set(cell, value);
        }
        let drops = [
            counters.duplicates,
            counters.conflicts,
            counters.out_of_order,
            counters.future,
            counters.off_grid,
        ];
        for (cell, value) in self.drops.iter().zip(drops) {
            set(cell, value);
        }
        set(&self.macro_refused, counters.macro_refused);
        set(&self.missing_bars, counters.missing_bars);
        set(&self.positions_refused, counters.positions_refused);
        set(&self.swaps, counters.swaps);
        for (cell, value) in self.batch_sizes.iter().zip(counters.batch_sizes) {
            set(cell, value);
        }
    }
}
