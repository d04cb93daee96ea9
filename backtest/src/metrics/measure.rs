//! Puts the figures together.
//!
//! Conventions: a session's return is that of its last bar's equity over the last one before it, sessions without bars count as 0; annual =
//! per session × √sessions_per_year; the drawdown is per bar and its first peak is the initial capital. A ruined run has a drawdown of 1 and no
//! figure per session.

use contracts::evidence::{Interval, Measured, Metrics, Undefined};

use super::drawdown;
use super::resamples::Resamples;
use super::rows::rows;
use super::trades::Totals;
use crate::limits::TEST_ALPHA;
use crate::outcome::Outcome;
use crate::stats::min_track_record::min_track_record;
use crate::stats::moments::Moments;
use crate::stats::trials::TrialStats;
use crate::stats::{bootstrap, dsr, psr, sharpe};

/// The figures, and the resamples the vote needs for its chances.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// The figures.
    pub metrics: Metrics,
    /// The resamples; absent for a ruined run.
    pub resamples: Option<Resamples>,
}

/// Every figure of a run. Without `trials` there is no deflated Sharpe ratio.
///
/// # Panics
/// For an outcome without a listed session, which no run has: a window without one is refused.
#[must_use]
pub fn measure(outcome: &Outcome, trials: Option<&TrialStats>) -> Metrics {
    measure_all(outcome, trials).metrics
}

/// [`measure`] with the resamples its intervals come from.
///
/// # Panics
/// As [`measure`].
#[must_use]
pub fn measure_all(outcome: &Outcome, trials: Option<&TrialStats>) -> Measurement {
    let per_session = PerSession::of(outcome);
    let resamples = if outcome.ruined.is_some() {
        None
    } else {
        let seed = bootstrap::seed(&outcome.fingerprint);
        Resamples::draw(&rows(outcome), seed, trials.map(TrialStats::expected_maximum))
    };
    let metrics = metrics(outcome, trials, &per_session, resamples.as_ref());
    Measurement { metrics, resamples }
}

fn metrics(
    outcome: &Outcome,
    trials: Option<&TrialStats>,
    sessions: &PerSession<'_>,
    resamples: Option<&Resamples>,
) -> Metrics {
    let percentile = |of: fn(&Resamples) -> &Vec<f64>| resamples.and_then(|r| Resamples::percentile(of(r)));
    let totals = Totals::of(&outcome.trades);
    let fall = drawdown::of(outcome);
    let capital = outcome.settings.initial_capital;
    let with_bars = |value: f64| {
        if outcome.bars.is_empty() {
            Measured::none(Undefined::NoData)
        } else {
            Measured::new(value, Undefined::NoData)
        }
    };
    let end = outcome.bars.last().map_or(capital, |row| row.equity);
    let held = outcome.bars.iter().filter(|row| row.held.as_f64() != 0.0).count();
    let first = outcome.sessions.first();
    let (first, last) = first
        .zip(outcome.sessions.last())
        .expect("a run's window has a listed session");
    let upper95 = match outcome.ruined {
        Some(_) => Measured::new(1.0, Undefined::Ruined),
        None => with_bars(
            resamples
                .and_then(Resamples::drawdown_upper95)
                .unwrap_or(f64::NAN),
        ),
    };
    let per_session = sessions.figure(|m| m.sharpe());
    let ci = per_session
        .value
        .and_then(|estimate| resamples.and_then(|r| r.sharpe_interval(estimate)));
    Metrics {
        sharpe_ratio: sessions
            .figure(|m| sharpe::annual(m.sharpe(), outcome.sessions_per_year))
            .with_interval(ci.map(|ci| Interval {
                low: sharpe::annual(ci.low, outcome.sessions_per_year),
                high: sharpe::annual(ci.high, outcome.sessions_per_year),
            })),
        sharpe_per_session: per_session.with_interval(ci),
        sortino_ratio: sessions.sortino(),
        calmar_ratio: sessions.calmar(end / capital, fall.fraction),
        max_drawdown: interval_if_defined(with_bars(fall.fraction), percentile(|r| &r.drawdown)),
        max_drawdown_upper95: upper95,
        max_drawdown_duration_bars: fall.bars,
        total_return: interval_if_defined(with_bars(end / capital - 1.0), percentile(|r| &r.total_return)),
        win_rate: totals.win_rate(),
        profit_factor: interval_if_defined(totals.profit_factor(), percentile(|r| &r.profit_factor)),
        total_trades: totals.count,
        avg_trade_pnl: interval_if_defined(totals.average(), percentile(|r| &r.average_trade)),
        expectancy: totals.expectancy(),
        exposure: with_bars(held as f64 / outcome.bars.len() as f64),
        turnover: with_bars(outcome.turnover / capital),
        cost_share: totals.cost_share(),
        break_even_cost_bps: totals.break_even_cost_bps(outcome),
        skewness: sessions.figure(|m| m.skewness),
        kurtosis: sessions.figure(|m| m.kurtosis),
        psr: sessions.figure(|m| psr::psr(m, 0.0)),
        dsr: match trials {
            Some(trials) => sessions.figure(|m| dsr::dsr(m, trials)),
            None => Measured::none(Undefined::NoData),
        },
        min_track_record_sessions: sessions.min_track_record(),
        test_period_start: first.session,
        test_period_end: last.session,
        sessions: u32::try_from(outcome.sessions.len()).expect("fewer than 2³² sessions"),
    }
}

