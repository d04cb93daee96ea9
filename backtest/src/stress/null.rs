//! What a model would have earned by chance: its own decisions, as many and as long, at other times.
//!
//! Whole blocks of sessions change places, so that a null run decides as often, holds as long and pays as much as the model; only that
//! its decisions belong to the prices they meet is gone. What is left of the model's Sharpe ratio among those of the shuffles is luck.

use contracts::evidence::{Fingerprint, MarketHash};
use contracts::experiment::DateRange;
use contracts::reason::Position;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use strategy::action::NotFinite;

use crate::limits::{NULL_BLOCK_SESSIONS, NULL_SHUFFLES};
use crate::outcome::Outcome;
use crate::run::decide::Decide;
use crate::run::prepare::Prepared;
use crate::run::walk::walk;
use crate::run::{RunError, outcome};
use crate::stats::sharpe;

/// The shuffles' figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Null {
    /// Sharpe ratio per session of every shuffle, in order; 0 where it earned nothing at all.
    pub sharpes: Vec<f64>,
    /// The run whose Sharpe ratio is the middle one.
    pub median: Outcome,
    /// Share of shuffles that did at least as well, the model's own run counted among them.
    pub p_value: f64,
}

/// Shuffles the decisions of `run`, which saw `prepared`, [`NULL_SHUFFLES`] times.
///
/// # Errors
/// [`RunError`], which a run that has been walked before does not give.
///
/// # Panics
/// Never: there is at least one shuffle.
pub fn shuffled(run: &Outcome, prepared: &Prepared, window: DateRange) -> Result<Null, RunError> {
    let shuffles = Shuffles::of(run, prepared);
    let walked = |number: u32| -> Result<Outcome, RunError> {
        let mut replay = Replay(shuffles.decisions(number));
        let walked = walk(prepared, &run.settings, &mut replay)?;
        let inputs = (MarketHash::from_bytes(*run.fingerprint.as_bytes()), window);
        let per_year = run.sessions_per_year;
        Ok(outcome(
            &run.instrument,
            per_year,
            &run.settings,
            prepared,
            walked,
            inputs,
        ))
    };
    let sharpes = (0..NULL_SHUFFLES)
        .map(|number| walked(number).map(|outcome| sharpe_of(&outcome)))
        .collect::<Result<Vec<f64>, RunError>>()?;
    let mut order: Vec<u32> = (0..NULL_SHUFFLES).collect();
    order.sort_by(|a, b| sharpes[*a as usize].total_cmp(&sharpes[*b as usize]));
    let own = sharpe_of(run);
    let as_good = sharpes.iter().filter(|sharpe| **sharpe >= own).count();
    Ok(Null {
        median: walked(order[order.len() / 2])?,
        p_value: (as_good + 1) as f64 / (sharpes.len() + 1) as f64,
        sharpes,
    })
}

fn sharpe_of(outcome: &Outcome) -> f64 {
    let returns: Vec<f64> = outcome.sessions.iter().map(|session| session.value).collect();
    sharpe::moments(&returns).map_or(0.0, |moments| moments.sharpe())
}

/// The run's decisions in blocks of sessions.
struct Shuffles<'a> {
    seed: &'a Fingerprint,
    blocks: Vec<Vec<Position>>,
}

impl<'a> Shuffles<'a> {
    fn of(run: &'a Outcome, prepared: &Prepared) -> Self {
        let mut blocks: Vec<Vec<Position>> = Vec::new();
        let (mut session, mut sessions) = (None, 0);
        for (at, step) in prepared.steps.iter().enumerate() {
            if session != Some(step.session) {
                if sessions % NULL_BLOCK_SESSIONS == 0 {
                    blocks.push(Vec::new());
                }
                (session, sessions) = (Some(step.session), sessions + 1);
            }
            if let (Some(_), Some(block)) = (step.row, blocks.last_mut()) {
                // After a ruin there are no decisions any more.
                block.push(run.bars.get(at).map_or(Position::Flat, |row| row.decided));
            }
        }
        Self {
            seed: &run.fingerprint,
            blocks,
        }
    }

