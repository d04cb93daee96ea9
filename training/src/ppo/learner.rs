//! One network with its optimizer: the actor (with ln σ at the end of its parameters) or the critic.

use super::net::kernel::{AdamRates, Kernel, square_sum};
use super::net::{Layout, Tape};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
/// As Stable-Baselines3 sets it for PPO, not PyTorch's 1e-8.
const EPSILON: f32 = 1e-5;

/// Parameters, Adam's moments, and room for one batch.
#[derive(Debug)]
pub struct Learner {
    /// Which network.
    pub layout: Layout,
    /// The network's parameters, then others.
    pub parameters: Vec<f32>,
    /// Adam's means and mean squares.
    pub moments: [Vec<f32>; 2],
    /// Gradient of the batch at hand.
    pub gradient: Vec<f32>,
    /// Forward and backward pass.
    pub tape: Tape,
    kernel: Kernel,
}

impl Learner {
    /// With these parameters, moments at 0.
    #[must_use]
    pub fn new(layout: Layout, parameters: Vec<f32>) -> Self {
        let zeros = vec![0.0; parameters.len()];
        Self {
            layout,
            moments: [zeros.clone(), zeros.clone()],
            gradient: zeros,
            parameters,
            tape: Tape::default(),
            kernel: Kernel::detect(),
        }
    }

    /// The last parameter, which belongs to no layer; 0 where there is none.
    #[must_use]
    pub fn extra(&self) -> f32 {
        self.parameters.get(self.layout.count()).copied().unwrap_or(0.0)
    }

    /// Runs a batch.
    pub fn forward(&mut self, x: &[f32], rows: usize) -> &[f32] {
        self.tape
            .forward(self.kernel, &self.layout, &self.parameters, x, rows)
    }

    /// The gradient of the batch that was run; gives Σ g².
    pub fn backward(&mut self, x: &[f32], by_output: &[f32], by_extra: f32) -> f64 {
        self.tape.backward(
            self.kernel,
            &self.layout,
            &self.parameters,
            x,
            by_output,
            &mut self.gradient,
        );
        if let Some(extra) = self.gradient.get_mut(self.layout.count()) {
            *extra = by_extra;
        }
        square_sum(&self.gradient)
    }

    /// Adam's step number `step`, counted from 1, with the gradient multiplied by `scale`.
    pub fn step(&mut self, learning_rate: f64, scale: f64, step: u64) {
        let unbiased = |beta: f64| 1.0 - libm::pow(beta, step as f64);
        let rates = AdamRates {
            beta1: BETA1 as f32,
            beta2: BETA2 as f32,
            step: (learning_rate / unbiased(BETA1)) as f32,
            correction: (1.0 / unbiased(BETA2).sqrt()) as f32,
            epsilon: EPSILON,
            scale: scale as f32,
        };
        let [mean, square] = &mut self.moments;
        self.kernel
            .adam(rates, &mut self.parameters, [mean, square], &self.gradient);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adams_first_steps_follow_their_formula() {
        let mut learner = Learner::new(Layout::new(1, &[], 1), vec![1.0, -2.0]);
        let gradients = [[0.5_f32, -4.0], [0.25, 8.0]];
        let (mut m, mut v, mut wanted) = ([0.0_f64; 2], [0.0_f64; 2], [1.0_f64, -2.0]);
        for (step, gradient) in (1_u64..).zip(gradients) {
            learner.gradient.copy_from_slice(&gradient);
            learner.step(0.1, 0.5, step);
            for at in 0..2 {
                let g = 0.5 * f64::from(gradient[at]);
                m[at] = 0.9 * m[at] + 0.1 * g;
                v[at] = 0.999 * v[at] + 0.001 * g * g;
                let (m, v) = (
                    m[at] / (1.0 - 0.9_f64.powi(step as i32)),
                    v[at] / (1.0 - 0.999_f64.powi(step as i32)),
                );
                wanted[at] -= 0.1 * m / (v.sqrt() + 1e-5);
            }
        }
        for (found, wanted) in learner.parameters.iter().zip(wanted) {
            assert!((f64::from(*found) - wanted).abs() < 1e-5, "{found}, not {wanted}");
        }
    }
}
