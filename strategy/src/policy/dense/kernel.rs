//! The arithmetic of a chain, written once and compiled twice.
//!
//! [`forward`] is the scalar reference; `forward_avx2` is the same code compiled for AVX2 and FMA, where the compiler turns the loops over
//! neurons into vector loops. A lane is one neuron and never meets another lane, so both builds, every batch size and every CPU give
//! the same bits. The loops are kept plain, one pass over slices of equal length, because that is what the loop vectoriser
//! reliably takes; accumulators held in small arrays are not.

use super::activation::{clip, relu, sigmoid, tanh};
use super::chain::Activation;

/// Inputs handled in one pass over the neurons: each partial sum is loaded and stored once per block, not once per input.
const BLOCK: usize = 4;

/// One layer as the kernel reads it.
#[derive(Debug)]
pub(super) struct Step {
    /// Values this layer reads.
    pub(super) inputs: usize,
    /// Values this layer gives.
    pub(super) outputs: usize,
    /// Empty, or `inputs × outputs`, row `k` holds the weights of input `k`.
    pub(super) weights: Box<[f32]>,
    /// Empty, or `outputs` values.
    pub(super) bias: Box<[f32]>,
    /// Applied after the products, in order.
    pub(super) activations: Box<[Activation]>,
}

/// Runs one row through all steps. `a` holds the row; both buffers are as wide as the widest layer. The result is in the returned
/// buffer.
#[inline(always)]
fn forward<'a>(steps: &[Step], mut a: &'a mut [f32], mut b: &'a mut [f32]) -> &'a [f32] {
    for step in steps {
        if !step.bias.is_empty() {
            product(step, &a[..step.inputs], &mut b[..step.outputs]);
            std::mem::swap(&mut a, &mut b);
        }
        activate(&mut a[..step.outputs], &step.activations);
    }
    a
}

/// y\[j\] = bias\[j\] + Σₖ x\[k\]·w\[k\]\[j\], one fused multiply-add per term, k ascending.
#[inline(always)]
fn product(step: &Step, x: &[f32], y: &mut [f32]) {
    let n = y.len();
    y.copy_from_slice(&step.bias);
    let (blocks, rest) = x.as_chunks::<BLOCK>();
    let (blocked, last) = step.weights.split_at(blocks.len() * BLOCK * n);
    for ([x0, x1, x2, x3], rows) in blocks.iter().zip(blocked.chunks_exact(BLOCK * n)) {
        let (w0, rows) = rows.split_at(n);
        let (w1, rows) = rows.split_at(n);
        let (w2, w3) = rows.split_at(n);
        for ((((sum, w0), w1), w2), w3) in y.iter_mut().zip(w0).zip(w1).zip(w2).zip(w3) {
            let s = x0.mul_add(*w0, *sum);
            let s = x1.mul_add(*w1, s);
            let s = x2.mul_add(*w2, s);
            *sum = x3.mul_add(*w3, s);
        }
    }
    for (x, row) in rest.iter().zip(last.chunks_exact(n)) {
        for (sum, w) in y.iter_mut().zip(row) {
            *sum = x.mul_add(*w, *sum);
        }
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
    for value in values {
        *value = f(*value);
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
