//! The chain a dense policy executes, checked when it is built.

use crate::limits::{DENSE_LAYERS_MAX, DENSE_WEIGHTS_MAX};
use crate::policy::Head;

/// One step of a [`Chain`].
#[derive(Debug, Clone, PartialEq)]
pub enum Layer {
    /// y\[j\] = bias\[j\] + Σₖ x\[k\] · weights\[k·outputs + j\], k ascending, one fused multiply-add each.
    Linear {
        /// `inputs × outputs` values, row `k` holds the weights of input `k`.
        weights: Vec<f32>,
        /// One value per output: where each chain of multiply-adds starts.
        bias: Vec<f32>,
    },
    /// Applied to every value.
    Activation(Activation),
}

/// An element-wise step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// Hyperbolic tangent.
    Tanh,
    /// max(x, 0).
    Relu,
    /// Logistic function.
    Sigmoid,
    /// Limited to `[low, high]`.
    Clip {
        /// Lower end.
        low: f32,
        /// Upper end.
        high: f32,
    },
}

/// Why layers are no chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Weights and bias do not fit what the layer before gives.
    #[error(
        "layer {layer} has {weights} weights and {bias} biases, which do not fit {inputs} inputs: {inputs} × {bias} are needed"
    )]
    Shape {
        /// Position in the chain, from 0.
        layer: usize,
        /// Weights found.
        weights: usize,
        /// Biases found.
        bias: usize,
        /// Values the layer receives.
        inputs: usize,
    },
    /// The last layer gives another number of values than the head has.
    #[error("the chain ends with {found} values where the head needs {expected}")]
    HeadWidth {
        /// Values of the last layer.
        found: usize,
        /// Values of the head.
        expected: usize,
    },
    /// An index output cannot come out of a chain of real numbers.
    #[error("a dense chain gives numbers or logits, not an index")]
    IndexHead,
    /// A clip whose ends are no interval.
    #[error("layer {layer} clips to [{low}, {high}], which is no interval")]
    Clip {
        /// Position in the chain, from 0.
        layer: usize,
        /// Lower end, as text.
        low: String,
        /// Upper end, as text.
        high: String,
    },
    /// More than `limits.rs` allows.
    #[error(
        "{layers} layers with {weights} weights are more than {DENSE_LAYERS_MAX} layers or {DENSE_WEIGHTS_MAX} weights"
    )]
    TooLarge {
        /// Layers found.
        layers: usize,
        /// Weights found.
        weights: usize,
    },
}

/// A checked chain: every layer fits the one before it and the last one fits the head.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    width: usize,
    head: Head,
    layers: Vec<Layer>,
}

impl Chain {
    /// Checks and wraps `layers`, which take `width` inputs.
    ///
    /// # Errors
    /// [`ChainError`] naming the first layer that does not fit.
    pub fn new(width: usize, head: Head, layers: Vec<Layer>) -> Result<Self, ChainError> {
        if head == Head::Index {
            return Err(ChainError::IndexHead);
        }
        let mut inputs = width;
        let mut total = 0_usize;
        for (position, layer) in layers.iter().enumerate() {
            match layer {
                Layer::Linear { weights, bias } => {
                    if bias.is_empty() || inputs.checked_mul(bias.len()) != Some(weights.len()) {
                        return Err(ChainError::Shape {
                            layer: position,
                            weights: weights.len(),
                            bias: bias.len(),
                            inputs,
                        });
                    }
                    inputs = bias.len();
                    total = total.saturating_add(weights.len());
                }
                Layer::Activation(Activation::Clip { low, high }) => {
                    // Written so that a NaN end is refused too.
                    if !matches!(low.partial_cmp(high), Some(o) if o.is_le()) {
                        return Err(ChainError::Clip {
                            layer: position,
                            low: low.to_string(),
                            high: high.to_string(),
                        });
                    }
                }
                Layer::Activation(_) => {}
            }
        }
        if layers.len() > DENSE_LAYERS_MAX || total > DENSE_WEIGHTS_MAX {
            return Err(ChainError::TooLarge {
                layers: layers.len(),
                weights: total,
            });
        }
        if inputs != head.width() {
            return Err(ChainError::HeadWidth {
                found: inputs,
                expected: head.width(),
            });
        }
        Ok(Self { width, head, layers })
    }

    /// Inputs per row.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Meaning of the output.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// The layers, first to last.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear(inputs: usize, outputs: usize) -> Layer {
        Layer::Linear {
            weights: vec![0.5; inputs * outputs],
            bias: vec![0.0; outputs],
        }
    }

    #[test]
    fn fits_or_is_refused_by_name() {
        assert!(Chain::new(4, Head::Logits, vec![linear(4, 8), linear(8, 3)]).is_ok());
        assert_eq!(
            Chain::new(4, Head::Scalar, vec![linear(5, 1)]),
            Err(ChainError::Shape {
                layer: 0,
                weights: 5,
                bias: 1,
                inputs: 4
            })
        );
        assert_eq!(
            Chain::new(4, Head::Scalar, vec![linear(4, 3)]),
            Err(ChainError::HeadWidth {
                found: 3,
                expected: 1
            })
        );
        assert_eq!(
            Chain::new(4, Head::Index, vec![linear(4, 1)]),
            Err(ChainError::IndexHead)
        );
        let clip = Layer::Activation(Activation::Clip {
            low: f32::NAN,
            high: 1.0,
        });
        assert!(matches!(
            Chain::new(1, Head::Scalar, vec![clip]),
            Err(ChainError::Clip { layer: 0, .. })
        ));
    }
}
