//! One row per listed session with everything a resample needs of it, so that a resample of rows keeps together what belonged together.

use contracts::time::UtcMillis;

use crate::outcome::Outcome;

/// A session: its return, the shape of its path, and the trades that were closed in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Return of the session; 0 without bars.
    pub value: f64,
    /// Its path, bar by bar.
    pub path: Path,
    /// Trades closed in it.
    pub trades: u32,
    /// Of these, with net profit.
    pub wins: u32,
    /// Σ of positive net results.
    pub profit: f64,
    /// Σ of negative net results, as a positive number.
    pub loss: f64,
}

/// What a stretch of the equity curve does to a drawdown, relative to the equity before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Path {
    /// Equity at its end.
    pub growth: f64,
    /// Highest equity in it, at least 1: its start belongs to it.
    pub peak: f64,
    /// Lowest equity in it, at most 1.
    pub trough: f64,
    /// Largest fall from a peak within it, as a fraction of that peak.
    pub drawdown: f64,
}

impl Path {
    /// Nothing moved.
    pub const FLAT: Self = Self {
        growth: 1.0,
        peak: 1.0,
        trough: 1.0,
        drawdown: 0.0,
    };

    /// Of equities relative to the one before them.
    #[must_use]
    pub fn of(relative: impl Iterator<Item = f64>) -> Self {
        let mut path = Self::FLAT;
        for equity in relative {
            path.growth = equity;
            path.peak = path.peak.max(equity);
            path.trough = path.trough.min(equity);
            path.drawdown = path.drawdown.max(1.0 - equity / path.peak);
        }
        path
    }
}

/// A drawdown put together from paths, exact at bar level whatever their order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chain {
    equity: f64,
    peak: f64,
    drawdown: f64,
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            equity: 1.0,
            peak: 1.0,
            drawdown: 0.0,
        }
    }
}

impl Chain {
    /// Appends a path.
    #[inline]
    pub fn push(&mut self, path: &Path) {
        self.drawdown = self.drawdown.max(path.drawdown);
        let low = self.equity * path.trough;
        // A division only where it changes the result.
        if low < (1.0 - self.drawdown) * self.peak {
            self.drawdown = 1.0 - low / self.peak;
        }
        self.peak = self.peak.max(self.equity * path.peak);
        self.equity *= path.growth;
    }

    /// Largest fall from a peak, the start being the first; at most 1.
    #[must_use]
    pub fn drawdown(&self) -> f64 {
        self.drawdown.min(1.0)
    }

    /// Equity at the end, relative to the start.
    #[must_use]
    pub const fn equity(&self) -> f64 {
        self.equity
    }
}

/// The rows of a run, one per listed session.
///
/// Bars outside every listed session belong to the next one, or to the last: no bar of the curve is lost.
#[must_use]
pub fn rows(outcome: &Outcome) -> Vec<Row> {
    let mut before = outcome.settings.initial_capital;
    let mut next = 0;
    let mut rows = Vec::with_capacity(outcome.sessions.len());
    let mut ends = Vec::with_capacity(outcome.sessions.len());
    for (at, session) in outcome.sessions.iter().enumerate() {
        let rest = &outcome.bars[next..];
        let count = if at + 1 == outcome.sessions.len() {
            rest.len()
        } else {
            rest.partition_point(|row| row.session <= session.session)
        };
        let bars = &rest[..count];
        let path = Path::of(bars.iter().map(|row| row.equity / before));
        before = bars.last().map_or(before, |row| row.equity);
        next += count;
        ends.push(
            outcome.bars[..next]
                .last()
                .map_or(UtcMillis(i64::MIN), |row| row.bar.close_time),
        );
        rows.push(Row {
            value: session.value,
            path,
            trades: 0,
            wins: 0,
            profit: 0.0,
            loss: 0.0,
        });
    }
    for trade in &outcome.trades {
        let at = ends.partition_point(|end| *end < trade.exit_time);
        let last = rows.len().saturating_sub(1);
        if let Some(row) = rows.get_mut(at.min(last)) {
            row.trades += 1;
            row.wins += u32::from(trade.net > 0.0);
            row.profit += trade.net.max(0.0);
            row.loss += (-trade.net).max(0.0);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::drawdown;
    use crate::samples::{outcome, trade};

    #[test]
    fn a_chain_of_sessions_is_the_curve_of_bars() {
        let curves: [&[&[f64]]; 3] = [
            &[&[101.0, 99.0], &[], &[103.0, 95.0, 97.0], &[120.0, 110.0, 96.0]],
            &[&[90.0], &[80.0, 130.0], &[129.0]],
            &[&[], &[100.0, 100.0]],
        ];
        for curve in curves {
            let run = outcome(100.0, curve);
            let mut chain = Chain::default();
            rows(&run).iter().for_each(|row| chain.push(&row.path));
            let direct = drawdown::of(&run).fraction;
            assert!((chain.drawdown() - direct).abs() < 1e-15, "{curve:?}");
            let end = run.bars.last().unwrap().equity;
            assert!((chain.equity() - end / 100.0).abs() < 1e-15);
        }
    }

    #[test]
    fn trades_belong_to_the_session_they_ended_in() {
        let mut run = outcome(100.0, &[&[101.0, 102.0], &[], &[103.0, 104.0]]);
        let times: Vec<_> = run.bars.iter().map(|row| row.bar.close_time).collect();
        run.trades = vec![trade(times[1], 2.0), trade(times[2], -1.0), trade(times[3], 0.0)];
        let rows = rows(&run);
        assert_eq!(rows.iter().map(|r| r.trades).collect::<Vec<_>>(), [1, 0, 2]);
        assert_eq!((rows[0].wins, rows[0].profit, rows[0].loss), (1, 2.0, 0.0));
        assert_eq!((rows[2].wins, rows[2].profit, rows[2].loss), (0, 0.0, 1.0));
    }

    proptest::proptest! {
        #[test]
        fn any_curve_cut_anywhere(equities in proptest::collection::vec(50.0..150.0_f64, 1..60), cut in 1usize..9) {
            let sessions: Vec<&[f64]> = equities.chunks(cut).collect();
            let run = outcome(100.0, &sessions);
            let mut chain = Chain::default();
            rows(&run).iter().for_each(|row| chain.push(&row.path));
            proptest::prop_assert!((chain.drawdown() - drawdown::of(&run).fraction).abs() < 1e-12);
        }
    }
}
