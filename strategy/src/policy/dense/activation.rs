//! The activations, as fixed sequences of correctly rounded operations.
//!
//! Every function is branch-free on values (comparisons select, nothing returns early), so one lane of a vector build
//! executes exactly the operations of the scalar build: `mul_add`, `+`, `−`, `×`, `/` and bit moves, each correctly
//! rounded by IEEE 754. NaN goes in, NaN comes out: a broken model must not look like a decision.
//!
//! **Derivation.** Both functions stand on `exp(t) − 1` for t ≤ 0. With n = round(t / ln 2) and r = t − n·ln 2, |r| ≤ ln 2 / 2,
//! exp(t) = 2ⁿ·(1 + p) where p = exp(r) − 1 is its Taylor polynomial of degree 7: the first term left out is
//! r⁸/8! < 5.2e-9, 1.5e-8 of p at the widest r, a quarter of the last place of `f32`. ln 2 is subtracted in two parts
//! (Cody and Waite): the upper one has its low 12 bits zero, so n × upper is exact for |n| < 2¹².
//! tanh x = −q / (2 + q) with q = exp(−2|x|) − 1 = 2ⁿ·p + (2ⁿ − 1): for small x n is 0, q = p, and nothing cancels.
//! Measured over all exponents: |tanh| error ≤ 1.5e-7, |sigmoid| error ≤ 1.5e-7 (tests below).

/// 1.5 · 2²³: adding it to |v| < 2²² leaves round(v) in the low mantissa bits.
const ROUND: f32 = 12_582_912.0;
/// ln 2, upper part: 0x3F317000, low 12 bits zero.
const LN2_UPPER: f32 = f32::from_bits(0x3F31_7000);
/// ln 2 − [`LN2_UPPER`], rounded to `f32`.
const LN2_LOWER: f32 = (std::f64::consts::LN_2 - LN2_UPPER as f64) as f32;
/// Below this exp(t) − 1 rounds to −1 in `f32`; it also keeps 2ⁿ a normal number.
const EXPONENT_MIN: f32 = -40.0;

/// (exp(t) − 1 as p, 2ⁿ) for t ≤ 0: exp(t) = 2ⁿ·(1 + p).
#[inline(always)]
fn exp_parts(t: f32) -> (f32, f32) {
    let t = if t < EXPONENT_MIN { EXPONENT_MIN } else { t };
    let shifted = t.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3F80_0000));
    let r = n.mul_add(-LN2_LOWER, n.mul_add(-LN2_UPPER, t));
    let mut sum = r.mul_add(1.0 / 5040.0, 1.0 / 720.0);
    sum = sum.mul_add(r, 1.0 / 120.0);
    sum = sum.mul_add(r, 1.0 / 24.0);
    sum = sum.mul_add(r, 1.0 / 6.0);
    sum = sum.mul_add(r, 0.5);
    ((r * r).mul_add(sum, r), scale)
}

/// Hyperbolic tangent; the one that trains is the one that runs.
#[inline(always)]
#[must_use]
pub fn tanh(x: f32) -> f32 {
    let (p, scale) = exp_parts(-2.0 * x.abs());
    let q = scale.mul_add(p, scale - 1.0);
    (-q / (2.0 + q)).copysign(x)
}

/// Logistic function 1 / (1 + exp(−x)).
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    let (p, scale) = exp_parts(-x.abs());
    let e = scale.mul_add(p, scale);
    let numerator = if x < 0.0 { e } else { 1.0 };
    numerator / (1.0 + e)
}

/// max(x, 0), NaN kept.
#[inline(always)]
pub(super) fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

/// x limited to \[low, high\], NaN kept.
#[inline(always)]
pub(super) fn clip(x: f32, low: f32, high: f32) -> f32 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep() -> impl Iterator<Item = f32> {
        // Every 4,099th bit pattern of both signs, subnormals and infinities included: about a million values.
        (0..=0x7F80_0000_u32)
            .step_by(4_099)
            .flat_map(|bits| [f32::from_bits(bits), -f32::from_bits(bits)])
    }

    #[test]
    fn close_to_the_true_functions_everywhere() {
        for x in sweep() {
            let wide = f64::from(x);
            let tanh_error = (f64::from(tanh(x)) - libm::tanh(wide)).abs();
            assert!(tanh_error <= 1.5e-7, "tanh({x:e}) is off by {tanh_error:e}");
            let sigmoid_error = (f64::from(sigmoid(x)) - 1.0 / (1.0 + libm::exp(-wide))).abs();
            assert!(
                sigmoid_error <= 1.5e-7,
                "sigmoid({x:e}) is off by {sigmoid_error:e}"
            );
        }
    }

    #[test]
    fn small_arguments_keep_their_relative_accuracy() {
        for x in sweep().filter(|x| x.is_normal() && x.abs() < 0.3) {
            let truth = libm::tanh(f64::from(x));
            let relative = ((f64::from(tanh(x)) - truth) / truth).abs();
            assert!(relative <= 3e-7, "tanh({x:e}) is off by {relative:e} of itself");
        }
    }

    #[test]
    fn bounded_odd_and_exact_at_the_ends() {
        for x in sweep() {
            assert!(tanh(x).abs() <= 1.0 && (0.0..=1.0).contains(&sigmoid(x)));
            assert_eq!(tanh(-x).to_bits(), (-tanh(x)).to_bits());
        }
        assert_eq!(tanh(f32::INFINITY), 1.0);
        assert_eq!(tanh(-0.0).to_bits(), (-0.0_f32).to_bits());
        assert_eq!(sigmoid(f32::INFINITY), 1.0);
        assert!(sigmoid(f32::NEG_INFINITY) < 1e-17);
        assert_eq!(sigmoid(0.0), 0.5);
    }

    #[test]
    fn nan_stays_nan() {
        for f in [tanh, sigmoid, relu, |x| clip(x, -1.0, 1.0)] {
            assert!(f(f32::NAN).is_nan());
        }
    }

    #[test]
    fn the_parts_of_ln_2_add_up() {
        let sum = f64::from(LN2_UPPER) + f64::from(LN2_LOWER);
        assert!((sum - std::f64::consts::LN_2).abs() < 2e-12);
        assert_eq!(LN2_UPPER.to_bits() & 0xFFF, 0);
    }
}
