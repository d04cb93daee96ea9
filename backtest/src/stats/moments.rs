//! Mean, variance, skewness and kurtosis of a series.
//!
//! The conventions of the papers this crate follows: variance with ddof = 1, skewness and kurtosis from population moments,
//! kurtosis **not** excess (normal = 3). Libraries that mix excess kurtosis into `(γ4 − 1)/4` get the gates wrong.

/// The first four moments of a series of at least two values that are not all equal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// Values.
    pub n: usize,
    /// Mean.
    pub mean: f64,
    /// Variance, ddof = 1.
    pub variance: f64,
    /// γ3 = m3/m2^1.5 (population).
    pub skewness: f64,
    /// γ4 = m4/m2² (population, not excess).
    pub kurtosis: f64,
}

impl Moments {
    /// A normal sample's shape with the given mean and variance, for formulas that assume it.
    #[must_use]
    pub const fn normal(n: usize, mean: f64, variance: f64) -> Self {
        Self {
            n,
            mean,
            variance,
            skewness: 0.0,
            kurtosis: 3.0,
        }
    }

    /// Of a series; `None` with fewer than two values, or when all are equal.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let first = *values.first()?;
        if values.iter().all(|value| *value == first) {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let (mut m2, mut m3, mut m4) = (0.0, 0.0, 0.0);
        for value in values {
            let d = value - mean;
            let d2 = d * d;
            m2 += d2;
            m3 += d2 * d;
            m4 += d2 * d2;
        }
        let variance = m2 / (n - 1.0);
        let (m2, m3, m4) = (m2 / n, m3 / n, m4 / n);
        Some(Self {
            n: values.len(),
            mean,
            variance,
            skewness: m3 / (m2 * m2.sqrt()),
            kurtosis: m4 / (m2 * m2),
        })
    }

    /// mean/std per period.
    #[must_use]
    pub fn sharpe(&self) -> f64 {
        self.mean / self.variance.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_small_series_by_hand() {
        // mean 2, deviations −2 −1 0 3 : m2 = 14/4, m3 = (−8 −1 + 27)/4, m4 = (16 + 1 + 81)/4.
        let m = Moments::of(&[0.0, 1.0, 2.0, 5.0]).unwrap();
        assert_eq!((m.n, m.mean), (4, 2.0));
        assert!((m.variance - 14.0 / 3.0).abs() < 1e-15);
        assert!((m.skewness - 4.5 / 3.5_f64.powi(3).sqrt()).abs() < 1e-15);
        assert!((m.kurtosis - 24.5 / 12.25).abs() < 1e-15);
        assert!((m.sharpe() - 2.0 / (14.0_f64 / 3.0).sqrt()).abs() < 1e-15);
    }

    #[test]
    fn one_value_or_equal_values_have_none() {
        assert_eq!(Moments::of(&[]), None);
        assert_eq!(Moments::of(&[1.0]), None);
        // 0.1 summed three times is not 0.3: a variance of rounding errors must not pass for one.
        assert_eq!(Moments::of(&[0.1, 0.1, 0.1]), None);
    }
}
