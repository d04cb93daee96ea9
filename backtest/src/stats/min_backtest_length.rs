//! Minimum backtest length: how many years it takes before the best of N attempts without skill no longer reaches a Sharpe ratio.

use super::expected_maximum::expected_maximum;

/// MinBTL = (E\[max of N\]/SR)² in years, SR annual; `None` when SR ≤ 0.
///
/// Bailey, Borwein, López de Prado and Zhu (2014), *Pseudo-Mathematics and Financial Charlatanism*.
#[must_use]
pub fn min_backtest_length(trials: u32, sharpe_annual: f64) -> Option<f64> {
    (sharpe_annual > 0.0).then(|| {
        let ratio = expected_maximum(trials) / sharpe_annual;
        ratio * ratio
    })
}

/// 2·ln(N)/SR², the bound of the same in years.
#[must_use]
pub fn upper_bound(trials: u32, sharpe_annual: f64) -> Option<f64> {
    (sharpe_annual > 0.0).then(|| 2.0 * libm::log(f64::from(trials.max(1))) / (sharpe_annual * sharpe_annual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_length() {
        assert!((min_backtest_length(45, 1.0).unwrap() - 4.998_087_004_443_404).abs() < 1e-13);
    }

    #[test]
    fn the_bound_bounds_and_nothing_is_asked_of_one_attempt() {
        for n in [3, 10, 45, 1_000] {
            assert!(
                upper_bound(n, 0.7).unwrap() > min_backtest_length(n, 0.7).unwrap(),
                "{n}"
            );
        }
        assert_eq!(min_backtest_length(1, 1.0), Some(0.0));
        assert_eq!(min_backtest_length(45, 0.0), None);
        assert_eq!(upper_bound(45, -1.0), None);
    }
}
