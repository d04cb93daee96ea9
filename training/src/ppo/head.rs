//! What an actor's output means while it learns: a normal distribution around it, or one of three by their logits.

use contracts::action::{ActionKind, ActionRule};
use contracts::reason::Position;
use rand::Rng;
use strategy::action::NotFinite;
use strategy::policy::Head;
use strategy::strategy::Strategy;

use super::net::init::normal;

/// ½ ln 2π.
const HALF_LN_TAU: f64 = 0.918_938_533_204_672_7;

/// The distribution an action is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    /// Mean from the network, one standard deviation for all rows, a parameter of its own (its logarithm).
    Normal,
    /// Three logits.
    Categorical,
}

/// An action as it was drawn, and the logarithm of its density or probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawn {
    /// The number, or the index.
    pub action: f32,
    /// ln p.
    pub log_prob: f32,
}

/// ln p of an action with its gradient.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Likelihood {
    /// ln p.
    pub log_prob: f64,
    /// Entropy of the row's distribution.
    pub entropy: f64,
    /// ∂ ln p / ∂ output.
    pub by_output: [f64; 3],
    /// ∂ entropy / ∂ output.
    pub entropy_by_output: [f64; 3],
    /// ∂ ln p / ∂ ln σ; that of the entropy is 1.
    pub by_log_std: f64,
}

impl Distribution {
    /// The one for an action rule.
    #[must_use]
    pub const fn of(kind: ActionKind) -> Self {
        match kind {
            ActionKind::Continuous => Self::Normal,
            ActionKind::Logits | ActionKind::Index => Self::Categorical,
        }
    }

    /// What the network gives a row.
    #[must_use]
    pub const fn head(self) -> Head {
        match self {
            Self::Normal => Head::Scalar,
            Self::Categorical => Head::Logits,
        }
    }

    /// Parameters beside the network's: ln σ, or none.
    #[must_use]
    pub const fn extra(self) -> usize {
        match self {
            Self::Normal => 1,
            Self::Categorical => 0,
        }
    }

    /// Draws an action.
    pub fn draw(self, output: &[f32], log_std: f32, rng: &mut impl Rng) -> Drawn {
        let action = match self {
            Self::Normal => (f64::from(output[0]) + libm::exp(f64::from(log_std)) * normal(rng)) as f32,
            Self::Categorical => {
                let share = rng.random::<f64>();
                let p = softmax(output);
                if share < p[0] {
                    0.0
                } else if share < p[0] + p[1] {
                    1.0
                } else {
                    2.0
                }
            }
        };
        Drawn {
            action,
            log_prob: self.likelihood(output, log_std, action).log_prob as f32,
        }
    }

    /// ln p of an action under these outputs, with gradients.
    #[must_use]
    pub fn likelihood(self, output: &[f32], log_std: f32, action: f32) -> Likelihood {
        match self {
            Self::Normal => {
                let log_std = f64::from(log_std);
                let std = libm::exp(log_std);
                let z = (f64::from(action) - f64::from(output[0])) / std;
                Likelihood {
                    log_prob: -0.5 * z * z - log_std - HALF_LN_TAU,
                    entropy: 0.5 + HALF_LN_TAU + log_std,
                    by_output: [z / std, 0.0, 0.0],
                    by_log_std: z * z - 1.0,
                    ..Likelihood::default()
                }
            }
            Self::Categorical => {
                let p = softmax(output);
                let ln = log_softmax(output);
                let chosen = action as usize;
                let entropy = -(0..3).map(|at| p[at] * ln[at]).sum::<f64>();
                Likelihood {
                    log_prob: ln[chosen.min(2)],
                    entropy,
                    by_output: std::array::from_fn(|at| f64::from(u8::from(at == chosen)) - p[at]),
                    entropy_by_output: std::array::from_fn(|at| -p[at] * (ln[at] + entropy)),
                    by_log_std: 0.0,
                }
            }
        }
    }
}

