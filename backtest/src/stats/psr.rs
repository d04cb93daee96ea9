//! Probabilistic Sharpe ratio, version "BLP2012": the probability that the true Sharpe ratio exceeds a benchmark.
//!
//! Bailey and López de Prado (2012), *The Sharpe Ratio Efficient Frontier*. The version of 2025 ([`super::psr_2025`]) drops skew
//! and kurtosis at a benchmark of 0 and is the milder gate for negatively skewed returns, so it is shown and this one decides.

use super::moments::Moments;
use super::normal;

/// Name of the formula, for records of it.
pub const VERSION: &str = "BLP2012";

/// 1 − γ3·SR + (γ4 − 1)/4·SR², SR per period and γ4 not excess; never negative for moments of a real sample.
#[must_use]
pub fn shape(sharpe: f64, skewness: f64, kurtosis: f64) -> f64 {
    1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe * sharpe
}

/// σ̂(SR) = √(shape/(T − 1)).
#[must_use]
pub fn standard_error(sharpe: f64, skewness: f64, kurtosis: f64, n: usize) -> f64 {
    (shape(sharpe, skewness, kurtosis) / (n as f64 - 1.0)).sqrt()
}

/// (SR − SR*)/σ̂(SR): PSR before Φ.
#[must_use]
pub fn score(moments: &Moments, benchmark: f64) -> f64 {
    let sharpe = moments.sharpe();
    (sharpe - benchmark) / standard_error(sharpe, moments.skewness, moments.kurtosis, moments.n)
}

/// PSR(SR*) = Φ((SR − SR*)/σ̂(SR)), both per period.
#[must_use]
pub fn psr(moments: &Moments, benchmark: f64) -> f64 {
    normal::cdf(score(moments, benchmark))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Moments with a given Sharpe ratio and shape.
    pub(in crate::stats) fn with(sharpe: f64, n: usize, skewness: f64, kurtosis: f64) -> Moments {
        Moments {
            n,
            mean: sharpe,
            variance: 1.0,
            skewness,
            kurtosis,
        }
    }

    #[test]
    fn golden_standard_errors() {
        assert!((standard_error(0.7079, -0.2250, 2.9570, 134) - 0.1028).abs() < 5e-5);
        assert!((standard_error(0.8183, -1.4455, 7.0497, 134) - 0.1550).abs() < 5e-5);
    }

    #[test]
    fn golden_probabilities() {
        let monthly = with(1.585 / 12.0_f64.sqrt(), 24, -2.448, 10.164);
        assert!((psr(&monthly, 0.0) - 0.913_234_306_884_860_2).abs() < 1e-15);
        assert!((psr(&with(0.458, 24, 0.0, 3.0), 0.0) - 0.982).abs() < 5e-4);
    }

    #[test]
    fn excess_kurtosis_would_give_another_number() {
        let wrong = with(1.585 / 12.0_f64.sqrt(), 24, -2.448, 10.164 - 3.0);
        assert!((psr(&wrong, 0.0) - 0.9200).abs() < 5e-4);
    }

    #[test]
    fn half_at_its_own_value_and_falling_in_the_benchmark() {
        let m = with(0.1, 250, -0.5, 6.0);
        assert_eq!(psr(&m, 0.1), 0.5);
        assert!(psr(&m, 0.0) > psr(&m, 0.05) && psr(&m, 0.05) > psr(&m, 0.2));
    }
}
