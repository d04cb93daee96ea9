//! Running power sums of a resample, from which its Sharpe ratio and shape follow without a second pass.
//!
//! The values are taken centred on the mean of the whole series, so the sums stay small and their differences keep their digits.

/// Σx and Σx² of centred values.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    first: f64,
    second: f64,
}

/// Share of Σx² below which what is left of it after the mean is rounding: the resample repeats one value.
const NO_VARIANCE: f64 = 1e-12;

impl Sums {
    /// Adds a centred value.
    #[inline]
    pub fn add(&mut self, centred: f64) {
        self.first += centred;
        self.second += centred * centred;
    }

    /// Adds the sums of other values around the same centre.
    #[inline]
    pub fn join(&mut self, other: &Self) {
        self.first += other.first;
        self.second += other.second;
    }

    /// Sharpe ratio of `n` values whose centre is `mean`; NaN when they are all equal.
    #[must_use]
    pub fn sharpe(&self, n: usize, mean: f64) -> f64 {
        let n = n as f64;
        let squares = self.second - self.first * self.first / n;
        if squares <= NO_VARIANCE * self.second || n < 2.0 {
            return f64::NAN;
        }
        (mean + self.first / n) / (squares / (n - 1.0)).sqrt()
    }
}

/// Σx … Σx⁴ of centred values.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Powers {
    sums: [f64; 4],
}

impl Powers {
    /// Adds a centred value.
    #[inline]
    pub fn add(&mut self, centred: f64) {
        let square = centred * centred;
        self.sums[0] += centred;
        self.sums[1] += square;
        self.sums[2] += square * centred;
        self.sums[3] += square * square;
    }

    /// Moments of `n` values whose centre is `mean`; `None` when they are all equal.
    #[must_use]
    pub fn moments(&self, n: usize, mean: f64) -> Option<super::moments::Moments> {
        let count = n as f64;
        let [s1, s2, s3, s4] = self.sums.map(|sum| sum / count);
        let m2 = s2 - s1 * s1;
        if m2 <= NO_VARIANCE * s2 || n < 2 {
            return None;
        }
        let m3 = s3 - 3.0 * s1 * s2 + 2.0 * s1 * s1 * s1;
        let m4 = s4 - 4.0 * s1 * s3 + 6.0 * s1 * s1 * s2 - 3.0 * s1 * s1 * s1 * s1;
        Some(super::moments::Moments {
            n,
            mean: mean + s1,
            variance: m2 * count / (count - 1.0),
            skewness: m3 / (m2 * m2.sqrt()),
            kurtosis: m4 / (m2 * m2),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::moments::Moments;
    use super::*;

    proptest::proptest! {
        #[test]
        fn as_the_two_passes(values in proptest::collection::vec(-0.05..0.05_f64, 3..200), centre in -0.01..0.01_f64) {
            let (mut sums, mut powers) = (Sums::default(), Powers::default());
            for value in &values {
                sums.add(value - centre);
                powers.add(value - centre);
            }
            let direct = Moments::of(&values).unwrap();
            let moments = powers.moments(values.len(), centre).unwrap();
            proptest::prop_assert!((sums.sharpe(values.len(), centre) - direct.sharpe()).abs() < 1e-9);
            proptest::prop_assert!((moments.sharpe() - direct.sharpe()).abs() < 1e-9);
            proptest::prop_assert!((moments.skewness - direct.skewness).abs() < 1e-8);
            proptest::prop_assert!((moments.kurtosis - direct.kurtosis).abs() < 1e-8);
        }
    }

    #[test]
    fn a_repeated_value_has_no_ratio() {
        let (mut sums, mut powers) = (Sums::default(), Powers::default());
        for _ in 0..170 {
            sums.add(0.003);
            powers.add(0.003);
        }
        assert!(sums.sharpe(170, 0.001).is_nan());
        assert_eq!(powers.moments(170, 0.001), None);
    }
}