fn log_softmax(output: &[f32]) -> [f64; 3] {
    let x: [f64; 3] = std::array::from_fn(|at| f64::from(output[at]));
    let most = x[0].max(x[1]).max(x[2]);
    let sum: f64 = x.iter().map(|x| libm::exp(x - most)).sum();
    x.map(|x| x - most - libm::log(sum))
}

fn softmax(output: &[f32]) -> [f64; 3] {
    log_softmax(output).map(libm::exp)
}

/// From a drawn action to a position, by the experiment's own rule.
#[derive(Debug, Clone)]
pub struct Decider<'a> {
    strategy: &'a Strategy,
    distribution: Distribution,
}

impl<'a> Decider<'a> {
    /// For actions of this distribution.
    #[must_use]
    pub const fn new(strategy: &'a Strategy, distribution: Distribution) -> Self {
        Self {
            strategy,
            distribution,
        }
    }

    /// The position an action asks for.
    ///
    /// # Errors
    /// [`NotFinite`].
    pub fn position(&self, action: f32) -> Result<Position, NotFinite> {
        let decision = match self.distribution {
            Distribution::Normal => self.strategy.decide(&[action]),
            // The chosen logit as the only one that is not 0: the first maximum is it.
            Distribution::Categorical => {
                let one = |at: usize| f32::from(u8::from(at == action as usize));
                self.strategy.decide(&[one(0), one(1), one(2)])
            }
        };
        decision.map(|decision| decision.action)
    }
}

/// The head the strategy reads while a model of this rule is trained: an index is the first maximum of three logits.
#[must_use]
pub const fn training_head(rule: &ActionRule) -> Head {
    Distribution::of(rule.kind()).head()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn gradients_equal_central_differences() {
        let h = 1e-2_f32;
        for (distribution, output, action) in [
            (Distribution::Normal, vec![0.25_f32], 0.75_f32),
            (Distribution::Categorical, vec![0.5, -0.25, 1.0], 1.0),
            (Distribution::Categorical, vec![0.5, -0.25, 1.0], 2.0),
        ] {
            let log_std = -0.5;
            let at = |output: &[f32], log_std: f32| distribution.likelihood(output, log_std, action);
            let found = at(&output, log_std);
            let near = |found: f64, up: f64, down: f64| {
                let wanted = (up - down) / (2.0 * f64::from(h));
                assert!(
                    (found - wanted).abs() < 1e-3,
                    "{distribution:?}: {found}, not {wanted}"
                );
            };
            for place in 0..output.len() {
                let moved = |by: f32| {
                    let mut moved = output.clone();
                    moved[place] += by;
                    at(&moved, log_std)
                };
                near(found.by_output[place], moved(h).log_prob, moved(-h).log_prob);
                near(
                    found.entropy_by_output[place],
                    moved(h).entropy,
                    moved(-h).entropy,
                );
            }
            if distribution == Distribution::Normal {
                let (up, down) = (at(&output, log_std + h), at(&output, log_std - h));
                near(found.by_log_std, up.log_prob, down.log_prob);
                near(1.0, up.entropy, down.entropy);
            }
        }
    }

    #[test]
    fn draws_come_as_often_as_their_probability_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let logits = [0.0_f32, 1.0, -1.0];
        let mut counts = [0_u32; 3];
        for _ in 0..20_000 {
            let drawn = Distribution::Categorical.draw(&logits, 0.0, &mut rng);
            counts[drawn.action as usize] += 1;
        }
        for (count, p) in counts.into_iter().zip(softmax(&logits)) {
            // Five standard errors.
            assert!((f64::from(count) / 20_000.0 - p).abs() < 0.018, "{counts:?}");
        }
        let mean: f64 = (0..20_000)
            .map(|_| f64::from(Distribution::Normal.draw(&[2.0], -1.0, &mut rng).action))
            .sum::<f64>()
            / 20_000.0;
        assert!((mean - 2.0).abs() < 0.014, "{mean}");
    }
}
