//! A market walked through a compiled contract, every output kept.

use contracts::bar::Bar;
use contracts::reason::Position;
use contracts::time::UtcMillis;
use strategy::macros::MacroState;
use strategy::plan::{FeaturePlan, Observed};

use super::market::{Daily, Market};

/// What one bar gave.
#[derive(Debug, Clone)]
pub struct Step {
    pub close_time: UtcMillis,
    pub seen: Observed,
    /// Before normalisation; empty for a bar that was not used.
    pub features: Vec<f64>,
}

impl Step {
    /// Equality of bits.
    pub fn same(&self, other: &Self) -> bool {
        let bits = |step: &Self| step.features.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        self.close_time == other.close_time && self.seen == other.seen && bits(self) == bits(other)
    }
}

/// Some position for each bar, so that it shows in the output.
pub fn position(bar: &Bar) -> Position {
    Position::try_from((bar.close_time.0 / 300_000).rem_euclid(3) - 1).unwrap()
}

/// Inserts the values a contract has a series for.
pub fn insert<'a>(plan: &FeaturePlan, macros: &mut MacroState, daily: impl IntoIterator<Item = &'a Daily>) {
    for value in daily {
        if let Ok(series) = plan.series().binary_search(&value.series) {
            macros.insert(series, value.date, value.value, None);
        }
    }
}

/// Walks all bars.
pub fn walk(plan: &FeaturePlan, market: &Market) -> Vec<Step> {
    let mut state = plan.new_instrument(&market.instrument);
    let mut macros = plan.new_macros();
    insert(plan, &mut macros, &market.daily);
    let mut features = vec![0.0; plan.width()];
    let step = |bar: &Bar| {
        let seen = plan.observe(&mut state, &mut macros, bar, position(bar), &mut features);
        Step {
            close_time: bar.close_time,
            seen,
            features: if seen.used { features.clone() } else { Vec::new() },
        }
    };
    market.bars.iter().map(step).collect()
}