    /// All decisions, blocks in another order.
    fn decisions(&self, number: u32) -> Vec<Position> {
        let mut rng = ChaCha8Rng::from_seed(*self.seed.as_bytes());
        rng.set_stream(u64::from(number) + 1);
        let mut order: Vec<usize> = (0..self.blocks.len()).collect();
        for at in (1..order.len()).rev() {
            let other = (rng.next_u64() % (at as u64 + 1)) as usize;
            order.swap(at, other);
        }
        order
            .iter()
            .flat_map(|at| self.blocks[*at].iter().copied())
            .collect()
    }
}

/// Decides what was decided elsewhere.
struct Replay(Vec<Position>);

impl Decide for Replay {
    fn decide(&mut self, row: usize, _: Position) -> Result<Result<Position, NotFinite>, RunError> {
        Ok(Ok(self.0.get(row).copied().unwrap_or(Position::Flat)))
    }
}

#[cfg(test)]
mod tests {
    use contracts::evidence::ExecutionSettings;

    use super::*;
    use crate::run::RunOptions;
    use crate::run::run_seen;
    use crate::run::samples::{Model, features, settings, walk as market, window};
    use crate::run::sight::StrategySight;

    fn run() -> (Outcome, Prepared, DateRange) {
        let features = features("technical_8");
        let market = market(&features, "ANY", 5, "2025-02-20");
        let model = Model::new(&features, 4);
        let window = window("2025-01-20", "2025-02-20");
        let mut sight = StrategySight::new(&model.strategy, &market).unwrap();
        let settings = ExecutionSettings {
            transaction_cost_bps: 0.0,
            slippage_bps: 0.0,
            ..settings()
        };
        let (outcome, prepared) = run_seen(
            &mut sight,
            model.candidate(),
            &market,
            window,
            &settings,
            RunOptions::default(),
            &|_| {},
        )
        .unwrap();
        (outcome, prepared, window)
    }

    #[test]
    fn a_shuffle_keeps_every_decision_and_only_moves_blocks() {
        let (run, prepared, window) = run();
        let shuffles = Shuffles::of(&run, &prepared);
        let own: Vec<Position> = shuffles.blocks.concat();
        assert!(shuffles.blocks.len() > 4);
        let other = shuffles.decisions(0);
        assert_ne!(own, other);
        let sorted = |mut all: Vec<Position>| {
            all.sort_by_key(|position| position.as_i8());
            all
        };
        assert_eq!(sorted(own), sorted(other));
        let null = shuffled(&run, &prepared, window).unwrap();
        assert_eq!(null, shuffled(&run, &prepared, window).unwrap());
        assert_eq!(null.sharpes.len(), NULL_SHUFFLES as usize);
        assert!(null.p_value > 0.0 && null.p_value <= 1.0);
    }

    #[test]
    fn decisions_that_know_the_price_are_far_above_their_shuffles() {
        let (mut run, prepared, window) = run();
        // Long before every rise, short before every fall: the decision of a bar is filled at the next one's open.
        let next: Vec<f64> = (0..run.bars.len())
            .map(|at| {
                let (from, to) = (at + 1, at + 2);
                match (run.bars.get(from), run.bars.get(to)) {
                    (Some(from), Some(to)) => to.bar.open - from.bar.open,
                    _ => 0.0,
                }
            })
            .collect();
        for (row, next) in run.bars.iter_mut().zip(next) {
            row.decided = if next >= 0.0 {
                Position::Long
            } else {
                Position::Short
            };
        }
        let knowing = Shuffles::of(&run, &prepared).blocks.concat();
        let walked = walk(&prepared, &run.settings, &mut Replay(knowing)).unwrap();
        let inputs = (MarketHash::of(b"m"), window);
        let knowing = outcome(
            &run.instrument,
            run.sessions_per_year,
            &run.settings,
            &prepared,
            walked,
            inputs,
        );
        let null = shuffled(&knowing, &prepared, window).unwrap();
        assert!(null.p_value <= 1.0 / f64::from(NULL_SHUFFLES), "{}", null.p_value);
        assert!(sharpe_of(&knowing) > 3.0 * sharpe_of(&null.median).abs());
    }
}
