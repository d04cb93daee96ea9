//! Norm stats: mean, deviation and range of every column, fitted on the rows of train.

use contracts::norm_stats::FeatureStats;

/// Statistics of one feature: the mean, then squared distances from it (two passes, f64), deviation with ddof = 1.
///
/// Of fewer than two values the deviation is 0; of none so are mean and range.
#[must_use]
pub fn fit(values: impl Iterator<Item = f64> + Clone) -> FeatureStats {
    let (mut sum, mut count) = (0.0, 0_u64);
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.clone() {
        sum += value;
        count += 1;
        (min, max) = (min.min(value), max.max(value));
    }
    if count == 0 {
        (min, max) = (0.0, 0.0);
    }
    // The second term takes out what rounding left in the mean.
    let (mut squares, mut left) = (0.0, 0.0);
    let n = count.max(1) as f64;
    let mean = sum / n;
    for value in values {
        let distance = value - mean;
        squares += distance * distance;
        left += distance;
    }
    let variance = (squares - left * left / n) / (n - 1.0).max(1.0);
    FeatureStats {
        mean,
        std: libm::sqrt(variance.max(0.0)),
        min,
        max,
        count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_deviation_of_known_numbers() {
        let stats = fit([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].into_iter());
        assert_eq!(
            (stats.mean, stats.min, stats.max, stats.count),
            (5.0, 2.0, 9.0, 8)
        );
        assert!((stats.std - libm::sqrt(32.0 / 7.0)).abs() < 1e-15);
    }

    #[test]
    fn nothing_and_one_value_have_no_deviation() {
        let none = fit(std::iter::empty());
        assert_eq!(
            (none.mean, none.std, none.min, none.max, none.count),
            (0.0, 0.0, 0.0, 0.0, 0)
        );
        assert_eq!(fit([3.5].into_iter()).std, 0.0);
        assert!(fit([0.1; 1_000].into_iter()).std < 1e-15);
    }

    proptest::proptest! {
        #[test]
        fn a_shift_moves_the_mean_alone(values in proptest::collection::vec(-1.0..1.0_f64, 2..300)) {
            let (near, far) = (fit(values.iter().copied()), fit(values.iter().map(|x| x + 4_096.0)));
            proptest::prop_assert!((far.mean - near.mean - 4_096.0).abs() < 1e-9);
            proptest::prop_assert!((far.std - near.std).abs() < 1e-9);
        }
    }
}
