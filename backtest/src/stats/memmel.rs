//! Memmel's corrected Jobson–Korkie test of two Sharpe ratios measured on the same periods: information, no gate.
//!
//! Memmel (2003), *Performance Hypothesis Testing with the Sharpe Ratio*. It holds for independent normal returns only; the gate is the paired
//! bootstrap of [`super::paired`].

use super::moments::Moments;

/// z = (SR1 − SR2)/√Var, Var = \[2 − 2ρ + ½(SR1² + SR2²) − SR1·SR2·ρ²\]/T; `None` where a series has no Sharpe ratio or Var is not positive.
#[must_use]
pub fn z(first: &[f64], second: &[f64]) -> Option<f64> {
    if first.len() != second.len() {
        return None;
    }
    let (a, b) = (Moments::of(first)?, Moments::of(second)?);
    let n = first.len() as f64;
    let covariance = first
        .iter()
        .zip(second)
        .map(|(x, y)| (x - a.mean) * (y - b.mean))
        .sum::<f64>()
        / (n - 1.0);
    let rho = covariance / (a.variance.sqrt() * b.variance.sqrt());
    let variance = variance(a.sharpe(), b.sharpe(), rho, n);
    (variance > 1e-15 / n).then(|| (a.sharpe() - b.sharpe()) / variance.sqrt())
}

fn variance(first: f64, second: f64, rho: f64, n: f64) -> f64 {
    (2.0 - 2.0 * rho + 0.5 * (first * first + second * second) - first * second * rho * rho) / n
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::normals;

    #[test]
    fn identical_or_unequal_series_have_none() {
        let r = [0.1, -0.2, 0.3, 0.05];
        assert_eq!(z(&r, &r), None);
        assert_eq!(z(&r, &r[1..]), None);
        assert_eq!(z(&r, &[0.0; 4]), None);
    }

    #[test]
    fn the_formula_says_how_far_two_ratios_scatter() {
        // Correlation 0.8, ratios 0.1 and 0.05, T = 400: the spread of the difference over 2,000 pairs of samples.
        let (n, pairs) = (400, 2_000);
        let mut differences = Vec::new();
        for round in 0..pairs {
            let (common, own) = (normals(2 * round + 1, n), normals(2 * round + 2, n));
            let first: Vec<f64> = common.iter().map(|x| x + 0.1).collect();
            let second: Vec<f64> = common
                .iter()
                .zip(&own)
                .map(|(x, e)| 0.8 * x + 0.6 * e + 0.05)
                .collect();
            differences.push(Moments::of(&first).unwrap().sharpe() - Moments::of(&second).unwrap().sharpe());
        }
        let spread = Moments::of(&differences).unwrap().variance.sqrt();
        let formula = variance(0.1, 0.05, 0.8, 400.0).sqrt();
        assert!(
            (spread / formula - 1.0).abs() < 0.06,
            "{spread} against {formula}"
        );
    }

    #[test]
    fn swapping_the_two_turns_the_sign() {
        let (a, b) = (normals(5, 100), normals(6, 100));
        let forward = z(&a, &b).unwrap();
        assert!((forward + z(&b, &a).unwrap()).abs() < 1e-12);
    }
}
