//! Figures of closed trades. The one that was closed only because the window ended is among them.

use contracts::evidence::{Measured, Undefined};

use crate::limits::INTERVAL_LEVEL;
use crate::outcome::{Outcome, Trade};
use crate::stats::wilson::wilson;

/// Sums over the trades of a run.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Totals {
    /// Closed.
    pub count: u64,
    /// With net profit; a net result of 0 is not won.
    pub wins: u64,
    /// With net loss.
    pub losers: u64,
    /// Σ of positive net results.
    pub profit: f64,
    /// Σ of negative net results, as a positive number.
    pub loss: f64,
    /// Σ before costs.
    pub gross: f64,
    /// Σ of costs.
    pub cost: f64,
}

impl Totals {
    /// Of a run.
    #[must_use]
    pub fn of(trades: &[Trade]) -> Self {
        let mut totals = Self::default();
        for trade in trades {
            totals.count += 1;
            totals.wins += u64::from(trade.net > 0.0);
            totals.losers += u64::from(trade.net < 0.0);
            totals.profit += trade.net.max(0.0);
            totals.loss += (-trade.net).max(0.0);
            totals.gross += trade.gross;
            totals.cost += trade.cost;
        }
        totals
    }

    /// wins/count with its Wilson interval.
    #[must_use]
    pub fn win_rate(&self) -> Measured {
        self.if_any(|| {
            Measured::new(self.wins as f64 / self.count as f64, Undefined::TooFew).with_interval(wilson(
                self.wins,
                self.count,
                INTERVAL_LEVEL,
            ))
        })
    }

    /// profit/loss.
    #[must_use]
    pub fn profit_factor(&self) -> Measured {
        self.if_any(|| Measured::new(self.profit / positive(self.loss), Undefined::NoLosses))
    }

    /// (profit − loss)/count.
    #[must_use]
    pub fn average(&self) -> Measured {
        self.if_any(|| Measured::new((self.profit - self.loss) / self.count as f64, Undefined::TooFew))
    }

    /// The average over the mean loss of a losing trade: how much one unit at risk earns.
    #[must_use]
    pub fn expectancy(&self) -> Measured {
        self.if_any(|| {
            let mean_loss = positive(self.loss / self.losers as f64);
            Measured::new(
                (self.profit - self.loss) / self.count as f64 / mean_loss,
                Undefined::NoLosses,
            )
        })
    }

    /// cost/gross where there is a gross profit.
    #[must_use]
    pub fn cost_share(&self) -> Measured {
        self.if_any(|| Measured::new(self.cost / positive(self.gross), Undefined::NotAbove))
    }

    /// gross/turnover in basis points: the all-in cost per unit of notional at which nothing is left. Negative where there was a gross
    /// loss, which no cost could have mended.
    #[must_use]
    pub fn break_even_cost_bps(&self, outcome: &Outcome) -> Measured {
        self.if_any(|| Measured::new(self.gross / positive(outcome.turnover) * 1e4, Undefined::TooFew))
    }

    fn if_any(&self, figure: impl FnOnce() -> Measured) -> Measured {
        if self.count == 0 {
            Measured::none(Undefined::TooFew)
        } else {
            figure()
        }
    }
}

/// The divisor where it is positive, NaN (which no [`Measured`] keeps) otherwise.
fn positive(divisor: f64) -> f64 {
    if divisor > 0.0 { divisor } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use contracts::time::UtcMillis;

    use super::*;
    use crate::samples::{outcome, trade};

    fn totals(nets: &[f64]) -> Totals {
        let trades: Vec<Trade> = nets.iter().map(|net| trade(UtcMillis(0), *net)).collect();
        Totals::of(&trades)
    }

    #[test]
    fn by_hand() {
        let t = totals(&[30.0, -10.0, 0.0, 20.0, -15.0]);
        assert_eq!((t.count, t.wins, t.losers), (5, 2, 2));
        assert_eq!(t.win_rate().value, Some(0.4));
        assert!(t.win_rate().ci95.is_some_and(|ci| ci.low > 0.1 && ci.high < 0.8));
        assert_eq!(t.profit_factor().value, Some(2.0));
        assert_eq!(t.average().value, Some(5.0));
        assert_eq!(t.expectancy().value, Some(0.4));
        // Every sample trade pays 1: gross 30, cost 5.
        assert!((t.cost_share().value.unwrap() - 5.0 / 30.0).abs() < 1e-15);
        let mut run = outcome(100.0, &[&[100.0]]);
        run.turnover = 6_000.0;
        assert_eq!(t.break_even_cost_bps(&run).value, Some(50.0));
    }

    #[test]
    fn undefined_has_a_reason_never_a_number() {
        let none = totals(&[]);
        let run = outcome(100.0, &[&[100.0]]);
        for figure in [
            none.win_rate(),
            none.profit_factor(),
            none.average(),
            none.expectancy(),
            none.cost_share(),
            none.break_even_cost_bps(&run),
        ] {
            assert_eq!((figure.value, figure.undefined), (None, Some(Undefined::TooFew)));
        }
        let won = totals(&[5.0, 7.0]);
        assert_eq!(won.profit_factor().undefined, Some(Undefined::NoLosses));
        assert_eq!(won.expectancy().undefined, Some(Undefined::NoLosses));
        assert_eq!(won.win_rate().value, Some(1.0));
        let lost = totals(&[-5.0]);
        assert_eq!(lost.cost_share().undefined, Some(Undefined::NotAbove));
        assert_eq!(lost.profit_factor().value, Some(0.0));
    }
}
