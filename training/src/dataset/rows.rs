//! Rows of a window: every bar the strategy can decide on, with its prices and its features.

use std::collections::BTreeMap;

use backtest::market::Market;
use backtest::run::RunError;
use backtest::run::prepare::prepare;
use backtest::run::sight::StrategySight;
use contracts::action::ActionRule;
use contracts::experiment::DateRange;
use contracts::features::FeatureContract;
use contracts::hash::DatasetHash;
use contracts::norm_stats::{FeatureStats, NormStats, NormStatsMetadata};
use contracts::time::{DayNumber, UtcMillis};
use strategy::policy::Head;
use strategy::strategy::{Strategy, StrategyError};

/// Rows of one split, ascending by close time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    /// When each bar closed.
    pub close_times: Vec<UtcMillis>,
    /// Open, high, low and close of each.
    pub prices: Vec<[f64; 4]>,
    /// Features before normalisation, row by row, [`Rows::width`] of them each.
    pub features: Vec<f64>,
}

impl Rows {
    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.close_times.len()
    }

    /// True without a row.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.close_times.is_empty()
    }

    /// Features per row; 0 without a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.features.len().checked_div(self.len()).unwrap_or(0)
    }

    /// The values of one feature.
    pub fn feature(&self, at: usize) -> impl Iterator<Item = f64> + '_ {
        self.features
            .iter()
            .skip(at)
            .step_by(self.width().max(1))
            .copied()
    }

    /// The features of one row.
    ///
    /// # Panics
    /// Without such a row.
    #[must_use]
    pub fn row(&self, at: usize) -> &[f64] {
        &self.features[at * self.width()..][..self.width()]
    }
}

/// What was seen of a window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Seen {
    /// Bars that can be decided on.
    pub rows: Rows,
    /// Session of the first and the last row.
    pub sessions: Option<(DayNumber, DayNumber)>,
    /// Sessions the calendar lists.
    pub listed_sessions: usize,
    /// Bars in session and not quarantined, with a row or without.
    pub used_bars: usize,
    /// Bars without a row, by reason.
    pub withheld: BTreeMap<String, u64>,
}

/// Features that are columns: all but those of state.
pub fn columns(contract: &FeatureContract) -> impl Iterator<Item = &str> {
    let kept = contract
        .features
        .iter()
        .filter(|feature| !feature.operator.is_state());
    kept.map(|feature| feature.name.as_str())
}

/// A strategy that only observes: there is no scaler yet and no model.
///
/// # Errors
/// When the feature contract does not compile.
pub fn observer(contract: &FeatureContract) -> Result<Strategy, StrategyError> {
    let unscaled = FeatureStats {
        mean: 0.0,
        std: 1.0,
        min: 0.0,
        max: 0.0,
        count: 0,
    };
    let none = NormStats {
        metadata: NormStatsMetadata {
            version: contract.version.clone(),
            experiment: String::new(),
            fit_start: DayNumber::default(),
            fit_end: DayNumber::default(),
            sample_count: 0,
            dataset_hash: DatasetHash::of(&[]),
        },
        features: columns(contract)
            .map(|name| (name.to_owned(), unscaled))
            .collect(),
    };
    let rule = ActionRule::Continuous {
        long_above: 0.0,
        short_below: 0.0,
    };
    Strategy::new(contract, &none, &rule, Head::Scalar)
}

/// Looks at the bars of a window; all bars before it warm the operators up, none after it is looked at.
///
/// # Errors
/// [`RunError`] when bars or daily values are unusable or do not cover the window.
pub fn observe(
    contract: &FeatureContract,
    strategy: &Strategy,
    market: &Market,
    window: DateRange,
) -> Result<Seen, RunError> {
    let mut sight = StrategySight::new(strategy, market)?;
    let prepared = prepare(strategy, &mut sight, market, window, market.bars.len())?;
    let kept: Vec<usize> = (0..contract.features.len())
        .filter(|at| !contract.features[*at].operator.is_state())
        .collect();
    let mut seen = Seen {
        listed_sessions: prepared.sessions.len(),
        used_bars: prepared.steps.len(),
        withheld: prepared.withheld,
        ..Seen::default()
    };
    let width = strategy.width();
    for step in &prepared.steps {
        let Some(row) = step.row else { continue };
        let values = &prepared.features[row * width..][..width];
        seen.rows.close_times.push(step.bar.close_time);
        seen.rows
            .prices
            .push([step.bar.open, step.bar.high, step.bar.low, step.bar.close]);
        seen.rows.features.extend(kept.iter().map(|at| values[*at]));
        seen.sessions = Some((
            seen.sessions.map_or(step.session, |(first, _)| first),
            step.session,
        ));
    }
    Ok(seen)
}
