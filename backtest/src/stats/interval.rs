//! Intervals from resampled values: percentile, and bias-corrected (BC).

use contracts::evidence::Interval;

use super::normal;
use super::quantile::type7;

/// [θ*_{α/2}, θ*_{1−α/2}] of sorted resamples; `None` without any.
#[must_use]
pub fn percentile(sorted: &[f64], level: f64) -> Option<Interval> {
    let tail = (1.0 - level) / 2.0;
    between(sorted, tail, 1.0 - tail)
}

/// The percentiles at Φ(2·z0 ± z), z0 = Φ⁻¹(share of θ* below `estimate`): shifted by the median bias of the resamples.
///
/// Efron (1981); BCa with an acceleration of 0. Where all resamples lie on one side of the estimate z0 has no value and the percentile
/// interval is given.
#[must_use]
pub fn bias_corrected(sorted: &[f64], estimate: f64, level: f64) -> Option<Interval> {
    let below = sorted.partition_point(|value| *value < estimate);
    if below == 0 || below == sorted.len() {
        return percentile(sorted, level);
    }
    let z0 = normal::quantile(below as f64 / sorted.len() as f64);
    let z = normal::quantile((1.0 - level) / 2.0);
    between(sorted, normal::cdf(2.0 * z0 + z), normal::cdf(2.0 * z0 - z))
}

fn between(sorted: &[f64], low: f64, high: f64) -> Option<Interval> {
    Some(Interval {
        low: type7(sorted, low)?,
        high: type7(sorted, high)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::bootstrap::{Resampler, Stream};
    use super::super::moments::Moments;
    use super::super::quantile::sorted;
    use super::*;
    use crate::limits::INTERVAL_LEVEL;
    use crate::samples::normals;

    #[test]
    fn percentiles_of_a_ladder() {
        let ladder: Vec<f64> = (0..=1000).map(f64::from).collect();
        let interval = percentile(&ladder, 0.95).unwrap();
        assert!((interval.low - 25.0).abs() < 1e-9 && (interval.high - 975.0).abs() < 1e-9);
        assert_eq!(percentile(&[], 0.95), None);
    }

    #[test]
    fn without_bias_the_correction_changes_nothing() {
        // 1,001 values around 500, of which exactly half lie below 500 but for the one that is it.
        let ladder: Vec<f64> = (0..1000).map(|i| f64::from(i) + 0.5).collect();
        let (bc, plain) = (
            bias_corrected(&ladder, 500.0, 0.95).unwrap(),
            percentile(&ladder, 0.95).unwrap(),
        );
        assert!((bc.low - plain.low).abs() < 1e-9 && (bc.high - plain.high).abs() < 1e-9);
    }

    #[test]
    fn resamples_that_lie_too_low_push_the_interval_up() {
        let ladder: Vec<f64> = (0..1000).map(f64::from).collect();
        let bc = bias_corrected(&ladder, 600.0, 0.95).unwrap();
        // z0 = Φ⁻¹(0.6): ends at Φ(2·0.25335 ∓ 1.95996).
        assert!((bc.low - 0.073_13 * 999.0).abs() < 0.1, "{bc:?}");
        assert!((bc.high - 0.993_18 * 999.0).abs() < 0.1, "{bc:?}");
    }

    #[test]
    fn one_sided_resamples_fall_back() {
        let ladder: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(bias_corrected(&ladder, -1.0, 0.95), percentile(&ladder, 0.95));
        assert_eq!(bias_corrected(&ladder, 1e9, 0.95), percentile(&ladder, 0.95));
    }

    proptest::proptest! {
        #[test]
        fn in_order_within_the_values_and_moved_with_the_estimate(
            values in proptest::collection::vec(-1.0..1.0_f64, 2..300), first in -1.0..1.0_f64, second in -1.0..1.0_f64,
        ) {
            let values = sorted(&values);
            let (lower, upper) = (first.min(second), first.max(second));
            let (a, b) = (bias_corrected(&values, lower, 0.95).unwrap(), bias_corrected(&values, upper, 0.95).unwrap());
            for interval in [a, b] {
                proptest::prop_assert!(values[0] <= interval.low && interval.low <= interval.high);
                proptest::prop_assert!(interval.high <= values[values.len() - 1]);
            }
            if values[0] < lower && upper < values[values.len() - 1] {
                proptest::prop_assert!(a.low <= b.low && a.high <= b.high);
            }
        }
    }

    /// Share of 300 normal samples whose interval holds the true Sharpe ratio.
    fn coverage(seed: u64) -> f64 {
        let (n, truth, rounds) = (150, 0.1, 300);
        let mut held = 0;
        for round in 0..rounds {
            let returns: Vec<f64> = normals(seed * 1_000 + round, n)
                .iter()
                .map(|z| truth + z)
                .collect();
            let estimate = Moments::of(&returns).unwrap().sharpe();
            let mut resampler = Resampler::new((seed * 7_919 + round).to_le_bytes(), Stream::Own, n, 1.0);
            let values: Vec<f64> = (0..400)
                .map(|_| {
                    let mut resample = Vec::with_capacity(n);
                    resampler.resample(|row| resample.push(returns[row]));
                    Moments::of(&resample).unwrap().sharpe()
                })
                .collect();
            let interval = bias_corrected(&sorted(&values), estimate, INTERVAL_LEVEL).unwrap();
            held += u32::from(interval.low <= truth && truth <= interval.high);
        }
        f64::from(held) / rounds as f64
    }

    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        // Standard deviation of a share of 300 at 0.95: 0.0126; five seeds, each within four of them.
        for seed in 1..=5 {
            let share = coverage(seed);
            assert!((0.90..=0.995).contains(&share), "seed {seed}: {share}");
        }
    }
}
