//! What a decision is rewarded with: six terms, each without dimension, weighted as the experiment says.
//!
//! A reward covers the time from one decision to the next (withheld bars between them included), or to the end of the episode. One unit of
//! money is `u` = `unit_bps` / 10⁴ × initial capital × position size: by default ten basis points of the capital at work, about what a
//! five-minute bar of a lively pair moves. So a weight says what a term counts beside the others, whatever the capital is.
//!
//! | term | formula | parameters, their unit and default |
//! |---|---|---|
//! | `pnl` | (change of net equity + costs paid) / u | `unit_bps`: basis points of the capital at work, 10 |
//! | `transaction_cost` | −(costs paid) / u | |
//! | `holding` | −`holding_per_bar` × used bars at whose open a position was held | `holding_per_bar`: per bar, 0.01 |
//! | `inactivity` | −`inactivity_per_bar` × used bars without a position beyond the first `inactivity_grace_bars` in a row | `inactivity_per_bar`: per bar, 0.01; `inactivity_grace_bars`: bars, 12 |
//! | `churn` | −`churn_per_change` × \|decision − decision before it\|; a flip counts twice | `churn_per_change`: per change by one, 0.1 |
//! | `drawdown` | −(growth of the distance between the highest equity and equity, where it grew) / u | |
//!
//! Equity is marked at the close of the bar that is decided on, orders filled at its open included; the highest equity begins with the
//! initial capital. The reward is Σ weight × term.

mod params;

pub use params::{Params, RewardError};

use contracts::evidence::ExecutionSettings;
use contracts::experiment::{RewardSection, RewardTerm};

/// The terms in the order of every list of them.
pub const TERMS: [RewardTerm; 6] = [
    RewardTerm::Pnl,
    RewardTerm::TransactionCost,
    RewardTerm::Holding,
    RewardTerm::Inactivity,
    RewardTerm::Churn,
    RewardTerm::Drawdown,
];

/// Values of the terms, in the order of [`TERMS`].
pub type Terms = [f64; TERMS.len()];

/// What happened between two decisions.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Change {
    /// Change of net equity, in quote currency.
    pub net: f64,
    /// Costs paid, in quote currency.
    pub cost: f64,
    /// Used bars at whose open a position was held.
    pub held_bars: u32,
    /// Used bars without a position, beyond the grace.
    pub idle_bars: u32,
    /// How far the decision moved: 0, 1 or 2.
    pub moved: u8,
    /// Growth of the distance from the highest equity, in quote currency; 0 where it shrank.
    pub deeper: f64,
}

/// Weights and parameters of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Reward {
    weights: Terms,
    params: Params,
    /// Money of one unit.
    unit: f64,
}

impl Reward {
    /// Reads the section.
    ///
    /// # Errors
    /// [`RewardError`] naming the parameter.
    pub fn new(section: &RewardSection, settings: &ExecutionSettings) -> Result<Self, RewardError> {
        let params = Params::new(&section.params)?;
        Ok(Self {
            weights: TERMS.map(|term| section.weights.get(&term).copied().unwrap_or(0.0)),
            params,
            unit: params.unit_bps / 1e4 * settings.initial_capital * settings.position_size,
        })
    }

    /// The parameters, defaults filled in.
    #[must_use]
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// Each term, weighted; their sum is the reward.
    #[must_use]
    pub fn weighted(&self, change: &Change) -> Terms {
        let p = &self.params;
        let terms = [
            (change.net + change.cost) / self.unit,
            -change.cost / self.unit,
            -p.holding_per_bar * f64::from(change.held_bars),
            -p.inactivity_per_bar * f64::from(change.idle_bars),
            -p.churn_per_change * f64::from(change.moved),
            -change.deeper / self.unit,
        ];
        std::array::from_fn(|at| self.weights[at] * terms[at])
    }
}

#[cfg(test)]
mod tests {
    use contracts::experiment::EnvironmentSection;

    use super::*;

    fn reward(weights: &[(RewardTerm, f64)], params: &[(&str, f64)]) -> Reward {
        let section = RewardSection {
            weights: weights.iter().copied().collect(),
            params: params
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect(),
        };
        let settings = ExecutionSettings::from(&EnvironmentSection {
            position_size: 0.5,
            ..EnvironmentSection::default()
        });
        Reward::new(&section, &settings).unwrap()
    }

    const CHANGE: Change = Change {
        net: 75.0,
        cost: 25.0,
        held_bars: 3,
        idle_bars: 2,
        moved: 2,
        deeper: 10.0,
    };

    #[test]
    fn each_term_follows_its_formula() {
        // Half of 100,000 at work: ten basis points of it are 50.
        let expected = [2.0, -0.5, -0.03, -0.02, -0.2, -0.2];
        for (at, term) in TERMS.into_iter().enumerate() {
            let found = reward(&[(term, 1.0)], &[]).weighted(&CHANGE);
            for (place, value) in found.into_iter().enumerate() {
                let wanted = if place == at { expected[at] } else { 0.0 };
                assert!((value - wanted).abs() < 1e-12, "{term:?}: {found:?}");
            }
        }
    }

    #[test]
    fn weights_and_parameters_scale_their_terms() {
        let halves = [(RewardTerm::Pnl, 0.5), (RewardTerm::Churn, 0.5)];
        let params = [("unit_bps", 20.0), ("churn_per_change", 3.0)];
        let found = reward(&halves, &params).weighted(&CHANGE);
        assert_eq!(found, [0.5, -0.0, -0.0, -0.0, -3.0, -0.0]);
    }
}
