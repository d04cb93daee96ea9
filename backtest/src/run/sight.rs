//! What the strategy sees of a market, bar by bar.

use contracts::bar::Bar;
use contracts::reason::Position;
use strategy::instrument::InstrumentState;
use strategy::macros::{MacroInsert, MacroState};
use strategy::strategy::{Observed, Strategy};

use super::error::RunError;
use crate::market::Market;

/// Turns bars into observations, one after the other from the first.
///
/// The check for look-ahead hands it the whole market, so that an implementation that peeks can be planted in a test; the one of production
/// looks at one bar.
pub trait Sight {
    /// Observes bar `at` of the market; bars before it have been observed, each once.
    fn observe(
        &mut self,
        bars: &[Bar],
        at: usize,
        position: Position,
        features: &mut [f64],
        observation: &mut [f32],
    ) -> Observed;
}

/// The strategy as it runs live: operators of one instrument and the daily values.
#[derive(Debug)]
pub struct StrategySight<'a> {
    strategy: &'a Strategy,
    state: InstrumentState,
    macros: MacroState,
}

impl<'a> StrategySight<'a> {
    /// Operators that have seen no bar, and every daily value of the market, each visible from its own time on.
    ///
    /// # Errors
    /// [`RunError::MissingSeries`], [`RunError::Daily`].
    pub fn new(strategy: &'a Strategy, market: &Market) -> Result<Self, RunError> {
        Ok(Self {
            strategy,
            state: strategy.new_instrument(&market.instrument),
            macros: macros(strategy, market)?,
        })
    }
}

impl Sight for StrategySight<'_> {
    fn observe(
        &mut self,
        bars: &[Bar],
        at: usize,
        position: Position,
        features: &mut [f64],
        observation: &mut [f32],
    ) -> Observed {
        self.strategy.observe(
            &mut self.state,
            &mut self.macros,
            &bars[at],
            position,
            features,
            observation,
        )
    }
}

fn macros(strategy: &Strategy, market: &Market) -> Result<MacroState, RunError> {
    let daily = &market.daily;
    if let Some(missing) = strategy.series().iter().find(|name| !daily.series.contains(name)) {
        return Err(RunError::MissingSeries {
            series: missing.clone(),
        });
    }
    let place_of = |name| strategy.series().iter().position(|series| series == name);
    let places: Vec<Option<usize>> = daily.series.iter().map(place_of).collect();
    let mut macros = strategy.new_macros();
    let mut kept = vec![0; strategy.series().len()];
    for row in &daily.rows {
        let Some(place) = places[row.series] else { continue };
        let inserted = macros.insert(place, row.date, row.value, row.arrived_at);
        kept[place] += usize::from(matches!(inserted, MacroInsert::New | MacroInsert::Revision));
        // One more would push out the oldest, and what is kept would depend on the future.
        if inserted == MacroInsert::Refused || kept[place] > strategy::limits::MACRO_VALUES_MAX {
            return Err(RunError::Daily {
                series: daily.series[row.series].clone(),
                date: row.date,
            });
        }
    }
    Ok(macros)
}
