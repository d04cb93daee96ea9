//! How often a holdout was looked at, and how far the attempts' Sharpe ratios lie apart: what deflates a Sharpe ratio.

use contracts::evidence::{Looks, Measured, Undefined};

use super::expected_maximum::expected_maximum;

/// The trials behind one figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrialStats {
    /// Distinct looks at the window's most looked-at session, this one included.
    pub number: u32,
    /// Trials the registration declared.
    pub declared: u32,
    /// Variance of the trials' Sharpe ratios per session.
    pub variance: f64,
}

impl TrialStats {
    /// From the ledger: `sharpes` are the recorded looks' Sharpe ratios per session (this one's included where it has one), over
    /// a window of `sessions`.
    ///
    /// The sample variance (ddof = 1) is floored at 1/(T − 1), that of a Sharpe ratio without skill, however many there are: attempts
    /// that resemble each other would otherwise deflate nothing. What is not finite does not count.
    #[must_use]
    pub fn new(number: u32, declared: u32, sharpes: &[f64], sessions: usize) -> Self {
        let finite: Vec<f64> = sharpes.iter().copied().filter(|s| s.is_finite()).collect();
        let n = finite.len() as f64;
        let mean = finite.iter().sum::<f64>() / n.max(1.0);
        let sample = if finite.len() < 2 {
            0.0
        } else {
            finite.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>() / (n - 1.0)
        };
        let floor = 1.0 / sessions.saturating_sub(1).max(1) as f64;
        Self {
            number,
            declared,
            variance: sample.max(floor),
        }
    }

    /// N: looks and declared trials together, at least one.
    #[must_use]
    pub fn trials(&self) -> u32 {
        self.number.saturating_add(self.declared).max(1)
    }

    /// SR0 per session: √V · E\[max of N\]; 0 for one trial.
    #[must_use]
    pub fn expected_maximum(&self) -> f64 {
        self.variance.sqrt() * expected_maximum(self.trials())
    }

    /// As the evidence carries it.
    #[must_use]
    pub fn looks(&self) -> Looks {
        Looks {
            number: self.number,
            declared: self.declared,
            trials: self.trials(),
            variance: Measured::new(self.variance, Undefined::NoData),
            expected_maximum: Measured::new(self.expected_maximum(), Undefined::NoData),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variance_is_never_below_that_of_chance_however_many_look_alike() {
        for looks in [1, 9, 10, 1_000] {
            let alike = vec![0.05; looks];
            assert_eq!(
                TrialStats::new(10, 0, &alike, 101).variance,
                0.01,
                "{looks} looks"
            );
        }
        // 0 and 2: variance 2, above the floor.
        assert_eq!(TrialStats::new(2, 0, &[0.0, 2.0, f64::NAN], 101).variance, 2.0);
        assert_eq!(TrialStats::new(1, 0, &[], 1).variance, 1.0);
    }

    #[test]
    fn declared_trials_count() {
        let alone = TrialStats::new(1, 0, &[0.1], 170);
        assert_eq!((alone.trials(), alone.expected_maximum()), (1, 0.0));
        let swept = TrialStats::new(1, 99, &[0.1], 170);
        assert_eq!(swept.trials(), 100);
        assert!((swept.expected_maximum() - 2.530_602_893_201_684_6 / 13.0).abs() < 1e-14);
        assert_eq!(TrialStats::new(2, u32::MAX, &[], 9).trials(), u32::MAX);
        assert_eq!(TrialStats::new(0, 0, &[], 9).trials(), 1);
        assert_eq!(swept.looks().trials, 100);
    }
}
