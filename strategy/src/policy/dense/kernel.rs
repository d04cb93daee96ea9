//! The arithmetic of a chain, written once and compiled twice.
//!
//! [`forward`] is generic code over blocks of output neurons. The plain build is the scalar reference; `forward_avx2` is the same
//! code compiled for AVX2 and FMA, where the blocks become vector registers. A lane is one neuron and never meets another lane,
//! so both builds, every batch size and every CPU give the same bits.

use super::activation::{clip, relu, sigmoid, tanh};
use super::chain::Activation;

/// Neurons computed together: eight AVX2 registers, enough independent chains to hide the latency of a multiply-add.
const BLOCK: usize = 64;
/// Values of one AVX2 register; layers are padded to a multiple of it.
pub(super) const LANES: usize = 8;

/// One layer as the kernel reads it.
#[derive(Debug)]
pub(super) struct Step {
    /// Values this layer reads.
    pub(super) inputs: usize,
    /// Outputs padded to a multiple of [`LANES`].
    pub(super) padded: usize,
    /// Empty, or `inputs × padded`, row `k` holds the weights of input `k`.
    pub(super) weights: Box<[f32]>,
    /// Empty, or `padded` values.
    pub(super) bias: Box<[f32]>,
    /// Applied after the products, in order.
    pub(super) activations: Box<[Activation]>,
}

/// Runs one row through all steps. `a` holds the row padded to the widest layer; the result is in the returned buffer.
#[inline(always)]
fn forward<'a>(steps: &[Step], mut a: &'a mut [f32], mut b: &'a mut [f32]) -> &'a [f32] {
    for step in steps {
        if step.bias.is_empty() {
            activate(&mut a[..step.padded], &step.activations);
            continue;
        }
        product(step, &a[..step.inputs], &mut b[..step.padded]);
        activate(&mut b[..step.padded], &step.activations);
        std::mem::swap(&mut a, &mut b);
    }
    a
}

#[inline(always)]
fn product(step: &Step, x: &[f32], y: &mut [f32]) {
    let mut start = 0;
    while start + BLOCK <= step.padded {
        block::<{ BLOCK / LANES }>(step, x, y, start);
        start += BLOCK;
    }
    while start + 4 * LANES <= step.padded {
        block::<4>(step, x, y, start);
        start += 4 * LANES;
    }
    while start < step.padded {
        block::<1>(step, x, y, start);
        start += LANES;
    }
}

/// `REGISTERS × LANES` neurons from `start` on: their accumulators stay in registers over all inputs.
#[inline(always)]
fn block<const REGISTERS: usize>(step: &Step, x: &[f32], y: &mut [f32], start: usize) {
    let end = start + REGISTERS * LANES;
    let mut sums = [[0.0_f32; LANES]; REGISTERS];
    for (sum, bias) in sums.iter_mut().zip(step.bias[start..end].chunks_exact(LANES)) {
        sum.copy_from_slice(bias);
    }
    for (value, row) in x.iter().zip(step.weights.chunks_exact(step.padded)) {
        for (sum, weights) in sums.iter_mut().zip(row[start..end].chunks_exact(LANES)) {
            for (s, w) in sum.iter_mut().zip(weights) {
                *s = value.mul_add(*w, *s);
            }
        }
    }
    for (sum, out) in sums.iter().zip(y[start..end].chunks_exact_mut(LANES)) {
        out.copy_from_slice(sum);
    }
}

#[inline(always)]
fn activate(values: &mut [f32], activations: &[Activation]) {
    for activation in activations {
        match *activation {
            Activation::Tanh => map(values, tanh),
            Activation::Relu => map(values, relu),
            Activation::Sigmoid => map(values, sigmoid),
            Activation::Clip { low, high } => map(values, |x| clip(x, low, high)),
        }
    }
}

#[inline(always)]
fn map(values: &mut [f32], f: impl Fn(f32) -> f32) {
    for lanes in values.chunks_exact_mut(LANES) {
        for value in lanes {
            *value = f(*value);
        }
    }
}

/// Which build runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// The plain build: correct everywhere, slow where `mul_add` is a library call.
    Scalar,
    /// AVX2 and FMA.
    Avx2Fma,
}

impl Isa {
    /// The fastest build this CPU runs.
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            return Self::Avx2Fma;
        }
        Self::Scalar
    }
}

/// A build that this CPU is known to run: [`Isa::Avx2Fma`] can only be held after detection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Build(Isa);

impl Build {
    /// `None` where this CPU cannot run `isa`.
    pub(super) fn new(isa: Isa) -> Option<Self> {
        (isa == Isa::Scalar || Isa::detect() == isa).then_some(Self(isa))
    }

    pub(super) const fn isa(self) -> Isa {
        self.0
    }

    /// Runs one row; see [`forward`].
    pub(super) fn forward<'a>(self, steps: &[Step], a: &'a mut [f32], b: &'a mut [f32]) -> &'a [f32] {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2Fma => {
                // SAFETY: `Build::new` is the only constructor and gives this variant only after detecting both features.
                unsafe { forward_avx2(steps, a, b) }
            }
            _ => forward(steps, a, b),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn forward_avx2<'a>(steps: &[Step], a: &'a mut [f32], b: &'a mut [f32]) -> &'a [f32] {
    forward(steps, a, b)
}
