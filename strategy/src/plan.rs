//! A feature contract compiled: a fixed array of operators, and the path of one bar through them.
//!
//! Accept → locate → judge → update → read, without allocation. Engine-only reasons (halted, late, …) are not known here.

use std::collections::BTreeMap;
use std::sync::Arc;

use contracts::bar::Bar;
use contracts::features::{ContractFault, FeatureContract, OperatorSpec, PriceBounds};
use contracts::ids::{InstrumentId, SeriesId};
use contracts::reason::{Position, Withheld};
use contracts::time::{DayNumber, UtcMillis};

use crate::bytes::LoadStateError;
use crate::calendar::{Calendar, CalendarError, Place};
use crate::instrument::{InstrumentState, LastUsed};
use crate::macros::{MacroPlan, MacroState};
use crate::operators::{AnyBarOperator, BarOperator as _, MacroChange, MacroSpread, MacroZscore};
use crate::quarantine::{LevelShift, Verdict, judge};

/// Why a feature contract cannot be compiled; correct the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It contradicts itself.
    #[error("feature contract: {0}")]
    Fault(#[from] ContractFault),
    /// Its calendar's zone is unknown to this build.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
}

/// What became of one bar.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Observed {
    /// Why there can be no decision, as far as the strategy knows; the first reason in the order of [`Withheld`].
    pub withheld: Option<Withheld>,
    /// The bar was in session and not quarantined: it moved the operators.
    pub used: bool,
    /// Every operator has its first value: features and observation hold the full vector.
    pub defined: bool,
    /// The bar confirmed a new price level, from which the operators restarted.
    pub level_shift: Option<LevelShift>,
    /// Bars missing between the last used bar and this one.
    pub missing_bars: u32,
    /// The operators restarted with this bar.
    pub restarted: bool,
}

#[derive(Debug, Clone, Copy)]
enum Source {
    Bar(usize),
    Zscore { place: usize },
    Change(MacroChange),
    Spread(MacroSpread),
    Position,
    SessionTime,
}

#[derive(Debug, Clone, Copy)]
struct Column {
    source: Source,
    clip: Option<[f64; 2]>,
}

/// How many daily values a series must show.
#[derive(Debug, Clone, Copy, Default)]
struct SeriesNeed {
    defined_after: u32,
    settled_after: u32,
}

/// A feature contract, compiled. Immutable and shared.
#[derive(Debug)]
pub struct FeaturePlan {
    calendar: Arc<Calendar>,
    columns: Vec<Column>,
    operators: Vec<AnyBarOperator>,
    macros: Arc<MacroPlan>,
    needs: Vec<SeriesNeed>,
    series: Vec<SeriesId>,
    bounds: BTreeMap<InstrumentId, PriceBounds>,
    gap_reset_bars: Option<u32>,
    defined_after: u64,
    settled_after: u64,
}

impl FeaturePlan {
    /// Compiles a contract.
    ///
    /// # Errors
    /// [`PlanError`] naming what is wrong with it.
    pub fn new(contract: &FeatureContract) -> Result<Self, PlanError> {
        contract.check()?;
        let calendar = Arc::new(Calendar::new(&contract.calendar)?);
        let series: Vec<SeriesId> = contract.macro_rules.keys().cloned().collect();
        let mut plan = Self {
            macros: Arc::new(MacroPlan {
                calendar: Arc::clone(&calendar),
                rules: contract.macro_rules.values().copied().collect(),
                zscores: Vec::new(),
            }),
            calendar,
            columns: Vec::with_capacity(contract.features.len()),
            operators: Vec::new(),
            needs: vec![SeriesNeed::default(); series.len()],
            series,
            bounds: contract.price_bounds.clone(),
            gap_reset_bars: contract.gap_reset_bars,
            defined_after: 1,
            settled_after: 1,
        };
        let mut zscores = Vec::new();
        for feature in &contract.features {
            let source = plan.source(&feature.operator, &mut zscores);
            plan.columns.push(Column {
                source,
                clip: feature.clip,
            });
        }
        plan.macros = Arc::new(MacroPlan {
            calendar: Arc::clone(&plan.calendar),
            rules: plan.macros.rules.clone(),
            zscores,
        });
        let most = |of: fn(&AnyBarOperator) -> u32| plan.operators.iter().map(of).max().unwrap_or(1).into();
        let (defined_after, settled_after) = (most(|o| o.defined_after()), most(|o| o.settled_after()));
        (plan.defined_after, plan.settled_after) = (defined_after, settled_after);
        Ok(plan)
    }

