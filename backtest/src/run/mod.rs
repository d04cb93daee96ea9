//! A run: the strategy over a window of a market, orders filled and paid for as the experiment says.
//!
//! `prepare` (what is seen, whatever is held) → `decide` (what would be decided) → `walk` (who holds what, at which price) → `Outcome`.

pub mod book;
pub mod decide;
mod error;
pub mod fingerprint;
pub mod prepare;
#[cfg(test)]
pub(crate) mod samples;
pub mod sessions;
pub mod sight;
#[cfg(test)]
mod tests;
pub mod walk;

use std::time::Duration;

use contracts::evidence::{ExecutionSettings, MarketHash};
use contracts::experiment::DateRange;
use contracts::ids::InstrumentId;
use strategy::policy::PolicySource;
use strategy::strategy::Strategy;

use self::decide::{Batched, OneByOne};
pub use self::error::RunError;
use self::prepare::{Prepared, prepare};
use self::sight::{Sight, StrategySight};
use self::walk::{Walked, walk};
use crate::limits::LATENCY_BARS_MAX;
use crate::market::Market;
use crate::outcome::{BarRow, Outcome, SessionReturn};

/// What is run.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Features, normalisation, action rule.
    pub strategy: &'a Strategy,
    /// The model.
    pub source: &'a PolicySource,
    /// Golden observations (whole rows), on which an ONNX Runtime policy is checked before use.
    pub golden: &'a [f32],
}

/// How a run is computed; no choice changes a bit of its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunOptions {
    /// Threads of the inference, at least 1.
    pub threads: usize,
    /// All three positions of a block at once; else bar by bar, in one thread.
    pub batched: bool,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            threads: 1,
            batched: true,
        }
    }
}

/// How far the inference is, which takes nearly all the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bars decided on.
    pub done: usize,
    /// Bars there are to decide on.
    pub total: usize,
}

impl Progress {
    /// Bars per second and the time that is left at that rate, given the time it took so far; none before the first bar.
    #[must_use]
    pub fn rate(self, elapsed: Duration) -> Option<(f64, Duration)> {
        let per_second = self.done as f64 / elapsed.as_secs_f64();
        let left = Duration::try_from_secs_f64((self.total - self.done) as f64 / per_second).ok()?;
        per_second.is_finite().then_some((per_second, left))
    }
}

/// Runs a candidate over the window's sessions. All bars before the window warm the operators up.
///
/// # Errors
/// [`RunError`].
pub fn run(
    candidate: Candidate<'_>,
    market: &Market,
    window: DateRange,
    settings: &ExecutionSettings,
    options: RunOptions,
    progress: &dyn Fn(Progress),
) -> Result<Outcome, RunError> {
    let mut sight = StrategySight::new(candidate.strategy, market)?;
    let (outcome, _) = run_seen(&mut sight, candidate, market, window, settings, options, progress)?;
    Ok(outcome)
}

/// [`run`] through these eyes, with what was seen: the check for look-ahead and the drift of the features go on from it.
///
/// # Errors
/// [`RunError`].
pub fn run_seen(
    sight: &mut dyn Sight,
    candidate: Candidate<'_>,
    market: &Market,
    window: DateRange,
    settings: &ExecutionSettings,
    options: RunOptions,
    progress: &dyn Fn(Progress),
) -> Result<(Outcome, Prepared), RunError> {
    check(settings)?;
    let prepared = prepare(candidate.strategy, sight, market, window, market.bars.len())?;
    let walked = walk_prepared(candidate, &prepared, settings, options, progress)?;
    let outcome = outcome(
        &market.instrument,
        candidate.strategy.calendar().sessions_per_year(),
        settings,
        &prepared,
        walked,
        (market.hash(), window),
    );
    Ok((outcome, prepared))
}

/// Decides and walks.
pub(crate) fn walk_prepared(
    candidate: Candidate<'_>,
    prepared: &Prepared,
    settings: &ExecutionSettings,
    options: RunOptions,
    progress: &dyn Fn(Progress),
) -> Result<Walked, RunError> {
    let total = prepared.rows(candidate.strategy.width());
    progress(Progress { done: 0, total });
    let walked = if options.batched {
        let mut batched = Batched::new(candidate, prepared, options.threads, progress)?;
        walk(prepared, settings, &mut batched)?
    } else {
        walk(
            prepared,
            settings,
            &mut OneByOne::new(candidate, prepared, progress)?,
        )?
    };
    progress(Progress { done: total, total });
    Ok(walked)
}

/// What was walked, as an outcome.
#[must_use]
pub fn outcome(
    instrument: &InstrumentId,
    sessions_per_year: f64,
    settings: &ExecutionSettings,
    prepared: &Prepared,
    walked: Walked,
    inputs: (MarketHash, DateRange),
) -> Outcome {
    let (bars, trades) = (walked.bars, walked.book.trades);
    let fingerprint = fingerprint::fingerprint(inputs.0, inputs.1, settings, &bars, &trades);
    Outcome {
        instrument: instrument.clone(),
        settings: *settings,
        sessions: session_returns(prepared, &bars, settings.initial_capital),
        bars,
        trades,
        sessions_per_year,
        counts: walked.counts,
        turnover: walked.book.turnover,
        ruined: walked.ruined,
        fingerprint,
    }
}

/// Of each listed session: equity at its last bar over the equity before it, less one; 0 without bars.
pub fn session_returns(prepared: &Prepared, bars: &[BarRow], capital: f64) -> Vec<SessionReturn> {
    let (mut before, mut from) = (capital, 0);
    let session_return = |session| {
        let upto = bars.partition_point(|row| row.session <= session);
        let last = bars[from..upto].last();
        let value = last.map_or(0.0, |row| row.equity / before - 1.0);
        (before, from) = (last.map_or(before, |row| row.equity), upto);
        SessionReturn { session, value }
    };
    prepared.sessions.iter().copied().map(session_return).collect()
}

/// Refuses settings no fill or cost can be computed from.
pub(crate) fn check(settings: &ExecutionSettings) -> Result<(), RunError> {
    let positive = "a finite number above 0";
    let not_negative = "a finite number of at least 0";
    let at_least_one = "a number of bars of at least 1";
    let fields = [
        ("initial_capital", settings.initial_capital, false, positive),
        ("position_size", settings.position_size, false, positive),
        (
            "transaction_cost_bps",
            settings.transaction_cost_bps,
            true,
            not_negative,
        ),
        ("slippage_bps", settings.slippage_bps, true, not_negative),
        (
            "latency_bars",
            f64::from(settings.latency_bars),
            false,
            at_least_one,
        ),
        (
            "stale_after_bars",
            f64::from(settings.stale_after_bars),
            false,
            at_least_one,
        ),
    ];
    if settings.latency_bars > LATENCY_BARS_MAX {
        return Err(RunError::Settings {
            field: "latency_bars",
            value: settings.latency_bars.into(),
            expected: "at most 1,000 bars",
        });
    }
    for (field, value, zero, expected) in fields {
        if !(value.is_finite() && (value > 0.0 || (zero && value == 0.0))) {
            return Err(RunError::Settings {
                field,
                value,
                expected,
            });
        }
    }
    Ok(())
}
