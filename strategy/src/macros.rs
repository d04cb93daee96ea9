//! Daily macro series and the as-of rule: what was known when.
//!
//! A value observed on date D is visible from the later of local midnight of D + 1 + `delay_days` and its arrival. Another
//! value for a known date is a revision, visible from its own arrival; what was seen before stays seen. The answer for an
//! instant depends on the values and on the instant alone, never on what was asked before, so instruments may be at
//! different times (live and back-fill) and share one state.
//!
//! Values belong in here before the first bar that may see them; a series keeps the last
//! [`MACRO_VALUES_MAX`].

use std::sync::Arc;

use contracts::features::MacroRule;
use contracts::time::{DayNumber, UtcMillis};

use crate::bytes::{LoadStateError, put_f64, put_i64, put_u32, take, take_f64, take_i64, take_u32};
use crate::calendar::Calendar;
use crate::limits::MACRO_VALUES_MAX;
use crate::operators::MacroZscore;

/// What a macro state needs to know of its contract.
#[derive(Debug)]
pub(crate) struct MacroPlan {
    pub calendar: Arc<Calendar>,
    /// By dense index of the series.
    pub rules: Vec<MacroRule>,
    pub zscores: Vec<MacroZscore>,
}

impl MacroPlan {
    pub fn visible_at(
        &self,
        series: usize,
        date: DayNumber,
        arrived_at: Option<UtcMillis>,
    ) -> Option<UtcMillis> {
        let days = i32::from(self.rules.get(series)?.delay_days) + 1;
        let published = self.calendar.midnight(DayNumber(date.0.checked_add(days)?))?;
        Some(arrived_at.map_or(published, |arrived| arrived.max(published)))
    }
}

/// What became of an inserted value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacroInsert {
    /// The first value of its date.
    New,
    /// Already known; nothing changed.
    Duplicate,
    /// Another value of a known date, visible from its arrival.
    Revision,
    /// Not finite, of an unknown series, older than everything kept, or a revision that would change the past.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Value {
    date: DayNumber,
    visible_at: UtcMillis,
    value: f64,
}

/// What is visible of a series at an instant.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// Visible dates.
    pub count: u32,
    /// The newest of them.
    pub newest: DayNumber,
    /// Its value.
    pub last: f64,
    /// The value of the date before.
    pub previous: f64,
    /// Holds from here …
    from: UtcMillis,
    /// … until before here, as long as nothing is inserted.
    until: UtcMillis,
}

/// The daily values of a series visible at an instant.
#[derive(Debug, Clone, Copy)]
pub struct DailyValues<'a> {
    values: &'a [Value],
    at: UtcMillis,
}

impl<'a> DailyValues<'a> {
    /// One value per visible date, in its latest visible version, newest date first.
    pub fn newest_first(self) -> impl Iterator<Item = f64> + 'a {
        self.dated().map(|v| v.value)
    }

    fn dated(self) -> impl Iterator<Item = &'a Value> {
        let mut taken = None;
        self.values.iter().rev().filter(move |v| {
            let first = v.visible_at <= self.at && taken != Some(v.date);
            if first {
                taken = Some(v.date);
            }
            first
        })
    }
}

#[derive(Debug, Clone)]
struct Series {
    /// By date, then by visibility, then as they came.
    values: Vec<Value>,
    /// Cache; `from > until` when it holds for no instant.
    seen: Seen,
    /// Rises when `seen` changes.
    stamp: u64,
}

#[derive(Debug, Clone, Copy)]
struct CachedZscore {
    stamp: u64,
    value: f64,
}

/// The macro values one core knows.
#[derive(Debug)]
pub struct MacroState {
    plan: Arc<MacroPlan>,
    series: Box<[Series]>,
    zscores: Box<[CachedZscore]>,
}

