//! Minimum track record length: how many periods a Sharpe ratio needs before it is believed.

use super::moments::Moments;
use super::normal;
use super::psr;

/// MinTRL = 1 + (1 − γ3·SR + (γ4 − 1)/4·SR²)·(Φ⁻¹(1−α)/(SR − SR*))², in periods; `None` when SR ≤ SR*.
///
/// Bailey and López de Prado (2012); the companion of [`psr::psr`]: at T = MinTRL the PSR is 1 − α.
#[must_use]
pub fn min_track_record(moments: &Moments, benchmark: f64, alpha: f64) -> Option<f64> {
    let sharpe = moments.sharpe();
    (sharpe > benchmark).then(|| {
        let z = -normal::quantile(alpha) / (sharpe - benchmark);
        1.0 + psr::shape(sharpe, moments.skewness, moments.kurtosis) * z * z
    })
}

#[cfg(test)]
mod tests {
    use super::super::psr::tests::with;
    use super::*;
    use crate::limits::TEST_ALPHA;

    fn years(sharpe: f64, benchmark: f64, skewness: f64, kurtosis: f64, per_year: f64) -> f64 {
        min_track_record(&with(sharpe, 134, skewness, kurtosis), benchmark, TEST_ALPHA).unwrap() / per_year
    }

    #[test]
    fn golden_lengths() {
        assert!((years(0.7079, 0.0, -0.2250, 2.9570, 12.0) - 0.7152).abs() < 5e-5);
        assert!((years(0.8183, 0.0, -1.4455, 7.0497, 12.0) - 1.1593).abs() < 5e-5);
        let daily = 250.0_f64.sqrt();
        assert!((years(2.0 / daily, 1.0 / daily, 0.0, 3.0, 250.0) - 2.731_187_801_728_176).abs() < 1e-13);
        let weekly = 52.0_f64.sqrt();
        assert!((years(2.0 / weekly, 1.0 / weekly, 0.0, 3.0, 52.0) - 2.828_833_586_945_237).abs() < 1e-13);
        let monthly = 12.0_f64.sqrt();
        assert!(
            (years(3.0 / monthly, 2.5 / monthly, -0.72, 5.78, 12.0) - 27.352_920_196_040_3).abs() < 1e-12
        );
    }

    #[test]
    fn at_that_length_the_probability_is_one_minus_alpha() {
        let m = with(0.09, 100, -0.4, 5.0);
        let n = min_track_record(&m, 0.02, TEST_ALPHA).unwrap();
        let error = (psr::shape(0.09, -0.4, 5.0) / (n - 1.0)).sqrt();
        assert!((normal::cdf((0.09 - 0.02) / error) - 0.95).abs() < 1e-14);
    }

    #[test]
    fn undefined_at_or_below_the_benchmark() {
        assert_eq!(min_track_record(&with(0.1, 50, 0.0, 3.0), 0.1, TEST_ALPHA), None);
        assert_eq!(min_track_record(&with(-0.1, 50, 0.0, 3.0), 0.0, TEST_ALPHA), None);
    }
}
