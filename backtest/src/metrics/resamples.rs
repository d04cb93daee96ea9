//! The figures of 10,000 resamples of a run's sessions: what its intervals and the chances of its criteria are read from.

use contracts::evidence::Interval;

use super::rows::{Chain, Row};
use crate::limits::{BOOTSTRAP_RESAMPLES, INTERVAL_LEVEL, TEST_ALPHA};
use crate::stats::bootstrap::{Resampler, Seed, Stream};
use crate::stats::interval;
use crate::stats::min_track_record::min_track_record;
use crate::stats::quantile::{sorted, type7};
use crate::stats::sums::Powers;
use crate::stats::{block_length, psr};

/// One value per resample; NaN where the resample has none, which meets no criterion and is in no interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Resamples {
    /// Mean block of the stationary bootstrap, in sessions.
    pub block: f64,
    /// Sharpe ratio per session.
    pub sharpe: Vec<f64>,
    /// Largest drawdown at bar level.
    pub drawdown: Vec<f64>,
    /// Net profit over the initial capital.
    pub total_return: Vec<f64>,
    /// Share of trades won.
    pub win_rate: Vec<f64>,
    /// Profits over losses.
    pub profit_factor: Vec<f64>,
    /// Mean net profit of a trade.
    pub average_trade: Vec<f64>,
    /// PSR against 0, before Φ.
    pub psr_score: Vec<f64>,
    /// PSR against the expected maximum of the trials, before Φ.
    pub dsr_score: Vec<f64>,
    /// Sessions over the minimum track record length.
    pub track_record: Vec<f64>,
}

impl Resamples {
    /// Resamples the rows; `deflation` is the expected maximum Sharpe ratio per session of the trials.
    ///
    /// `None` without rows.
    #[must_use]
    pub fn draw(rows: &[Row], seed: Seed, deflation: Option<f64>) -> Option<Self> {
        if rows.is_empty() {
            return None;
        }
        let returns: Vec<f64> = rows.iter().map(|row| row.value).collect();
        let mean = returns.iter().sum::<f64>() / returns.len() as f64;
        let block = block_length::for_returns(&returns);
        let mut drawn = Self::with_capacity(block, BOOTSTRAP_RESAMPLES as usize);
        let mut resampler = Resampler::new(seed, Stream::Own, rows.len(), block);
        for _ in 0..BOOTSTRAP_RESAMPLES {
            let mut one = One::default();
            resampler.resample(|row| one.add(&rows[row], mean));
            drawn.push(&one, rows.len(), mean, deflation);
        }
        Some(drawn)
    }

    fn with_capacity(block: f64, count: usize) -> Self {
        let new = || Vec::with_capacity(count);
        Self {
            block,
            sharpe: new(),
            drawdown: new(),
            total_return: new(),
            win_rate: new(),
            profit_factor: new(),
            average_trade: new(),
            psr_score: new(),
            dsr_score: new(),
            track_record: new(),
        }
    }

    fn push(&mut self, one: &One, n: usize, mean: f64, deflation: Option<f64>) {
        let moments = one.powers.moments(n, mean);
        let of = |figure: &dyn Fn(&crate::stats::moments::Moments) -> Option<f64>| {
            moments.as_ref().and_then(figure).unwrap_or(f64::NAN)
        };
        self.sharpe.push(of(&|m| Some(m.sharpe())));
        self.psr_score.push(of(&|m| Some(psr::score(m, 0.0))));
        self.dsr_score
            .push(of(&|m| deflation.map(|best| psr::score(m, best))));
        self.track_record.push(of(&|m| {
            // A resample at or below 0 never reaches its length: it meets no share of it.
            let length = min_track_record(m, 0.0, TEST_ALPHA)?;
            Some(n as f64 / length)
        }));
        self.drawdown.push(one.chain.drawdown());
        self.total_return.push(one.chain.equity() - 1.0);
        let trades = f64::from(one.trades);
        // 0/0 is NaN by itself; x/0 is infinite and counts as no value either.
        self.win_rate.push(f64::from(one.wins) / trades);
        self.average_trade.push((one.profit - one.loss) / trades);
        self.profit_factor.push(one.profit / one.loss);
    }

    /// Share of all resamples whose value meets `holds`; one without a value does not.
    #[must_use]
    pub fn share(values: &[f64], holds: impl Fn(f64) -> bool) -> f64 {
        values
            .iter()
            .filter(|value| value.is_finite() && holds(**value))
            .count() as f64
            / values.len() as f64
    }

    /// Percentile interval.
    #[must_use]
    pub fn percentile(values: &[f64]) -> Option<Interval> {
        interval::percentile(&sorted(values), INTERVAL_LEVEL)
    }

