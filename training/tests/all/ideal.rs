//! The best policy there can be on the generated market, written by hand: it holds the sign of the signal, read off its features.

use backtest::market::Market;
use backtest::outcome::Outcome;
use backtest::run::decide::Decide;
use backtest::run::prepare::{Prepared, prepare};
use backtest::run::sight::StrategySight;
use backtest::run::walk::walk;
use backtest::run::{RunError, outcome};
use contracts::action::ActionRule;
use contracts::evidence::ExecutionSettings;
use contracts::experiment::DateRange;
use contracts::experiment::contract::ExperimentContract;
use contracts::reason::Position;
use strategy::action::NotFinite;
use strategy::onnx::testmodels::norm_stats;
use strategy::policy::Head;
use strategy::strategy::Strategy;
use training::synthetic::edge::signal_of;

struct Ideal<'a> {
    prepared: &'a Prepared,
    width: usize,
    dxy: usize,
    usdmxn: usize,
}

impl Decide for Ideal<'_> {
    fn decide(&mut self, row: usize, _: Position) -> Result<Result<Position, NotFinite>, RunError> {
        let features = &self.prepared.features[row * self.width..][..self.width];
        let signal = signal_of(features[self.dxy], features[self.usdmxn]);
        Ok(Ok(if signal > 0.0 {
            Position::Long
        } else {
            Position::Short
        }))
    }
}

/// Runs it over a window under the experiment's costs and rules.
pub fn run(contract: &ExperimentContract, market: &Market, window: DateRange) -> Outcome {
    let features = &contract.feature_contract;
    let rule = ActionRule::Continuous {
        long_above: 0.33,
        short_below: -0.33,
    };
    // No feature is normalised for this policy: any scaler will do.
    let strategy = Strategy::new(features, &norm_stats(features), &rule, Head::Scalar).unwrap();
    let mut sight = StrategySight::new(&strategy, market).unwrap();
    let prepared = prepare(&strategy, &mut sight, market, window, market.bars.len()).unwrap();
    let place = |name: &str| {
        features
            .features
            .iter()
            .position(|feature| feature.name == name)
            .unwrap()
    };
    let settings = ExecutionSettings::from(&contract.frozen.environment);
    let mut ideal = Ideal {
        prepared: &prepared,
        width: strategy.width(),
        dxy: place("dxy_change_1d"),
        usdmxn: place("usdmxn_change_1d"),
    };
    let walked = walk(&prepared, &settings, &mut ideal).unwrap();
    let inputs = (market.hash(), window);
    let per_year = strategy.calendar().sessions_per_year();
    outcome(&market.instrument, per_year, &settings, &prepared, walked, inputs)
}
