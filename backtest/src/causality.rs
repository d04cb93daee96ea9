//! The check for look-ahead: everything after a cut is replaced by random numbers, and what was computed up to the cut must not change by a bit.
//!
//! Bars after the cut keep their times and get prices of a random walk from the cut's close on, so that they stay possible; daily values
//! that are not visible at the cut get other numbers. Compared are features, decisions, positions, equity and costs of every bar up to
//! the cut. The cut's own bar is the last one compared: a look one bar ahead shows in it. Batches straddle the cut, so that a model whose
//! rows see each other shows too.

use contracts::bar::Bar;
use contracts::evidence::{Causality, ExecutionSettings, Fingerprint};
use contracts::experiment::DateRange;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use strategy::strategy::Strategy;

use crate::limits::{BLOCK_BARS, CAUSALITY_CUTS};
use crate::market::Market;
use crate::outcome::BarRow;
use crate::run::prepare::{Prepared, prepare};
use crate::run::sight::{Sight, StrategySight};
use crate::run::{Candidate, RunError, RunOptions, check as check_settings, run_seen, walk_prepared};

/// Runs the candidate and cuts its window at [`CAUSALITY_CUTS`] bars drawn from the fingerprint.
///
/// # Errors
/// [`RunError`] when there is no run.
pub fn check(
    candidate: Candidate<'_>,
    market: &Market,
    window: DateRange,
    settings: &ExecutionSettings,
    options: RunOptions,
    fingerprint: &Fingerprint,
) -> Result<Causality, RunError> {
    let mut sight = StrategySight::new(candidate.strategy, market)?;
    let (outcome, prepared) = run_seen(&mut sight, candidate, market, window, settings, options, &|_| {})?;
    let original = Original {
        prepared: &prepared,
        rows: &outcome.bars,
        fingerprint,
    };
    let sight = |market: &Market| -> Result<Box<dyn Sight + '_>, RunError> {
        Ok(Box::new(StrategySight::new(candidate.strategy, market)?))
    };
    check_with(&sight, candidate, market, window, settings, options, original)
}

/// Makes eyes that have seen nothing of a market yet.
pub type NewSight<'a> = dyn Fn(&Market) -> Result<Box<dyn Sight + 'a>, RunError> + 'a;

/// A run that is there already.
#[derive(Debug, Clone, Copy)]
pub struct Original<'a> {
    /// What it saw.
    pub prepared: &'a Prepared,
    /// What came of it, bar by bar.
    pub rows: &'a [BarRow],
    /// Seed of the cuts.
    pub fingerprint: &'a Fingerprint,
}

/// [`check`] of a run that is there already, through the eyes it was made with.
///
/// # Errors
/// [`RunError`] when there is no run.
pub fn check_with(
    sight: &NewSight<'_>,
    candidate: Candidate<'_>,
    market: &Market,
    window: DateRange,
    settings: &ExecutionSettings,
    options: RunOptions,
    original: Original<'_>,
) -> Result<Causality, RunError> {
    check_settings(settings)?;
    let strategy = candidate.strategy;
    let fingerprint = original.fingerprint;
    let mut rng = ChaCha8Rng::from_seed(*fingerprint.as_bytes());
    let steps = original.rows.len();
    let mut cuts = 0;
    for _ in 0..CAUSALITY_CUTS.min(u32::try_from(steps).unwrap_or(u32::MAX)) {
        let cut = below(&mut rng, steps);
        let at = original.prepared.steps[cut].at;
        let other = randomised(strategy, market, at, &mut rng);
        // Some bars more than the cut: the batch that holds it must hold random bars too.
        let until = (at + 1 + BLOCK_BARS).min(other.bars.len());
        cuts += 1;
        let prepared = prepare(strategy, &mut *sight(&other)?, &other, window, until)?;
        let rows = walk_prepared(candidate, &prepared, settings, options, &|_| {})?.bars;
        if let Some(change) = original.first_change(&prepared, &rows, cut, strategy) {
            let look_ahead = Some(format!(
                "{change} although only data after {} was changed",
                market.bars[at].close_time
            ));
            return Ok(Causality { cuts, look_ahead });
        }
    }
    Ok(Causality {
        cuts,
        look_ahead: None,
    })
}

impl Original<'_> {
    /// The first output up to and with bar `cut` that is not the same.
    fn first_change(
        &self,
        prepared: &Prepared,
        rows: &[BarRow],
        cut: usize,
        strategy: &Strategy,
    ) -> Option<String> {
        let width = strategy.width();
        for at in 0..=cut {
            let (step, row) = (&self.prepared.steps[at], &self.rows[at]);
            let when = row.bar.close_time;
            let (Some(other_step), Some(other_row)) = (prepared.steps.get(at), rows.get(at)) else {
                return Some(format!("the bar of {when} was not used"));
            };
            if step.at != other_step.at || step.row.is_some() != other_step.row.is_some() {
                return Some(format!("whether the bar of {when} is used or withheld changed"));
            }
            if let (Some(a), Some(b)) = (step.row, other_step.row) {
                let (a, b) = (
                    &self.prepared.features[a * width..(a + 1) * width],
                    &prepared.features[b * width..(b + 1) * width],
                );
                if let Some(number) = (0..width).find(|i| a[*i].to_bits() != b[*i].to_bits()) {
                    return Some(format!("feature {number} at {when} changed"));
                }
            }
            let changed = if row.decided != other_row.decided {
                "decision"
            } else if row.held != other_row.held {
                "position"
            // The cut's own bar may be closed only because the shortened run ends there.
            } else if at < cut && row.cost.to_bits() != other_row.cost.to_bits() {
                "cost"
            } else if at < cut && row.equity.to_bits() != other_row.equity.to_bits() {
                "equity"
            } else {
                continue;
            };
            return Some(format!("the {changed} at {when} changed"));
        }
        None
    }
}

/// The market with everything after bar `at` drawn anew.
fn randomised(strategy: &Strategy, market: &Market, at: usize, rng: &mut ChaCha8Rng) -> Market {
    let mut other = market.clone();
    let cut = other.bars[at];
    let mut close = cut.close;
    for bar in &mut other.bars[at + 1..] {
        // Steps of up to 1 % around the close of the cut: prices stay within every bound the market itself keeps.
        let open = close * (0.99 + 0.02 * unit(rng));
        close = cut.close * (0.9 + 0.2 * unit(rng));
        *bar = Bar {
            close_time: bar.close_time,
            open,
            high: open.max(close) * (1.0 + 0.01 * unit(rng)),
            low: open.min(close) * (1.0 - 0.01 * unit(rng)),
            close,
            volume: 1_000.0 * unit(rng),
        };
    }
    let places: Vec<Option<usize>> = other
        .daily
        .series
        .iter()
        .map(|name| strategy.series().iter().position(|series| series == name))
        .collect();
    for row in &mut other.daily.rows {
        let visible =
            places[row.series].and_then(|place| strategy.plan().visible_at(place, row.date, row.arrived_at));
        if visible.is_none_or(|visible| visible > cut.close_time) {
            row.value = (row.value + 1.0) * (0.5 + unit(rng));
        }
    }
    other
}

/// Uniform in \[0, 1).
fn unit(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / 9_007_199_254_740_992.0
}

fn below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    (unit(rng) * n as f64) as usize
}

#[cfg(test)]
mod tests;
