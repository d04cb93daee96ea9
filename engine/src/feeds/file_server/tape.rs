//! The data of a file server, in the order in which a client gets it.

use std::collections::BTreeMap;

use contracts::bar::Bar;
use contracts::ids::{InstrumentId, SeriesId};
use contracts::time::{DayNumber, UtcMillis};

/// One day in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// The largest offset of any zone from UTC, in milliseconds (UTC+14).
const ZONE_OFFSET_MS_MAX: i64 = 14 * 3_600_000;

/// A daily value and when it is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct TapeMacro {
    /// The series.
    pub series: SeriesId,
    /// Local observation date.
    pub date: DayNumber,
    /// The value.
    pub value: f64,
    /// When it arrived, where the file says.
    pub arrived_at: Option<UtcMillis>,
    /// Sent before the first bar that closes at or after this.
    pub visible_at: UtcMillis,
}

/// The first instant at which a value observed on `date` can be visible under any calendar: local midnight of the next day
/// where the day begins first (UTC+14), without delay. The engine applies its contract's own rule to what it has; it must
/// only have it in time.
#[must_use]
pub const fn visible_everywhere(date: DayNumber) -> UtcMillis {
    UtcMillis((date.0 as i64 + 1) * DAY_MS - ZONE_OFFSET_MS_MAX)
}

/// Bars by instrument, daily values by visibility.
#[derive(Debug, Default)]
pub struct Tape {
    bars: BTreeMap<InstrumentId, Vec<Bar>>,
    macros: Vec<TapeMacro>,
}

/// Why data make no tape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TapeError {
    /// An instrument came twice. Give each `--bars` file its own `--instrument`.
    #[error("instrument {instrument} was given twice")]
    Twice {
        /// Which.
        instrument: InstrumentId,
    },
    /// Bars are not ascending. Sort the file.
    #[error("bars of {instrument} are not ascending at {close_time}")]
    Order {
        /// Whose.
        instrument: InstrumentId,
        /// The first that is not later than the one before.
        close_time: UtcMillis,
    },
}

impl Tape {
    /// Takes bars per instrument, each strictly ascending by close time, and daily values in any order.
    ///
    /// # Errors
    /// [`TapeError`] when an instrument comes twice or bars are out of order.
    pub fn new(
        bars: impl IntoIterator<Item = (InstrumentId, Vec<Bar>)>,
        mut macros: Vec<TapeMacro>,
    ) -> Result<Self, TapeError> {
        let mut by_instrument = BTreeMap::new();
        for (instrument, bars) in bars {
            if let Some(pair) = bars.windows(2).find(|w| w[1].close_time <= w[0].close_time) {
                return Err(TapeError::Order {
                    instrument,
                    close_time: pair[1].close_time,
                });
            }
            if by_instrument.contains_key(&instrument) {
                return Err(TapeError::Twice { instrument });
            }
            by_instrument.insert(instrument, bars);
        }
        macros.sort_by(|a, b| (a.visible_at, a.date, &a.series).cmp(&(b.visible_at, b.date, &b.series)));
        Ok(Self {
            bars: by_instrument,
            macros,
        })
    }

    /// True when it holds bars of `instrument`.
    #[must_use]
    pub fn knows(&self, instrument: &InstrumentId) -> bool {
        self.bars.contains_key(instrument)
    }

    /// The instruments, by name.
    pub fn instruments(&self) -> impl Iterator<Item = &InstrumentId> {
        self.bars.keys()
    }

    /// Number of bars.
    #[must_use]
    pub fn bars_total(&self) -> usize {
        self.bars.values().map(Vec::len).sum()
    }

    /// Daily values by visibility.
    #[must_use]
    pub fn macros(&self) -> &[TapeMacro] {
        &self.macros
    }

    /// The bars of `instruments` after what is held of each, by close time and then by place in `instruments`.
    #[must_use]
    pub fn merged<'a>(
        &'a self,
        instruments: &'a [InstrumentId],
        after: &BTreeMap<InstrumentId, UtcMillis>,
    ) -> Vec<(&'a InstrumentId, &'a Bar)> {
        let mut merged = Vec::new();
        for instrument in instruments {
            let bars = self.bars.get(instrument).map_or(&[][..], Vec::as_slice);
            let held = after.get(instrument).copied();
            let from = held.map_or(0, |held| bars.partition_point(|bar| bar.close_time <= held));
            merged.extend(bars[from..].iter().map(|bar| (instrument, bar)));
        }
        // Stable: the order of `instruments` stays within one close time.
        merged.sort_by_key(|(_, bar)| bar.close_time);
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> InstrumentId {
        InstrumentId::parse(text).unwrap()
    }

    fn bar(ms: i64) -> Bar {
        Bar {
            close_time: UtcMillis(ms),
            ..Bar::default()
        }
    }

    #[test]
    fn merges_by_time_then_by_the_clients_order_after_what_is_held() {
        let tape = Tape::new(
            [
                (id("A"), vec![bar(1), bar(2), bar(3)]),
                (id("B"), vec![bar(2), bar(3)]),
            ],
            Vec::new(),
        )
        .unwrap();
        let asked = [id("B"), id("A")];
        let held = BTreeMap::from([(id("A"), UtcMillis(1))]);
        let seen: Vec<_> = tape
            .merged(&asked, &held)
            .iter()
            .map(|(i, b)| (i.as_str().to_owned(), b.close_time.0))
            .collect();
        let expected = [("B", 2), ("A", 2), ("B", 3), ("A", 3)].map(|(i, t)| (i.to_owned(), t));
        assert_eq!(seen, expected);
    }

    #[test]
    fn refuses_what_has_no_order() {
        assert!(matches!(
            Tape::new([(id("A"), vec![bar(2), bar(2)])], Vec::new()),
            Err(TapeError::Order { .. })
        ));
        assert!(matches!(
            Tape::new([(id("A"), vec![]), (id("A"), vec![])], Vec::new()),
            Err(TapeError::Twice { .. })
        ));
    }

    #[test]
    fn the_earliest_midnight_is_in_the_pacific() {
        let date = DayNumber::parse("2026-01-02").unwrap();
        assert_eq!(visible_everywhere(date).to_string(), "2026-01-02T10:00:00Z");
    }
}
