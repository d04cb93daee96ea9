//! Annualising a Sharpe ratio of correlated returns: Lo (2002), *The Statistics of Sharpe Ratios*. √q is exact only without correlation.

/// η(q) = q/√(q + 2·Σ_{k=1..q−1} (q − k)·ρ_k), by which a ratio per period becomes one per q periods.
///
/// `correlation(k)` is ρ_k. `None` when the sum leaves no positive variance, which sample correlations can do.
#[must_use]
pub fn eta(periods: u32, correlation: impl Fn(u32) -> f64) -> Option<f64> {
    let q = f64::from(periods);
    let sum: f64 = (1..periods)
        .map(|lag| f64::from(periods - lag) * correlation(lag))
        .sum();
    let variance = q + 2.0 * sum;
    (periods > 0 && variance > 0.0).then(|| q / variance.sqrt())
}

/// [`eta`] of an AR(1) series: ρ_k = ρ^k.
#[must_use]
pub fn eta_ar1(periods: u32, lag_one: f64) -> Option<f64> {
    eta(periods, |lag| libm::pow(lag_one, f64::from(lag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factors_of_an_ar1_year() {
        for (rho, factor) in [(-0.1, 1.105), (0.1, 0.905), (0.2, 0.817), (0.3, 0.735)] {
            let eta = eta_ar1(252, rho).unwrap();
            assert!((eta / 252.0_f64.sqrt() - factor).abs() < 5e-4, "{rho}");
        }
    }

    #[test]
    fn without_correlation_it_is_the_square_root() {
        assert_eq!(eta_ar1(256, 0.0), Some(16.0));
        assert_eq!(eta_ar1(1, 0.9), Some(1.0));
        assert_eq!(eta_ar1(0, 0.1), None);
        assert_eq!(eta(10, |_| -1.0), None);
    }
}
