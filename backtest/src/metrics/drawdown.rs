//! The largest fall from a peak, and the longest time below one, bar by bar with the initial capital as the first peak.

use crate::outcome::Outcome;

/// Depth and length.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Drawdown {
    /// max (peak − equity)/peak, positive; 1 for a ruined run.
    pub fraction: f64,
    /// Most bars from a peak to the return to it, or to the end where it did not return.
    pub bars: u64,
}

/// Of a run; nothing for one without bars.
#[must_use]
pub fn of(outcome: &Outcome) -> Drawdown {
    let mut found = Drawdown::default();
    let (mut peak, mut peak_at, mut below) = (outcome.settings.initial_capital, 0, false);
    for (at, row) in (1_u64..).zip(&outcome.bars) {
        if row.equity < peak {
            below = true;
            found.fraction = found.fraction.max((peak - row.equity) / peak);
            found.bars = found.bars.max(at - peak_at);
        } else {
            if below {
                found.bars = found.bars.max(at - peak_at);
            }
            (peak, peak_at, below) = (row.equity, at, false);
        }
    }
    if outcome.ruined.is_some() {
        found.fraction = 1.0;
    }
    found
}

#[cfg(test)]
mod tests {
    use contracts::time::UtcMillis;

    use super::*;
    use crate::samples::outcome;

    fn fall(curve: &[f64]) -> (f64, u64) {
        let found = of(&outcome(100.0, &[curve]));
        (found.fraction, found.bars)
    }

    #[test]
    fn a_loss_on_the_first_bar_counts() {
        assert_eq!(fall(&[90.0, 95.0]), (0.1, 2));
        assert_eq!(fall(&[90.0]), (0.1, 1));
    }

    #[test]
    fn from_the_peak_to_the_return_to_it() {
        // Peak 110 at bar 1, back at bar 4: three bars; then 121 is a new peak, two bars below it at the end.
        assert_eq!(fall(&[110.0, 99.0, 105.0, 110.0, 121.0, 120.0, 119.0]), (0.1, 3));
        assert_eq!(fall(&[100.0, 101.0, 102.0]), (0.0, 0));
        // A plateau is no fall: the peak moves along it.
        assert_eq!(fall(&[100.0, 100.0, 100.0, 75.0, 100.0]), (0.25, 2));
    }

    #[test]
    fn ruin_is_a_whole_fall_and_no_bars_are_none() {
        let mut run = outcome(100.0, &[&[120.0, -3.0]]);
        run.ruined = Some(UtcMillis(0));
        assert_eq!(of(&run).fraction, 1.0);
        assert_eq!(of(&outcome(100.0, &[&[]])), Drawdown::default());
    }
}