    fn source(&mut self, spec: &OperatorSpec, zscores: &mut Vec<MacroZscore>) -> Source {
        if let Some(operator) = AnyBarOperator::of(spec) {
            self.operators.push(operator);
            return Source::Bar(self.operators.len() - 1);
        }
        match spec {
            OperatorSpec::MacroZscore {
                series,
                window,
                min_values,
            } => {
                let zscore = MacroZscore {
                    series: self.need(series, u32::from(*min_values), u32::from(*window)),
                    window: u32::from(*window),
                    min_values: u32::from(*min_values),
                };
                zscores.push(zscore);
                Source::Zscore {
                    place: zscores.len() - 1,
                }
            }
            OperatorSpec::MacroChange { series } => Source::Change(MacroChange {
                series: self.need(series, MacroChange::VALUES, MacroChange::VALUES),
            }),
            OperatorSpec::MacroSpread { minuend, subtrahend } => Source::Spread(MacroSpread {
                minuend: self.need(minuend, 1, 1),
                subtrahend: self.need(subtrahend, 1, 1),
            }),
            OperatorSpec::SessionTime => Source::SessionTime,
            // The rest are bar operators, which went out above.
            _ => Source::Position,
        }
    }

    /// Notes what an operator needs of a series; gives the series' dense index.
    fn need(&mut self, series: &SeriesId, defined_after: u32, settled_after: u32) -> usize {
        let index = self
            .series
            .binary_search(series)
            .expect("a checked contract has a rule for every series it names");
        let need = &mut self.needs[index];
        need.defined_after = need.defined_after.max(defined_after);
        need.settled_after = need.settled_after.max(settled_after);
        index
    }

    /// Features per observation.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// The macro series, sorted: the dense index of one is its place here.
    #[must_use]
    pub fn series(&self) -> &[SeriesId] {
        &self.series
    }

    /// The calendar.
    #[must_use]
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// Used bars from which every bar operator has a value.
    #[must_use]
    pub const fn defined_after_bars(&self) -> u64 {
        self.defined_after
    }

    /// Used bars from which no bar operator shows where it started.
    #[must_use]
    pub const fn settled_after_bars(&self) -> u64 {
        self.settled_after
    }

    /// Daily values from which the operators on a series, by dense index, do not show where they started.
    ///
    /// # Panics
    /// If there is no such series.
    #[must_use]
    pub fn settled_after_values(&self, series: usize) -> u32 {
        self.needs[series].settled_after
    }

    /// When a daily value becomes visible: the later of local midnight of `date` + 1 + delay and its arrival. `None` for an
    /// unknown series and outside the calendar's years.
    #[must_use]
    pub fn visible_at(
        &self,
        series: usize,
        date: DayNumber,
        arrived_at: Option<UtcMillis>,
    ) -> Option<UtcMillis> {
        self.macros.visible_at(series, date, arrived_at)
    }

    /// State for an instrument that has seen no bar.
    #[must_use]
    pub fn new_instrument(&self, instrument: &InstrumentId) -> InstrumentState {
        InstrumentState::new(self, instrument)
    }

    /// State that knows no macro value.
    #[must_use]
    pub fn new_macros(&self) -> MacroState {
        MacroState::new(&self.macros)
    }

    /// Restores what [`InstrumentState::save`] wrote, consuming exactly its bytes.
    ///
    /// # Errors
    /// [`LoadStateError`] when they do not fit this contract.
    pub fn load_instrument(&self, input: &mut &[u8]) -> Result<InstrumentState, LoadStateError> {
        InstrumentState::load(self, input)
    }

    /// Restores what [`MacroState::save`] wrote, consuming exactly its bytes.
    ///
    /// # Errors
    /// [`LoadStateError`] when they do not fit this contract.
    pub fn load_macros(&self, input: &mut &[u8]) -> Result<MacroState, LoadStateError> {
        MacroState::load(&self.macros, input)
    }

    pub(crate) fn fresh_operators(&self) -> Vec<AnyBarOperator> {
        self.operators.clone()
    }

    pub(crate) fn bounds_of(&self, instrument: &InstrumentId) -> PriceBounds {
        self.bounds.get(instrument).copied().unwrap_or(PriceBounds {
            price_min: 0.0,
            price_max: f64::INFINITY,
        })
    }