    /// Bias-corrected interval of the Sharpe ratio per session.
    #[must_use]
    pub fn sharpe_interval(&self, estimate: f64) -> Option<Interval> {
        interval::bias_corrected(&sorted(&self.sharpe), estimate, INTERVAL_LEVEL)
    }

    /// The drawdown that 95 % of the resamples stay within.
    #[must_use]
    pub fn drawdown_upper95(&self) -> Option<f64> {
        type7(&sorted(&self.drawdown), INTERVAL_LEVEL)
    }
}

/// A resample as it is drawn.
#[derive(Default)]
struct One {
    powers: Powers,
    chain: Chain,
    trades: u32,
    wins: u32,
    profit: f64,
    loss: f64,
}

impl One {
    #[inline]
    fn add(&mut self, row: &Row, mean: f64) {
        self.powers.add(row.value - mean);
        self.chain.push(&row.path);
        self.trades += row.trades;
        self.wins += row.wins;
        self.profit += row.profit;
        self.loss += row.loss;
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::rows;
    use super::*;
    use crate::samples::{noise, normals};

    #[test]
    fn the_same_run_gives_the_same_bits() {
        let rows = rows(&noise(&normals(1, 170)));
        let once = Resamples::draw(&rows, [4; 8], Some(0.05)).unwrap();
        let again = Resamples::draw(&rows, [4; 8], Some(0.05)).unwrap();
        let bits = |r: &Resamples| -> Vec<u64> {
            [
                &r.sharpe,
                &r.drawdown,
                &r.win_rate,
                &r.dsr_score,
                &r.track_record,
                &r.profit_factor,
            ]
            .into_iter()
            .flatten()
            .map(|value| value.to_bits())
            .collect()
        };
        assert_eq!(bits(&once), bits(&again));
        let other = Resamples::draw(&rows, [5; 8], Some(0.05)).unwrap();
        assert_ne!(bits(&once), bits(&other));
        assert_eq!(once.sharpe.len(), BOOTSTRAP_RESAMPLES as usize);
    }

    #[test]
    fn they_scatter_as_the_formula_says() {
        let returns = normals(2, 400);
        let rows = rows(&noise(&returns));
        let drawn = Resamples::draw(&rows, [1; 8], None).unwrap();
        let spread = crate::stats::moments::Moments::of(&drawn.sharpe)
            .unwrap()
            .variance
            .sqrt();
        // Independent normal returns: σ(SR) = 1/√T within the block's and the sample's play.
        assert!((spread * 20.0 - 1.0).abs() < 0.15, "{spread}");
        assert!(drawn.dsr_score.iter().all(|score| score.is_nan()));
    }

    #[test]
    fn correlation_widens_what_independent_draws_would_say() {
        for seed in 1..=3 {
            let mut before = 0.0;
            let returns: Vec<f64> = normals(seed, 600)
                .into_iter()
                .map(|z| {
                    before = 0.5 * before + z;
                    before
                })
                .collect();
            let drawn = Resamples::draw(&rows(&noise(&returns)), [1; 8], None).unwrap();
            let spread = crate::stats::moments::Moments::of(&drawn.sharpe)
                .unwrap()
                .variance
                .sqrt();
            // The true factor is √((1 + ρ)/(1 − ρ)) = 1.73 over 1/√T; blocks of finite length find most of it.
            let factor = spread * 600.0_f64.sqrt();
            assert!(
                (1.3..2.1).contains(&factor),
                "seed {seed}: {factor}, blocks of {}",
                drawn.block
            );
        }
    }

    #[test]
    fn a_resample_without_a_value_meets_nothing() {
        let values = [1.0, f64::NAN, 3.0, f64::INFINITY];
        assert_eq!(Resamples::share(&values, |v| v > 0.0), 0.5);
        assert_eq!(
            Resamples::percentile(&values),
            interval::percentile(&[1.0, 3.0], INTERVAL_LEVEL)
        );
        assert_eq!(Resamples::draw(&[], [0; 8], None), None);
    }

    #[test]
    fn a_run_without_trades_has_no_win_rate_and_no_sharpe_in_any_resample() {
        let drawn = Resamples::draw(&rows(&noise(&[0.0; 30])), [1; 8], Some(0.1)).unwrap();
        assert!(
            drawn
                .sharpe
                .iter()
                .chain(&drawn.psr_score)
                .all(|value| value.is_nan())
        );
        assert_eq!(drawn.drawdown_upper95(), Some(0.0));
        assert_eq!(Resamples::share(&drawn.win_rate, |_| true), 0.0);
    }
}
