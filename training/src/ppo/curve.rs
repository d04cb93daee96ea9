//! What is known of a training, update by update.

use serde::{Deserialize, Serialize};

use super::evaluate::Evaluation;
use crate::reward::Terms;

/// One update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Its number, from 1.
    pub update: u64,
    /// Environment steps so far.
    pub steps: u64,
    /// Mean reward of the rollout's steps.
    pub reward: f64,
    /// Mean of each weighted term, in the order of [`crate::reward::TERMS`].
    pub terms: Terms,
    /// Episodes that ended in the rollout.
    pub episodes: u64,
    /// Of these, by ruin.
    pub ruined: u64,
    /// Entropy of the policy, in nats.
    pub entropy: f64,
    /// Estimate of the divergence from the policy that collected, in nats.
    pub kl: f64,
    /// Share of ratios outside the clip range.
    pub clip_fraction: f64,
    /// Mean clipped surrogate, negated.
    pub policy_loss: f64,
    /// Mean squared error of the critic.
    pub value_loss: f64,
    /// 1 − variance of (return − value) / variance of the returns; none where they do not vary.
    pub explained_variance: Option<f64>,
    /// Standard deviation of a continuous action.
    pub std: Option<f64>,
    /// On the validation window, at the updates that are evaluated.
    pub validation: Option<Evaluation>,
}

/// All updates, and which of them gave the model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Curve {
    /// In order.
    pub points: Vec<Point>,
    /// The update whose parameters are exported; none where no evaluated policy made two different decisions, and the last ones are.
    pub best: Option<u64>,
}

/// 1 − var(returns − values) / var(returns).
#[must_use]
pub fn explained_variance(values: &[f32], returns: &[f32]) -> Option<f64> {
    let variance = |of: &dyn Fn(usize) -> f64| {
        let n = returns.len() as f64;
        let mean = (0..returns.len()).map(of).sum::<f64>() / n;
        (0..returns.len())
            .map(|at| (of(at) - mean) * (of(at) - mean))
            .sum::<f64>()
            / n
    };
    let whole = variance(&|at| f64::from(returns[at]));
    let left = variance(&|at| f64::from(returns[at]) - f64::from(values[at]));
    let share = 1.0 - left / whole;
    share.is_finite().then_some(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explained_variance_of_a_perfect_a_useless_and_a_constant_critic() {
        let returns = [1.0, 2.0, 3.0];
        assert_eq!(explained_variance(&returns, &returns), Some(1.0));
        assert_eq!(explained_variance(&[9.0; 3], &returns), Some(0.0));
        assert_eq!(explained_variance(&returns, &[2.0; 3]), None);
        assert_eq!(explained_variance(&[], &[]), None);
    }
}
