//! The arithmetic of training, written once and compiled twice, as the dense executor's is.
//!
//! Every sum is one chain of fused multiply-adds in a fixed order, and a lane is one sum and never meets another lane. So the scalar and
//! the vector build, every CPU and every number of threads give the same bits, and a forward pass gives those of the dense executor.

use strategy::policy::dense::{Isa, tanh};

/// Rows of a tile: 4 × 16 sums fill eight vector registers, which is what hides the latency of a multiply-add.
const ROWS: usize = 4;
/// Columns of a tile.
const COLUMNS: usize = 16;
/// Columns of the tile for what is left over.
const NARROW: usize = 8;
/// Sums a total is spread over, so that it is not one chain of additions.
const LANES: usize = 8;

/// The left factor of a product, read through its strides: so a matrix and its transpose are one buffer.
#[derive(Debug, Clone, Copy)]
pub struct Left<'a> {
    /// The buffer.
    pub values: &'a [f32],
    /// From one row to the next.
    pub row: usize,
    /// From one column to the next.
    pub column: usize,
}

/// Rates of one step of Adam, bias corrections worked in.
#[derive(Debug, Clone, Copy)]
pub struct AdamRates {
    /// Decay of the mean.
    pub beta1: f32,
    /// Decay of the mean square.
    pub beta2: f32,
    /// Step size / (1 − β₁ᵗ).
    pub step: f32,
    /// 1 / √(1 − β₂ᵗ).
    pub correction: f32,
    /// Added to the root.
    pub epsilon: f32,
    /// What the gradient is multiplied with first.
    pub scale: f32,
}

/// One piece of work.
#[derive(Debug)]
enum Work<'a> {
    Product {
        a: Left<'a>,
        b: &'a [f32],
        c: &'a mut [f32],
        sizes: [usize; 3],
    },
    Tanh(&'a mut [f32]),
    TanhSlope {
        values: &'a [f32],
        gradient: &'a mut [f32],
    },
    Adam {
        rates: AdamRates,
        weights: &'a mut [f32],
        mean: &'a mut [f32],
        square: &'a mut [f32],
        gradient: &'a [f32],
    },
}

/// A build that this CPU is known to run.
#[derive(Debug, Clone, Copy)]
pub struct Kernel(Isa);

impl Kernel {
    /// The fastest build.
    #[must_use]
    pub fn detect() -> Self {
        Self(Isa::detect())
    }

    /// The plain build, for tests.
    #[must_use]
    pub const fn scalar() -> Self {
        Self(Isa::Scalar)
    }

    /// c += a·b, where `sizes` are the rows of a, its columns and the columns of b; b and c are row-major. Terms are added in the order
    /// of a's columns.
    ///
    /// # Panics
    /// If a buffer is shorter than its sizes say.
    pub fn product(self, a: Left<'_>, b: &[f32], c: &mut [f32], sizes: [usize; 3]) {
        self.run(Work::Product { a, b, c, sizes });
    }

    /// Hyperbolic tangent of every value.
    pub fn tanh(self, values: &mut [f32]) {
        self.run(Work::Tanh(values));
    }

    /// Multiplies with 1 − y², the slope of the tangent that gave y.
    pub fn tanh_slope(self, values: &[f32], gradient: &mut [f32]) {
        self.run(Work::TanhSlope { values, gradient });
    }

    /// One step of Adam.
    pub fn adam(self, rates: AdamRates, weights: &mut [f32], moments: [&mut [f32]; 2], gradient: &[f32]) {
        let [mean, square] = moments;
        self.run(Work::Adam {
            rates,
            weights,
            mean,
            square,
            gradient,
        });
    }

    fn run(self, work: Work<'_>) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2Fma => {
                // SAFETY: the field is private and set only by `detect`, which gives this variant only where both features are there.
                unsafe { run_avx2(work) }
            }
            _ => run(work),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2(work: Work<'_>) {
    run(work);
}

#[inline(always)]
fn run(work: Work<'_>) {
    match work {
        Work::Product { a, b, c, sizes } => product(a, b, c, sizes),
        Work::Tanh(values) => {
            for value in values {
                *value = tanh(*value);
            }
        }
        Work::TanhSlope { values, gradient } => {
            for (gradient, y) in gradient.iter_mut().zip(values) {
                *gradient *= y.mul_add(-y, 1.0);
            }
        }
        Work::Adam {
            rates,
            weights,
            mean,
            square,
            gradient,
        } => adam(rates, weights, mean, square, gradient),
    }
}

#[inline(always)]
fn product(a: Left<'_>, b: &[f32], c: &mut [f32], [m, k, n]: [usize; 3]) {
    assert!(
        b.len() >= k * n && c.len() >= m * n,
        "the factors are as large as their sizes"
    );
    let mut row = 0;
    while row + ROWS <= m {
        strip::<ROWS>(a, b, c, row, [k, n]);
        row += ROWS;
    }
    while row < m {
        strip::<1>(a, b, c, row, [k, n]);
        row += 1;
    }
}

/// `R` rows from `row` on.
#[inline(always)]
fn strip<const R: usize>(a: Left<'_>, b: &[f32], c: &mut [f32], row: usize, [k, n]: [usize; 2]) {
    let mut column = 0;
    while column + COLUMNS <= n {
        tile::<R, COLUMNS>(a, b, c, [row, column], [k, n]);
        column += COLUMNS;
    }
    while column + NARROW <= n {
        tile::<R, NARROW>(a, b, c, [row, column], [k, n]);
        column += NARROW;
    }
    while column < n {
        tile::<R, 1>(a, b, c, [row, column], [k, n]);
        column += 1;
    }
}

/// `R` × `W` sums that stay in registers over all terms.
#[inline(always)]
fn tile<const R: usize, const W: usize>(
    a: Left<'_>,
    b: &[f32],
    c: &mut [f32],
    [row, column]: [usize; 2],
    [k, n]: [usize; 2],
) {
    let mut sums = [[0.0_f32; W]; R];
    for (r, sums) in sums.iter_mut().enumerate() {
        sums.copy_from_slice(&c[(row + r) * n + column..][..W]);
    }
    let rows: [&[f32]; R] = std::array::from_fn(|r| &a.values[(row + r) * a.row..]);
    for term in 0..k {
        let factors = &b[term * n + column..][..W];
        for (sums, values) in sums.iter_mut().zip(rows) {
            let x = values[term * a.column];
            for (sum, factor) in sums.iter_mut().zip(factors) {
                *sum = x.mul_add(*factor, *sum);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        c[(row + r) * n + column..][..W].copy_from_slice(sums);
    }
}

#[inline(always)]
fn adam(rates: AdamRates, weights: &mut [f32], mean: &mut [f32], square: &mut [f32], gradient: &[f32]) {
    let AdamRates {
        beta1,
        beta2,
        step,
        correction,
        epsilon,
        scale,
    } = rates;
    for (((weight, mean), square), gradient) in weights.iter_mut().zip(mean).zip(square).zip(gradient) {
        let g = gradient * scale;
        *mean = beta1.mul_add(*mean, (1.0 - beta1) * g);
        *square = beta2.mul_add(*square, (1.0 - beta2) * (g * g));
        let root = square.sqrt().mul_add(correction, epsilon);
        *weight -= step * *mean / root;
    }
}

/// Σ x², in f64 and in a fixed order.
#[must_use]
pub fn square_sum(values: &[f32]) -> f64 {
    let mut sums = [0.0_f64; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(*x) * f64::from(*x);
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum += f64::from(*x) * f64::from(*x);
    }
    sums.iter().sum()
}
