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

/// Everything known of the past, read once per warm-up.
struct Past {
    bars: HashMap<String, BTreeMap<UtcMillis, Bar>>,
    /// Close of the last journaled bar: what files have after it, the feed is asked for.
    journaled: HashMap<String, UtcMillis>,
    daily: Vec<KnownDaily>,
}

impl Past {
    fn gather(history: &KnownHistory, journal: Option<&JournalReader>) -> Result<Self, ReadError> {
        let mut bars: HashMap<String, BTreeMap<UtcMillis, Bar>> = HashMap::new();
        for (instrument, known) in &history.bars {
            let place = bars.entry(instrument.to_string()).or_default();
            place.extend(known.iter().map(|bar| (bar.close_time, *bar)));
        }
        let mut journaled: HashMap<String, UtcMillis> = HashMap::new();
        let mut daily = Vec::new();
        if let Some(reader) = journal {
            let mut cursor = reader.from_lsn(reader.oldest_lsn())?;
            while let Some(read) = cursor.read()? {
                match read.record()? {
                    Record::Bar(bar) => {
                        let known = bars.entry(bar.instrument.to_owned()).or_default();
                        known.insert(bar.bar.close_time, bar.bar);
                        let last = journaled.entry(bar.instrument.to_owned());
                        let last = last.or_insert(bar.bar.close_time);
                        *last = bar.bar.close_time.max(*last);
                    }
                    Record::Macro(value) => {
                        if let Ok(series) = SeriesId::parse(value.series) {
                            daily.push(KnownDaily {
                                series,
                                date: value.date,
                                value: value.value,
                                arrived_at: value.arrived_at,
                            });
                        }
                    }
                    _ => {}
                }
            }
        }
        daily.extend_from_slice(&history.daily);
        Ok(Self {
            bars,
            journaled,
            daily,
        })
    }
}

/// Warms operators for every core of `cores`; `origin` is why they begin.
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
    let past = Past::gather(history, journal)?;
    Ok(cores
        .iter()
        .map(|options| Box::new(warm_core(loaded, options, &past, origin)))
        .collect())
}

fn warm_core(loaded: &Loaded, options: &CoreOptions, past: &Past, origin: OriginReason) -> WarmState {
    let strategy = &loaded.strategy;
    let mut state = fresh(loaded, options);
    let begin = |operators: Option<InstrumentState>| operators.map(|operators| operators.beginning(origin));
    state.instruments = state.instruments.into_iter().map(begin).collect();
    let Some(macros) = state.macros.as_mut() else {
        return state;
    };
    for known in &past.daily {
        if let Some(place) = strategy
            .series()
            .iter()
            .position(|series| *series == known.series)
        {
            macros.insert(place, known.date, known.value, known.arrived_at);
        }
    }
    // Daily values become visible with time, so bars of all instruments go by in the order of their closes.
    let mut bars: Vec<(usize, Bar)> = Vec::new();
    for (local, name) in options.owned().enumerate() {
        if let Some(known) = past.bars.get(name.as_str()) {
            let through = past.journaled.get(name.as_str()).copied();
            let seen = known
                .values()
                .filter(|bar| through.is_none_or(|through| bar.close_time <= through));
            bars.extend(seen.map(|bar| (local, *bar)));
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
    state
}