    /// Takes an accepted bar: later than every bar of the instrument before it. `features` gets the values before
    /// normalisation, NaN where an operator has none yet; it is left alone by a bar that is not used.
    ///
    /// # Panics
    /// If `features` is not [`Self::width`] long.
    pub fn observe(
        &self,
        state: &mut InstrumentState,
        macros: &mut MacroState,
        bar: &Bar,
        position: Position,
        features: &mut [f64],
    ) -> Observed {
        assert_eq!(features.len(), self.columns.len(), "one value per feature");
        let unused = |reason| Observed {
            withheld: Some(reason),
            ..Observed::default()
        };
        let place = state.locate(&self.calendar, bar.close_time.bar_open());
        if place.session.is_none_or(|session| bar.close_time > session.end) {
            return unused(Withheld::OffSession);
        }
        let mut seen = Observed {
            used: true,
            ..Observed::default()
        };
        match judge(bar, &state.bounds, state.last_used_close(), state.pending_level) {
            Verdict::Use => {}
            Verdict::Shift(shift) => seen.level_shift = Some(shift),
            Verdict::Quarantine { level } => {
                state.pending_level = level;
                return unused(Withheld::Quarantined);
            }
        }
        if let Some(last) = state.last_used {
            seen.missing_bars =
                self.calendar
                    .missing_bars(last.close_time, bar.close_time.bar_open(), &place);
        }
        let long_gap = self.gap_reset_bars.is_some_and(|n| seen.missing_bars >= n);
        seen.restarted = seen.level_shift.is_some() || long_gap;
        if seen.restarted {
            state.restart();
        }
        state.count(LastUsed {
            close_time: bar.close_time,
            close: bar.close,
        });
        macros.refresh(bar.close_time);
        let finite = self.fill(state, macros, bar, position, &place, features);
        self.judge_state(state, macros, bar.close_time, &place, finite, &mut seen);
        seen
    }

    /// Moves the operators and writes the features; false when one that is defined is not finite.
    fn fill(
        &self,
        state: &mut InstrumentState,
        macros: &MacroState,
        bar: &Bar,
        position: Position,
        place: &Place,
        features: &mut [f64],
    ) -> bool {
        let mut finite = true;
        for (column, feature) in self.columns.iter().zip(features) {
            let value = match &column.source {
                Source::Bar(i) => state.operators[*i].update(bar),
                Source::Zscore { place } => macros.zscore(*place),
                Source::Change(change) => change.value(macros.seen(change.series)),
                Source::Spread(spread) => {
                    spread.value(macros.seen(spread.minuend), macros.seen(spread.subtrahend))
                }
                Source::Position => position.as_f64(),
                Source::SessionTime => self.session_time(bar.close_time.bar_open(), place),
            };
            finite &= value.is_finite();
            // An infinity must not be clipped into a number.
            *feature = match column.clip {
                Some([low, high]) if value.is_finite() => value.clamp(low, high),
                _ => value,
            };
        }
        finite
    }

    /// Whether a feature is the position.
    #[must_use]
    pub fn sees_position(&self) -> bool {
        self.columns
            .iter()
            .any(|column| matches!(column.source, Source::Position))
    }

    /// Writes the features that [`Self::observe`] would have written for this position, and leaves the others alone.
    pub fn set_position(&self, position: Position, features: &mut [f64]) {
        for (column, feature) in self.columns.iter().zip(features) {
            if matches!(column.source, Source::Position) {
                let value = position.as_f64();
                *feature = column.clip.map_or(value, |[low, high]| value.clamp(low, high));
            }
        }
    }

    fn session_time(&self, open: UtcMillis, place: &Place) -> f64 {
        let span = match place.session {
            Some(session) if !self.calendar.is_round_the_clock() => session,
            _ => place.day,
        };
        (open.0 - span.start.0) as f64 / (span.end.0 - span.start.0) as f64
    }

    fn judge_state(
        &self,
        state: &InstrumentState,
        macros: &MacroState,
        close: UtcMillis,
        place: &Place,
        finite: bool,
        seen: &mut Observed,
    ) {
        let counts = || {
            self.needs
                .iter()
                .enumerate()
                .map(|(i, need)| (macros.seen(i).count, need))
        };
        seen.defined =
            state.bars() >= self.defined_after && counts().all(|(n, need)| n >= need.defined_after);
        let settled = state.bars() >= self.settled_after && counts().all(|(n, need)| n >= need.settled_after);
        let today = place.date.0 + i32::from(close >= place.day.end);
        let is_stale = |i: usize| {
            let age_days = today - macros.seen(i).newest.0;
            age_days > i32::from(self.macros.rules[i].max_age_days)
        };
        seen.withheld = if !settled {
            Some(Withheld::Warming)
        } else if let Some(i) = (0..self.needs.len()).find(|i| is_stale(*i)) {
            Some(Withheld::Stale(
                u8::try_from(i).expect("a checked contract names at most 32 series"),
            ))
        } else if !finite {
            Some(Withheld::NotFinite)
        } else {
            None
        };
    }
}