impl MacroState {
    pub(crate) fn new(plan: &Arc<MacroPlan>) -> Self {
        let series = Series {
            values: Vec::new(),
            seen: Seen {
                from: UtcMillis(i64::MAX),
                until: UtcMillis(i64::MIN),
                ..Seen::default()
            },
            stamp: 0,
        };
        let with_room = |_: &MacroRule| Series {
            values: Vec::with_capacity(MACRO_VALUES_MAX),
            ..series.clone()
        };
        Self {
            series: plan.rules.iter().map(with_room).collect(),
            zscores: plan
                .zscores
                .iter()
                .map(|_| CachedZscore {
                    stamp: u64::MAX,
                    value: f64::NAN,
                })
                .collect(),
            plan: Arc::clone(plan),
        }
    }

    /// Takes a value of the series with this dense index; without `arrived_at` the publication rule alone decides.
    pub fn insert(
        &mut self,
        series: usize,
        date: DayNumber,
        value: f64,
        arrived_at: Option<UtcMillis>,
    ) -> MacroInsert {
        let visible_at = self
            .plan
            .visible_at(series, date, arrived_at)
            .filter(|_| value.is_finite());
        let (Some(visible_at), Some(kept)) = (visible_at, self.series.get_mut(series)) else {
            return MacroInsert::Refused;
        };
        let new = Value {
            date,
            visible_at,
            value,
        };
        kept.insert(new, arrived_at.is_some())
    }

    /// True when a value would change nothing: it is the latest version of its date, or older than everything kept.
    #[must_use]
    pub fn knows(&self, series: usize, date: DayNumber, value: f64) -> bool {
        let Some(Series { values, .. }) = self.series.get(series) else {
            return false;
        };
        let latest = values[..values.partition_point(|v| v.date <= date)].last();
        match latest {
            Some(latest) => latest.date == date && latest.value.to_bits() == value.to_bits(),
            None => values.len() == MACRO_VALUES_MAX,
        }
    }

    /// Brings the caches to `at`.
    pub(crate) fn refresh(&mut self, at: UtcMillis) {
        for series in &mut self.series {
            series.refresh(at);
        }
        for (cached, zscore) in self.zscores.iter_mut().zip(&self.plan.zscores) {
            let series = &self.series[zscore.series];
            if cached.stamp != series.stamp {
                let values = DailyValues {
                    values: &series.values,
                    at,
                };
                *cached = CachedZscore {
                    stamp: series.stamp,
                    value: zscore.value(&series.seen, values),
                };
            }
        }
    }

    /// What is visible of a series since the last [`Self::refresh`].
    pub(crate) fn seen(&self, series: usize) -> &Seen {
        &self.series[series].seen
    }

    /// The z-score with this place in the plan, since the last [`Self::refresh`].
    pub(crate) fn zscore(&self, place: usize) -> f64 {
        self.zscores[place].value
    }

    /// Appends the state's bits.
    pub fn save(&self, out: &mut Vec<u8>) {
        for series in &self.series {
            put_u32(
                out,
                u32::try_from(series.values.len()).expect("bounded by MACRO_VALUES_MAX"),
            );
            for v in &series.values {
                out.extend_from_slice(&v.date.0.to_le_bytes());
                put_i64(out, v.visible_at.0);
                put_f64(out, v.value);
            }
        }
    }

    pub(crate) fn load(plan: &Arc<MacroPlan>, input: &mut &[u8]) -> Result<Self, LoadStateError> {
        let mut state = Self::new(plan);
        for series in &mut state.series {
            let n = take_u32(input)? as usize;
            if n > MACRO_VALUES_MAX {
                return Err(LoadStateError("a macro series holds more values than it may"));
            }
            for _ in 0..n {
                series.values.push(Value {
                    date: DayNumber(i32::from_le_bytes(take(input)?)),
                    visible_at: UtcMillis(take_i64(input)?),
                    value: take_f64(input)?,
                });
            }
            let key = |v: &Value| (v.date, v.visible_at);
            if !series.values.is_sorted_by_key(key) || series.values.iter().any(|v| !v.value.is_finite()) {
                return Err(LoadStateError(
                    "a macro series is out of order or holds no number",
                ));
            }
        }
        Ok(state)
    }
}

