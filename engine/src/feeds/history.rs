//! Bars from before: what fills the hole between the last bar held and the first after a break, for sources that cannot.

use contracts::bar::Bar;
use contracts::limits::BAR_INTERVAL_MS;
use contracts::time::UtcMillis;

use crate::core::input::InstrumentIndex;

/// Where missed bars can be found, and which were due at all.
pub trait History: Send {
    /// Appends the bars with `after < close_time < before`, ascending.
    fn bars(&mut self, instrument: InstrumentIndex, after: UtcMillis, before: UtcMillis, out: &mut Vec<Bar>);

    /// The first and last close time with `after < close_time < before` at which a bar was due; `None` when none was.
    fn due(
        &self,
        instrument: InstrumentIndex,
        after: UtcMillis,
        before: UtcMillis,
    ) -> Option<(UtcMillis, UtcMillis)>;
}

/// Bars in memory, and a rule that says when bars are due.
pub struct MemoryHistory<F> {
    bars: Vec<Vec<Bar>>,
    is_due: F,
}

/// Most five-minute steps looked at for one hole: 90 days. A longer hole is reported from its ends.
const STEPS_MAX: i64 = 90 * 24 * 12;

impl<F: Fn(InstrumentIndex, UtcMillis) -> bool + Send> MemoryHistory<F> {
    /// `bars[i]`: of instrument i, ascending by close time. `is_due` says whether a bar closes at that time (sessions).
    #[must_use]
    pub const fn new(bars: Vec<Vec<Bar>>, is_due: F) -> Self {
        Self { bars, is_due }
    }
}

impl<F: Fn(InstrumentIndex, UtcMillis) -> bool + Send> History for MemoryHistory<F> {
    fn bars(&mut self, instrument: InstrumentIndex, after: UtcMillis, before: UtcMillis, out: &mut Vec<Bar>) {
        if let Some(bars) = self.bars.get(instrument.0 as usize) {
            let from = bars.partition_point(|bar| bar.close_time <= after);
            let to = bars.partition_point(|bar| bar.close_time < before);
            if from < to {
                out.extend_from_slice(&bars[from..to]);
            }
        }
    }

    fn due(
        &self,
        instrument: InstrumentIndex,
        after: UtcMillis,
        before: UtcMillis,
    ) -> Option<(UtcMillis, UtcMillis)> {
        let first = UtcMillis((after.0.div_euclid(BAR_INTERVAL_MS) + 1) * BAR_INTERVAL_MS);
        let last = UtcMillis((before.0 - 1).div_euclid(BAR_INTERVAL_MS) * BAR_INTERVAL_MS);
        if last < first {
            return None;
        }
        let steps = (last.0 - first.0) / BAR_INTERVAL_MS;
        let is_due = |time: &UtcMillis| (self.is_due)(instrument, *time);
        let from = (0..=steps.min(STEPS_MAX))
            .map(|k| first.plus_ms(k * BAR_INTERVAL_MS))
            .find(is_due)?;
        let to = (0..=steps.min(STEPS_MAX))
            .map(|k| last.plus_ms(-k * BAR_INTERVAL_MS))
            .find(is_due)?;
        Some((from, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(step: i64) -> Bar {
        Bar {
            close_time: UtcMillis(step * BAR_INTERVAL_MS),
            ..Bar::default()
        }
    }

    #[test]
    fn gives_what_lies_between_and_nothing_else() {
        let mut history = MemoryHistory::new(vec![(1..10).map(bar).collect()], |_, _| true);
        let mut out = Vec::new();
        history.bars(InstrumentIndex(0), bar(3).close_time, bar(6).close_time, &mut out);
        assert_eq!(out, [bar(4), bar(5)]);
        history.bars(InstrumentIndex(7), bar(3).close_time, bar(6).close_time, &mut out);
        assert_eq!(out.len(), 2);
    }

    #[test]
    fn due_respects_the_session() {
        let even = MemoryHistory::new(Vec::new(), |_, t: UtcMillis| t.0 / BAR_INTERVAL_MS % 2 == 0);
        let due = |a, b| even.due(InstrumentIndex(0), bar(a).close_time, bar(b).close_time);
        assert_eq!(due(2, 9), Some((bar(4).close_time, bar(8).close_time)));
        assert_eq!(due(2, 4), None);
        assert_eq!(due(4, 4), None);
        assert_eq!(due(9, 2), None);
    }
}
