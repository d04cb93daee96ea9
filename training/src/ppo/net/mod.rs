//! A multi-layer perceptron with tanh between its layers: forward and backward, on flat buffers.
//!
//! Weights lie as the dense executor and an ONNX `Gemm` without transposition read them (row `k` holds the weights of input `k`), and sums run in
//! the executor's order: what a network gives in training is what it gives live, bit for bit.

pub mod init;
pub mod kernel;
#[cfg(test)]
mod tests;

use std::ops::Range;

use strategy::policy::Head;
use strategy::policy::dense::{Activation, Chain, ChainError, Layer};

use self::kernel::{Kernel, Left};

/// Where a layer's parameters lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Values it reads.
    pub inputs: usize,
    /// Values it gives.
    pub outputs: usize,
    /// `inputs × outputs` weights.
    pub weights: Range<usize>,
    /// `outputs` values.
    pub bias: Range<usize>,
}

/// Widths of a network, inputs first, and where its parameters lie in one flat buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    places: Vec<Place>,
}

impl Layout {
    /// A network from `inputs` through hidden layers to `outputs`.
    #[must_use]
    pub fn new(inputs: usize, hidden: &[u32], outputs: usize) -> Self {
        let widths = hidden.iter().map(|width| *width as usize).chain([outputs]);
        let (mut places, mut inputs, mut at) = (Vec::new(), inputs, 0);
        for outputs in widths {
            let weights = at..at + inputs * outputs;
            let bias = weights.end..weights.end + outputs;
            at = bias.end;
            places.push(Place {
                inputs,
                outputs,
                weights,
                bias,
            });
            inputs = outputs;
        }
        Self { places }
    }

    /// Parameters.
    #[must_use]
    pub fn count(&self) -> usize {
        self.places.last().map_or(0, |place| place.bias.end)
    }

    /// The layers, first to last.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Values of an input row.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.places.first().map_or(0, |place| place.inputs)
    }

    /// Values of an output row.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.places.last().map_or(0, |place| place.outputs)
    }

    /// The network as the dense executor runs it.
    ///
    /// # Errors
    /// [`ChainError`] where the outputs are not the head's.
    pub fn chain(&self, parameters: &[f32], head: Head) -> Result<Chain, ChainError> {
        let mut layers = Vec::new();
        for (at, place) in self.places.iter().enumerate() {
            layers.push(Layer::Linear {
                weights: parameters[place.weights.clone()].to_vec(),
                bias: parameters[place.bias.clone()].to_vec(),
            });
            if at + 1 < self.places.len() {
                layers.push(Layer::Activation(Activation::Tanh));
            }
        }
        Chain::new(self.inputs(), head, layers)
    }
}

/// What a forward pass leaves for the backward pass, and room for both; grows to the largest batch once.
#[derive(Debug, Default)]
pub struct Tape {
    /// Output of each layer, after its tanh where it has one.
    values: Vec<Vec<f32>>,
    /// Gradient by a layer's output, and by its input.
    slopes: [Vec<f32>; 2],
    transposed: Vec<f32>,
}

impl Tape {
    /// Runs `rows` rows; gives the last layer's output.
    ///
    /// # Panics
    /// If a buffer is shorter than the layout says.
    pub fn forward(
        &mut self,
        kernel: Kernel,
        layout: &Layout,
        parameters: &[f32],
        x: &[f32],
        rows: usize,
    ) -> &[f32] {
        self.values.resize_with(layout.places.len(), Vec::new);
        for (at, place) in layout.places.iter().enumerate() {
            let (before, rest) = self.values.split_at_mut(at);
            let (input, output) = (before.last().map_or(x, Vec::as_slice), &mut rest[0]);
            output.clear();
            for _ in 0..rows {
                output.extend_from_slice(&parameters[place.bias.clone()]);
            }
            let a = Left {
                values: input,
                row: place.inputs,
                column: 1,
            };
            kernel.product(
                a,
                &parameters[place.weights.clone()],
                output,
                [rows, place.inputs, place.outputs],
            );
            if at + 1 < layout.places.len() {
                kernel.tanh(output);
            }
        }
        self.values.last().map_or(&[], Vec::as_slice)
    }

    /// Overwrites `gradient` with the gradient by the parameters, given the one by the output of the last [`Self::forward`] of the same rows.
    ///
    /// # Panics
    /// If a buffer is shorter than the layout says.
    pub fn backward(
        &mut self,
        kernel: Kernel,
        layout: &Layout,
        parameters: &[f32],
        x: &[f32],
        by_output: &[f32],
        gradient: &mut [f32],
    ) {
        let rows = by_output.len() / layout.outputs();
        let [slope, next] = &mut self.slopes;
        slope.clear();
        slope.extend_from_slice(by_output);
        for (at, place) in layout.places.iter().enumerate().rev() {
            let input = if at == 0 { x } else { &self.values[at - 1] };
            let bias = &mut gradient[place.bias.clone()];
            bias.fill(0.0);
            for row in slope.chunks_exact(place.outputs) {
                for (sum, value) in bias.iter_mut().zip(row) {
                    *sum += value;
                }
            }
            let weights = &mut gradient[place.weights.clone()];
            weights.fill(0.0);
            let transposed_input = Left {
                values: input,
                row: 1,
                column: place.inputs,
            };
            kernel.product(
                transposed_input,
                slope,
                weights,
                [place.inputs, rows, place.outputs],
            );
            if at == 0 {
                break;
            }
            transpose(
                &parameters[place.weights.clone()],
                place.outputs,
                &mut self.transposed,
            );
            next.clear();
            next.resize(rows * place.inputs, 0.0);
            let a = Left {
                values: slope,
                row: place.outputs,
                column: 1,
            };
            kernel.product(a, &self.transposed, next, [rows, place.outputs, place.inputs]);
            kernel.tanh_slope(input, next);
            std::mem::swap(slope, next);
        }
    }
}

/// Rows of `columns` values become columns.
fn transpose(values: &[f32], columns: usize, out: &mut Vec<f32>) {
    out.clear();
    out.extend((0..columns).flat_map(|column| values[column..].iter().step_by(columns)));
}