impl Series {
    fn insert(&mut self, new: Value, arrival_known: bool) -> MacroInsert {
        let end = self.values.partition_point(|v| v.date <= new.date);
        let start = self.values[..end].partition_point(|v| v.date < new.date);
        let versions = &self.values[start..end];
        let same_bits = |v: &Value| v.value.to_bits() == new.value.to_bits();
        let mut outcome = MacroInsert::New;
        if let Some(latest) = versions.last() {
            let known = |v: &Value| same_bits(v) && v.visible_at == new.visible_at;
            if same_bits(latest) || versions.iter().any(known) {
                return MacroInsert::Duplicate;
            }
            if !arrival_known || new.visible_at < latest.visible_at {
                return MacroInsert::Refused;
            }
            outcome = MacroInsert::Revision;
        }
        let mut at = end;
        if self.values.len() == MACRO_VALUES_MAX {
            if at == 0 {
                return MacroInsert::Refused;
            }
            self.values.remove(0);
            at -= 1;
        }
        self.values.insert(at, new);
        self.seen.until = UtcMillis(i64::MIN);
        outcome
    }

    fn refresh(&mut self, at: UtcMillis) {
        if self.seen.from <= at && at < self.seen.until {
            return;
        }
        let mut seen = Seen {
            from: UtcMillis(i64::MIN),
            until: UtcMillis(i64::MAX),
            ..Seen::default()
        };
        for v in &self.values {
            if v.visible_at <= at {
                seen.from = seen.from.max(v.visible_at);
            } else {
                seen.until = seen.until.min(v.visible_at);
            }
        }
        let visible = DailyValues {
            values: &self.values,
            at,
        };
        for v in visible.dated() {
            match seen.count {
                0 => (seen.newest, seen.last) = (v.date, v.value),
                1 => seen.previous = v.value,
                _ => {}
            }
            seen.count += 1;
        }
        self.seen = seen;
        self.stamp += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    /// One series in UTC, published at once, with a z-score over three values from two on.
    fn state() -> MacroState {
        let doc = "{name: c, zone: UTC, sessions: [{days: [mon], open: '00:00', close: '24:00'}], holidays: [], sessions_per_year: 52}";
        let calendar = Calendar::new(&serde_norway::from_str(doc).unwrap()).unwrap();
        MacroState::new(&Arc::new(MacroPlan {
            calendar: Arc::new(calendar),
            rules: vec![MacroRule {
                delay_days: 1,
                max_age_days: 7,
            }],
            zscores: vec![MacroZscore {
                series: 0,
                window: 3,
                min_values: 2,
            }],
        }))
    }

    fn hour(hours: i64) -> UtcMillis {
        UtcMillis(hours * HOUR_MS)
    }

    fn last(state: &mut MacroState, at: UtcMillis) -> Option<f64> {
        state.refresh(at);
        (state.seen(0).count > 0).then_some(state.seen(0).last)
    }

    #[test]
    fn a_value_is_visible_from_midnight_after_its_delay_or_its_arrival() {
        let mut state = state();
        assert_eq!(state.insert(0, DayNumber(0), 1.0, None), MacroInsert::New);
        assert_eq!(last(&mut state, UtcMillis(48 * HOUR_MS - 1)), None);
        assert_eq!(last(&mut state, hour(48)), Some(1.0));
        assert_eq!(
            state.insert(0, DayNumber(1), 2.0, Some(hour(80))),
            MacroInsert::New
        );
        assert_eq!(last(&mut state, UtcMillis(80 * HOUR_MS - 1)), Some(1.0));
        assert_eq!(last(&mut state, hour(80)), Some(2.0));
        assert_eq!(
            state.insert(0, DayNumber(2), 3.0, Some(hour(1))),
            MacroInsert::New
        );
        assert_eq!(
            last(&mut state, hour(95)),
            Some(2.0),
            "early arrival waits for its midnight"
        );
        assert_eq!(
            last(&mut state, hour(47)),
            None,
            "asking about the past still works"
        );
    }

    #[test]
    fn equal_values_have_no_score_even_where_their_mean_is_another_number() {
        let mut state = state();
        for day in 0..3 {
            state.insert(0, DayNumber(day), 0.1, None);
        }
        state.refresh(hour(24 * 30));
        let mean = [0.1; 3].iter().sum::<f64>() / 3.0;
        assert_ne!(mean, 0.1, "what this is about");
        assert!(state.zscore(0).is_nan());
        state.insert(0, DayNumber(3), 0.2, None);
        state.refresh(hour(24 * 31));
        assert!(state.zscore(0) > 1.0);
    }

    #[test]
    fn revisions_count_from_their_arrival_and_never_backwards() {
        let mut state = state();
        state.insert(0, DayNumber(0), 1.0, None);
        assert_eq!(
            state.insert(0, DayNumber(0), 1.0, Some(hour(60))),
            MacroInsert::Duplicate
        );
        assert_eq!(
            state.insert(0, DayNumber(0), 1.5, Some(hour(60))),
            MacroInsert::Revision
        );
        assert_eq!(state.insert(0, DayNumber(0), 1.7, None), MacroInsert::Refused);
        assert_eq!(
            state.insert(0, DayNumber(0), 1.7, Some(hour(59))),
            MacroInsert::Refused
        );
        assert_eq!(
            state.insert(0, DayNumber(0), 1.0, None),
            MacroInsert::Duplicate,
            "the first version again"
        );
        assert_eq!(last(&mut state, hour(59)), Some(1.0));
        assert_eq!(last(&mut state, hour(60)), Some(1.5));
        assert_eq!(
            state.insert(0, DayNumber(0), 1.0, Some(hour(70))),
            MacroInsert::Revision,
            "and back"
        );
        assert_eq!(
            (last(&mut state, hour(69)), last(&mut state, hour(70))),
            (Some(1.5), Some(1.0))
        );
        state.refresh(hour(100));
        assert_eq!(state.seen(0).count, 1, "versions of one date are one daily value");
        for bad in [f64::NAN, f64::INFINITY] {
            assert_eq!(state.insert(0, DayNumber(9), bad, None), MacroInsert::Refused);
        }
        assert_eq!(state.insert(1, DayNumber(9), 1.0, None), MacroInsert::Refused);
        assert_eq!(
            state.insert(0, DayNumber(i32::MAX), 1.0, None),
            MacroInsert::Refused
        );
    }

    #[test]
    fn the_zscore_follows_the_window() {
        let mut state = state();
        for (day, value) in [(0, 1.0), (1, 2.0), (2, 4.0), (3, 4.0), (4, 4.0)] {
            state.insert(0, DayNumber(day), value, None);
        }
        let mut zscore = |days: i64| {
            state.refresh(hour(24 * days));
            state.zscore(0)
        };
        assert!(zscore(2).is_nan(), "one value");
        assert!((zscore(3) - 0.5_f64.sqrt()).abs() < 1e-15);
        // Values 1, 2, 4: mean 7/3, sample variance 7/3.
        assert!((zscore(4) - (5.0 / 3.0) / (7.0_f64 / 3.0).sqrt()).abs() < 1e-15);
        assert!(zscore(6).is_nan(), "4, 4, 4 does not vary");
        assert!((zscore(3) - 0.5_f64.sqrt()).abs() < 1e-15, "as of then");
    }

    #[test]
    fn a_restored_state_answers_alike_and_the_oldest_leaves_when_full() {
        let mut state = state();
        for day in 0..=MACRO_VALUES_MAX as i32 {
            assert_eq!(
                state.insert(0, DayNumber(day), f64::from(day), None),
                MacroInsert::New
            );
        }
        assert_eq!(state.insert(0, DayNumber(0), 0.0, None), MacroInsert::Refused);
        let mut bytes = Vec::new();
        state.save(&mut bytes);
        let mut input = bytes.as_slice();
        let mut restored = MacroState::load(&state.plan, &mut input).unwrap();
        assert!(input.is_empty());
        for at in [hour(24 * 100), hour(24 * 5_000)] {
            state.refresh(at);
            restored.refresh(at);
            assert_eq!(state.zscore(0).to_bits(), restored.zscore(0).to_bits());
            assert_eq!(state.seen(0).count, restored.seen(0).count);
        }
        assert!(MacroState::load(&state.plan, &mut &bytes[..bytes.len() - 1]).is_err());
    }
}
