//! What a core is told once, at its making.

use std::sync::Arc;

use contracts::ids::{InstrumentId, SeriesId};

use super::input::{ClockMode, InstrumentIndex};

/// Options of one core.
#[derive(Debug, Clone)]
pub struct CoreOptions {
    /// All instruments of the slot, in the order of their dense indices.
    pub instruments: Arc<[InstrumentId]>,
    /// This core's number, from 0.
    pub shard: u16,
    /// How many cores there are; core `i` owns the instruments whose index is `i` modulo this.
    pub shards: u16,
    /// Which time rules.
    pub clock: ClockMode,
    /// All macro series of the slot, in the order of their dense indices.
    pub series: Arc<[SeriesId]>,
    /// Rows after which a batch is inferred though more bars wait; at most `strategy::limits::BATCH_ROWS_MAX`.
    pub batch_rows_max: usize,
}

impl CoreOptions {
    /// One core for `instruments` on the wall clock.
    #[must_use]
    pub fn single(instruments: Arc<[InstrumentId]>) -> Self {
        Self {
            instruments,
            shard: 0,
            shards: 1,
            clock: ClockMode::Wall,
            series: Arc::new([]),
            batch_rows_max: strategy::limits::BATCH_ROWS_MAX,
        }
    }

    /// True when this core owns `instrument`.
    #[must_use]
    pub fn owns(&self, instrument: InstrumentIndex) -> bool {
        (instrument.0 as usize) < self.instruments.len()
            && instrument.0 % u32::from(self.shards) == u32::from(self.shard)
    }

    /// The place of an owned instrument among this core's own.
    #[must_use]
    pub fn local(&self, instrument: InstrumentIndex) -> Option<usize> {
        self.owns(instrument)
            .then(|| (instrument.0 / u32::from(self.shards)) as usize)
    }

    /// The instrument at that place among this core's own: the way back from [`Self::local`].
    #[must_use]
    pub fn global(&self, local: usize) -> InstrumentIndex {
        let place = local * usize::from(self.shards) + usize::from(self.shard);
        InstrumentIndex(u32::try_from(place).unwrap_or(u32::MAX))
    }

    /// The owned instruments, in local order.
    pub fn owned(&self) -> impl Iterator<Item = &InstrumentId> {
        self.instruments
            .iter()
            .skip(usize::from(self.shard))
            .step_by(usize::from(self.shards))
    }

    /// True for the one core that publishes the slot's own state. What a core was told (daily values, latches, directives) each
    /// records for itself: only so the journal holds the order in which its bars met them.
    #[must_use]
    pub const fn records_slot(&self) -> bool {
        self.shard == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_divide_the_instruments() {
        let names: Vec<InstrumentId> = ["A", "B", "C", "D", "E"]
            .iter()
            .map(|n| InstrumentId::parse(n).unwrap())
            .collect();
        let core = |shard| CoreOptions {
            shard,
            shards: 2,
            ..CoreOptions::single(names.clone().into())
        };
        let owned = |shard| core(shard).owned().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(owned(0), ["A", "C", "E"]);
        assert_eq!(owned(1), ["B", "D"]);
        assert_eq!(core(1).local(InstrumentIndex(3)), Some(1));
        assert_eq!(core(0).local(InstrumentIndex(3)), None);
        assert_eq!(core(0).local(InstrumentIndex(6)), None);
    }
}