fn interval_if_defined(figure: Measured, interval: Option<Interval>) -> Measured {
    if figure.value.is_some() {
        figure.with_interval(interval)
    } else {
        figure
    }
}

/// What is computed from one return per session.
struct PerSession<'a> {
    outcome: &'a Outcome,
    returns: Vec<f64>,
    moments: Result<Moments, Undefined>,
}

impl<'a> PerSession<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        let returns: Vec<f64> = outcome.sessions.iter().map(|session| session.value).collect();
        let moments = match outcome.ruined {
            Some(_) => Err(Undefined::Ruined),
            None => sharpe::moments(&returns),
        };
        Self {
            outcome,
            returns,
            moments,
        }
    }

    fn figure(&self, of: impl Fn(&Moments) -> f64) -> Measured {
        match &self.moments {
            Ok(moments) => Measured::new(of(moments), Undefined::ZeroVariance),
            Err(why) => Measured::none(*why),
        }
    }

    /// mean/√(Σ min(r, 0)²/T), annual: the downside is measured over all sessions.
    fn sortino(&self) -> Measured {
        let moments = match &self.moments {
            Ok(moments) => moments,
            Err(why) => return Measured::none(*why),
        };
        let losses: f64 = self.returns.iter().map(|r| r.min(0.0) * r.min(0.0)).sum();
        if losses == 0.0 {
            return Measured::none(Undefined::NoLosses);
        }
        let downside = (losses / moments.n as f64).sqrt();
        let annual = sharpe::annual(moments.mean / downside, self.outcome.sessions_per_year);
        Measured::new(annual, Undefined::NoLosses)
    }

    /// (growth^(sessions_per_year/T) − 1)/drawdown.
    fn calmar(&self, growth: f64, drawdown: f64) -> Measured {
        if self.outcome.ruined.is_some() {
            return Measured::none(Undefined::Ruined);
        }
        if self.outcome.bars.is_empty() {
            return Measured::none(Undefined::NoData);
        }
        if drawdown == 0.0 {
            return Measured::none(Undefined::NoDrawdown);
        }
        let years = self.returns.len() as f64 / self.outcome.sessions_per_year;
        Measured::new(
            (libm::pow(growth, 1.0 / years) - 1.0) / drawdown,
            Undefined::TooFew,
        )
    }

    fn min_track_record(&self) -> Measured {
        match &self.moments {
            Ok(moments) => min_track_record(moments, 0.0, TEST_ALPHA)
                .map_or(Measured::none(Undefined::NotAbove), |n| {
                    Measured::new(n, Undefined::NotAbove)
                }),
            Err(why) => Measured::none(*why),
        }
    }
}

#[cfg(test)]
mod tests;
