//! The dense executor: a chain of matrix products and activations whose bits depend on nothing but the chain and the row.
//!
//! Each neuron is one chain of fused multiply-adds from its bias, inputs ascending, in `f32`; activations are fixed sequences of
//! correctly rounded operations. There is no re-association and no fast-math, so batch size, lane width and CPU do not show in
//! the result.

mod activation;
mod chain;
mod kernel;

pub use activation::tanh;
pub use chain::{Activation, Chain, ChainError, Layer};
pub use kernel::Isa;

use super::{Head, InferError, Policy, batch_rows};
use kernel::{Build, Step};

/// A [`Chain`] ready to run, with its own scratch space.
#[derive(Debug)]
pub struct DensePolicy {
    width: usize,
    head: Head,
    steps: Box<[Step]>,
    build: Build,
    a: Box<[f32]>,
    b: Box<[f32]>,
}

impl DensePolicy {
    /// Prepares `chain` for the fastest build this CPU runs.
    #[must_use]
    pub fn new(chain: &Chain) -> Self {
        let build = Build::new(Isa::detect()).expect("a detected build runs here");
        Self::with_build(chain, build)
    }

    /// Prepares `chain` for one build; `None` where this CPU cannot run it. For tests and measurements.
    #[must_use]
    pub fn with_isa(chain: &Chain, isa: Isa) -> Option<Self> {
        Some(Self::with_build(chain, Build::new(isa)?))
    }

    fn with_build(chain: &Chain, build: Build) -> Self {
        let steps = steps_of(chain);
        let widest = steps.iter().map(|step| step.outputs.max(step.inputs)).max();
        let scratch = widest.unwrap_or(0).max(chain.width());
        Self {
            width: chain.width(),
            head: chain.head(),
            steps: steps.into(),
            build,
            a: vec![0.0; scratch].into(),
            b: vec![0.0; scratch].into(),
        }
    }

    /// The build in use.
    #[must_use]
    pub const fn isa(&self) -> Isa {
        self.build.isa()
    }
}

impl Policy for DensePolicy {
    fn width(&self) -> usize {
        self.width
    }

    fn head(&self) -> Head {
        self.head
    }

    fn infer(&mut self, rows: &[f32], out: &mut [f32]) -> Result<(), InferError> {
        batch_rows(self.width, self.head, rows, out)?;
        let head = self.head.width();
        for (row, out) in rows.chunks_exact(self.width).zip(out.chunks_exact_mut(head)) {
            self.a[..self.width].copy_from_slice(row);
            let result = self.build.forward(&self.steps, &mut self.a, &mut self.b);
            out.copy_from_slice(&result[..head]);
        }
        Ok(())
    }
}

/// Hangs activations on the products before them.
fn steps_of(chain: &Chain) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inputs = chain.width();
    for layer in chain.layers() {
        match layer {
            Layer::Linear { weights, bias } => {
                steps.push(Step {
                    inputs,
                    outputs: bias.len(),
                    weights: weights.as_slice().into(),
                    bias: bias.as_slice().into(),
                    activations: Box::default(),
                });
                inputs = bias.len();
            }
            Layer::Activation(activation) => match steps.last_mut() {
                Some(step) => {
                    let mut all = std::mem::take(&mut step.activations).into_vec();
                    all.push(*activation);
                    step.activations = all.into();
                }
                None => steps.push(Step {
                    inputs,
                    outputs: inputs,
                    weights: Box::default(),
                    bias: Box::default(),
                    activations: Box::new([*activation]),
                }),
            },
        }
    }
    steps
}

#[cfg(test)]
mod tests;
