//! Warm-up: operators that have seen what the engine knows, for a core that cannot go on with its own.
//!
//! What the engine knows is its history files and its journal. Per instrument the bars are merged by close time; where both have
//! one, the journal's counts, because it is what live operators saw. Of daily values, too, the journal's come first: it knows when
//! each arrived, and the file may hold only the last version. A warm-up ends with an instrument's last journaled bar: those after
//! it come from the feed, each with its record.

use std::collections::{BTreeMap, HashMap};

use contracts::bar::Bar;
use contracts::ids::{InstrumentId, SeriesId};
use contracts::reason::{OriginReason, Position};
use contracts::time::{DayNumber, UtcMillis};

use strategy::instrument::InstrumentState;

use crate::bundle::{Loaded, WarmState};
use crate::core::CoreOptions;
use crate::core::record::Record;
use crate::drivers::load::fresh;
use crate::journal::{JournalReader, ReadError};
use crate::limits::{WARM_BARS_MARGIN, WARM_BARS_PER_SETTLED};

/// A daily value somebody knew.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownDaily {
    /// The series.
    pub series: SeriesId,
    /// Observation date.
    pub date: DayNumber,
    /// The value.
    pub value: f64,
    /// When it arrived.
    pub arrived_at: Option<UtcMillis>,
}

/// Bars and daily values read from the history files at start; in memory for later warm-ups.
#[derive(Debug, Clone, Default)]
pub struct KnownHistory {
    /// By instrument, ascending.
    pub bars: BTreeMap<InstrumentId, Vec<Bar>>,
    /// In the file's order.
    pub daily: Vec<KnownDaily>,
}

/// The last bars known of one instrument, ascending; never more than its bound.
struct Window {
    bars: BTreeMap<UtcMillis, Bar>,
    bars_max: usize,
    /// Close of the last journaled bar: what files have after it, the feed is asked for.
    journaled: Option<UtcMillis>,
}

impl Window {
    const fn new(bars_max: usize) -> Self {
        Self {
            bars: BTreeMap::new(),
            bars_max,
            journaled: None,
        }
    }

    fn forget_oldest(&mut self) {
        if self.bars.len() > self.bars_max {
            self.bars.pop_first();
        }
    }

    fn journaled(&mut self, bar: Bar) {
        self.bars.insert(bar.close_time, bar);
        self.journaled = self.journaled.max(Some(bar.close_time));
        self.forget_oldest();
    }

    /// Bars of a file, after all journaled ones: they fill what those leave open.
    fn filed(&mut self, bars: &[Bar]) {
        let through = self.journaled;
        let seen = bars
            .iter()
            .filter(|bar| through.is_none_or(|through| bar.close_time <= through));
        for bar in seen {
            self.bars.entry(bar.close_time).or_insert(*bar);
            self.forget_oldest();
        }
    }
}

/// Bars kept per instrument for operators that settle after so many used ones.
fn bars_max(settled_after: u64) -> usize {
    let settled_after = usize::try_from(settled_after).unwrap_or(usize::MAX);
    settled_after
        .saturating_mul(WARM_BARS_PER_SETTLED)
        .saturating_add(WARM_BARS_MARGIN)
}

