//! The expected maximum of N independent standard normals: how good the best of N attempts without skill looks.
//!
//! Bailey and López de Prado (2014), *The Deflated Sharpe Ratio*, use a closed form ("bracket"). It is 7.9 % too low at N = 2, where
//! the exact value is 1/√π, and up to 2.6 % too high from N = 3 on, which is the careful side: so the gate takes the exact value at
//! N = 2 and the bracket above. [`exact`] is by quadrature, for display and for checking.

use std::f64::consts::E;

use super::normal;

/// Euler–Mascheroni constant γ_E.
pub const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;

/// (1 − γ_E)·Φ⁻¹(1 − 1/N) + γ_E·Φ⁻¹(1 − 1/(N·e)); −∞ at N = 1.
#[must_use]
pub fn bracket(n: u32) -> f64 {
    let n = f64::from(n);
    // Φ⁻¹(1 − q) = −Φ⁻¹(q), which keeps the digits of a small q.
    -(1.0 - EULER_GAMMA) * normal::quantile(1.0 / n) - EULER_GAMMA * normal::quantile(1.0 / (n * E))
}

/// What the gate uses: 0 for one attempt, 1/√π for two, the bracket above.
#[must_use]
pub fn expected_maximum(n: u32) -> f64 {
    match n {
        0 | 1 => 0.0,
        2 => 0.564_189_583_547_756_3,
        _ => bracket(n),
    }
}

/// E\[max of N\] = ∫ x·N·φ(x)·Φ(x)^(N−1) dx.
#[must_use]
pub fn exact(n: u32) -> f64 {
    moment(n, |x| x)
}

/// Var\[max of N\]: the factor of a variance when only the best of N was seen.
#[must_use]
pub fn variance(n: u32) -> f64 {
    let mean = exact(n);
    moment(n, |x| (x - mean) * (x - mean))
}

/// Steps per unit: the trapezoid rule converges faster than any power for a smooth density that vanishes at both ends.
const STEPS_PER_UNIT: i32 = 128;
/// Where the density of a maximum of up to 2³² normals has vanished.
const REACH: i32 = 12;

/// E\[f(max of N)\].
fn moment(n: u32, f: impl Fn(f64) -> f64) -> f64 {
    let n = f64::from(n.max(1));
    let step = 1.0 / f64::from(STEPS_PER_UNIT);
    (-REACH * STEPS_PER_UNIT..=REACH * STEPS_PER_UNIT)
        .map(|i| {
            let x = f64::from(i) * step;
            let ln_others = (n - 1.0) * libm::log1p(-normal::survival(x));
            // At the lower end Φ is 0 in floating point: 0·(−∞) of one attempt is 0, anything else has no weight.
            let others = if n == 1.0 { 1.0 } else { libm::exp(ln_others) };
            step * f(x) * n * normal::pdf(x) * others
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bracket() {
        assert!((bracket(100) - 2.530_602_893_201_684_6).abs() < 1e-14);
    }

    #[test]
    fn exact_where_a_closed_form_is_known() {
        let root_pi = std::f64::consts::PI.sqrt();
        assert!(exact(1).abs() < 1e-14);
        assert!((exact(2) - 1.0 / root_pi).abs() < 1e-14);
        assert!((exact(3) - 1.5 / root_pi).abs() < 1e-14);
        assert!((variance(1) - 1.0).abs() < 1e-13);
        assert!((variance(2) - (1.0 - 1.0 / std::f64::consts::PI)).abs() < 1e-13);
    }

    #[test]
    fn the_bracket_errs_as_documented() {
        let rows = [
            (2, -7.9),
            (3, 0.8),
            (5, 2.6),
            (10, 2.3),
            (20, 1.8),
            (50, 1.2),
            (100, 0.9),
        ];
        for (n, percent) in rows {
            let error = (bracket(n) / exact(n) - 1.0) * 100.0;
            assert!((error - percent).abs() < 0.06, "N = {n}: {error}");
        }
    }

    #[test]
    fn the_gate_never_undercuts_the_truth_and_grows() {
        assert_eq!((expected_maximum(0), expected_maximum(1)), (0.0, 0.0));
        let mut before = 0.0;
        for n in (2..200).chain([1_000, 1_000_000, u32::MAX]) {
            let now = expected_maximum(n);
            assert!(now > before, "N = {n}");
            assert!(now >= exact(n) - 1e-12, "N = {n}: {now} < {}", exact(n));
            before = now;
        }
    }
}
