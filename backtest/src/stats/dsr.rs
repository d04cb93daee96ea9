//! Deflated Sharpe ratio: the PSR against the best that N attempts without skill would show.
//!
//! Bailey and López de Prado (2014): DSR = PSR(SR0), SR0 = √V·E\[max of N\], V the variance of the trials' Sharpe ratios per period.
//! One trial deflates nothing: SR0 = 0.

use super::moments::Moments;
use super::psr;
use super::trials::TrialStats;

/// P(true Sharpe ratio > the expected maximum of the trials).
#[must_use]
pub fn dsr(moments: &Moments, trials: &TrialStats) -> f64 {
    psr::psr(moments, trials.expected_maximum())
}

#[cfg(test)]
mod tests {
    use super::super::psr::tests::with;
    use super::*;

    fn paper(trials: u32) -> (Moments, TrialStats) {
        let stats = TrialStats {
            number: trials,
            declared: 0,
            variance: 0.5 / 250.0,
        };
        (with(2.5 / 250.0_f64.sqrt(), 1250, -3.0, 10.0), stats)
    }

    #[test]
    fn golden_of_the_paper() {
        let (moments, trials) = paper(100);
        assert!((dsr(&moments, &trials) - 0.900_396_834_449_390_3).abs() < 1e-14);
        assert!((trials.expected_maximum() - 0.113_172).abs() < 5e-7);
        assert!((trials.expected_maximum() * 250.0_f64.sqrt() - 1.789_41).abs() < 5e-6);
        for (n, expected) in [(46, 0.950_50), (88, 0.910_15)] {
            let (moments, trials) = paper(n);
            assert!((dsr(&moments, &trials) - expected).abs() < 5e-6, "N = {n}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_probability_that_trials_and_their_spread_only_lower(
            sharpe in -0.5..0.5_f64, n in 20usize..2_000, skewness in -2.0..2.0_f64, trials in 2u32..10_000, variance in 1e-5..0.1_f64,
        ) {
            // Kurtosis is at least 1 + skewness².
            let moments = with(sharpe, n, skewness, 3.0 + skewness * skewness);
            let of = |number, variance| dsr(&moments, &TrialStats { number, declared: 0, variance });
            let deflated = of(trials, variance);
            proptest::prop_assert!((0.0..=1.0).contains(&deflated));
            proptest::prop_assert!(deflated <= psr::psr(&moments, 0.0));
            proptest::prop_assert!(of(trials + 1, variance) <= deflated);
            proptest::prop_assert!(of(trials, variance * 2.0) <= deflated);
        }
    }

    #[test]
    fn one_trial_is_the_probability_against_zero_and_each_further_one_lowers_it() {
        let (moments, one) = paper(1);
        assert_eq!(dsr(&moments, &one), psr::psr(&moments, 0.0));
        let mut before = 1.0;
        for n in 1..60 {
            let (moments, trials) = paper(n);
            let now = dsr(&moments, &trials);
            assert!(now < before, "N = {n}");
            before = now;
        }
    }
}