/// Warms operators for every core of `cores`; `origin` is why they begin. Whatever the journal's length, at most
/// [`WARM_BARS_PER_SETTLED`] times the bars after which the operators are settled and [`WARM_BARS_MARGIN`] more are held per
/// instrument, and [`strategy::limits::MACRO_VALUES_MAX`] values per series. Older bars are left out: the operators then begin
/// later, as their origin says, and differ from those that saw everything by less than settled ones may.
///
/// # Errors
/// [`ReadError`] when the journal cannot be read.
pub fn warm(
    loaded: &Loaded,
    cores: &[CoreOptions],
    history: &KnownHistory,
    journal: Option<&JournalReader>,
    origin: OriginReason,
) -> Result<Vec<Box<WarmState>>, ReadError> {
    let strategy = &loaded.strategy;
    let bars_max = bars_max(strategy.plan().settled_after_bars());
    let mut states: Vec<Box<WarmState>> = cores
        .iter()
        .map(|options| Box::new(fresh(loaded, options)))
        .collect();
    let mut windows: HashMap<&str, Window> = cores
        .iter()
        .flat_map(CoreOptions::owned)
        .map(|name| (name.as_str(), Window::new(bars_max)))
        .collect();
    let place_of = |name: &str| {
        let mut all = strategy.series().iter();
        all.position(|series| series.as_str() == name)
    };
    let mut learn = |name: &str, date: DayNumber, value: f64, arrived_at: Option<UtcMillis>| {
        if let Some(place) = place_of(name) {
            for macros in states.iter_mut().filter_map(|state| state.macros.as_mut()) {
                macros.insert(place, date, value, arrived_at);
            }
        }
    };
    if let Some(reader) = journal {
        let mut cursor = reader.from_lsn(reader.oldest_lsn())?;
        while let Some(read) = cursor.read()? {
            match read.record()? {
                Record::Bar(bar) => {
                    if let Some(window) = windows.get_mut(bar.instrument) {
                        window.journaled(bar.bar);
                    }
                }
                Record::Macro(daily) => learn(daily.series, daily.date, daily.value, daily.arrived_at),
                _ => {}
            }
        }
    }
    for daily in &history.daily {
        learn(daily.series.as_str(), daily.date, daily.value, daily.arrived_at);
    }
    for (name, bars) in &history.bars {
        if let Some(window) = windows.get_mut(name.as_str()) {
            window.filed(bars);
        }
    }
    for (state, options) in states.iter_mut().zip(cores) {
        observe(loaded, options, &windows, origin, state);
    }
    Ok(states)
}

fn observe(
    loaded: &Loaded,
    options: &CoreOptions,
    windows: &HashMap<&str, Window>,
    origin: OriginReason,
    state: &mut WarmState,
) {
    let strategy = &loaded.strategy;
    let begin = |operators: Option<InstrumentState>| operators.map(|operators| operators.beginning(origin));
    state.instruments = std::mem::take(&mut state.instruments)
        .into_iter()
        .map(begin)
        .collect();
    let Some(macros) = state.macros.as_mut() else {
        return;
    };
    // Daily values become visible with time, so bars of all instruments go by in the order of their closes.
    let mut bars: Vec<(usize, Bar)> = Vec::new();
    for (local, name) in options.owned().enumerate() {
        if let Some(window) = windows.get(name.as_str()) {
            bars.extend(window.bars.values().map(|bar| (local, *bar)));
        }
    }
    bars.sort_by_key(|(local, bar)| (bar.close_time, *local));
    let (mut features, mut observation) = (vec![0.0; strategy.width()], vec![0.0; strategy.width()]);
    for (local, bar) in bars {
        let Some(operators) = state.instruments[local].as_mut() else {
            continue;
        };
        strategy.observe(
            operators,
            macros,
            &bar,
            Position::Flat,
            &mut features,
            &mut observation,
        );
        state.through[local] = Some(bar.close_time);
        state.last[local] = Some(bar);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(n: i64, close: f64) -> Bar {
        Bar {
            close_time: UtcMillis(n * 300_000),
            close,
            ..Bar::default()
        }
    }

    fn held(window: &Window) -> Vec<(i64, f64)> {
        let bars = window.bars.values();
        bars.map(|bar| (bar.close_time.0 / 300_000, bar.close)).collect()
    }

    #[test]
    fn a_long_past_leaves_its_newest_bars_and_the_journals_count() {
        let mut window = Window::new(4);
        for n in 0..1_000 {
            window.journaled(bar(2 * n, 1.0));
            assert!(window.bars.len() <= 4);
        }
        assert_eq!(
            held(&window),
            [(1_992, 1.0), (1_994, 1.0), (1_996, 1.0), (1_998, 1.0)]
        );
        let file: Vec<Bar> = (0..3_000).map(|n| bar(n, 2.0)).collect();
        window.filed(&file);
        // Nothing after the last journaled bar, and none of the journal's replaced.
        assert_eq!(
            held(&window),
            [(1_995, 2.0), (1_996, 1.0), (1_997, 2.0), (1_998, 1.0)]
        );
        let mut alone = Window::new(4);
        alone.filed(&file);
        assert_eq!(
            held(&alone),
            [(2_996, 2.0), (2_997, 2.0), (2_998, 2.0), (2_999, 2.0)]
        );
    }
}
