//! A driftless market and positions drawn at random, walked through the crate's own orders, fills and costs.
//!
//! Only the strategy is missing: decisions come from a generator instead of from features and a model.

use std::collections::BTreeMap;

use backtest::outcome::Outcome;
use backtest::run::decide::Decide;
use backtest::run::prepare::{Prepared, Step};
use backtest::run::walk::walk;
use backtest::run::{RunError, outcome};
use backtest::stats::normal;
use contracts::action::PositionSource;
use contracts::bar::Bar;
use contracts::evidence::{ExecutionSettings, MarketHash};
use contracts::experiment::{DateRange, FillRule, OvernightRule};
use contracts::ids::InstrumentId;
use contracts::reason::Position;
use contracts::time::{DayNumber, UtcMillis};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use strategy::action::NotFinite;

/// Of the holdout: about eight months.
pub const SESSIONS: usize = 170;
/// Of a year.
pub const SESSIONS_PER_YEAR: f64 = 243.0;
const BARS: usize = 60;
const CAPITAL: f64 = 100_000.0;
/// Standard deviation of a bar's move: 0.7 % a session.
const MOVE: f64 = 0.0009;
/// Chance that a policy draws a new position at a bar: about six changes a session.
const REDRAW: f64 = 0.15;

fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    ((rng.next_u64() >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0
}

/// One path of prices.
pub struct Walk {
    seed: u64,
    bars: Vec<Bar>,
}

impl Walk {
    /// Of a seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut price = 4_000.0;
        let bars = (0..SESSIONS * BARS)
            .map(|at| {
                let open = price;
                // E[exp(z·σ − σ²/2)] = 1: no drift in the price itself.
                price *= libm::exp(MOVE * normal::quantile(uniform(&mut rng)) - MOVE * MOVE / 2.0);
                Bar {
                    close_time: UtcMillis(((at / BARS) as i64 * 288 + (at % BARS) as i64) * 300_000),
                    open,
                    high: open.max(price),
                    low: open.min(price),
                    close: price,
                    volume: 0.0,
                }
            })
            .collect();
        Self { seed, bars }
    }

    /// The run of one policy; `skill` is the share of its decisions that know the next ten bars.
    pub fn run(&self, policy: u32, cost_bps: f64, skill: f64) -> Outcome {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(u64::from(policy) + 1);
        let mut drawn = Drawn {
            bars: &self.bars,
            rng,
            skill,
            decided: Position::Flat,
        };
        let settings = ExecutionSettings {
            initial_capital: CAPITAL,
            position_size: 1.0,
            transaction_cost_bps: cost_bps,
            slippage_bps: 0.0,
            fill: FillRule::NextOpen,
            latency_bars: 1,
            overnight: OvernightRule::Hold,
            stale_after_bars: 12,
            position_source: PositionSource::Signal,
        };
        let prepared = self.prepared();
        let walked = walk(&prepared, &settings, &mut drawn).unwrap();
        outcome(
            &InstrumentId::parse("WALK").unwrap(),
            SESSIONS_PER_YEAR,
            &settings,
            &prepared,
            walked,
            (MarketHash::of(&self.seed.to_le_bytes()), window()),
        )
    }

    /// Every bar is used and can be decided on.
    fn prepared(&self) -> Prepared {
        let step = |(at, bar): (usize, &Bar)| Step {
            at,
            bar: *bar,
            session: session(at / BARS),
            last_of_session: at % BARS == BARS - 1,
            unchanged: 0,
            row: Some(at),
        };
        Prepared {
            steps: self.bars.iter().enumerate().map(step).collect(),
            sessions: (0..SESSIONS).map(session).collect(),
            features: Vec::new(),
            withheld: BTreeMap::new(),
        }
    }
}

fn session(number: usize) -> DayNumber {
    DayNumber(20_000 + number as i32)
}

fn window() -> DateRange {
    DateRange {
        start: session(0),
        end: session(SESSIONS - 1),
    }
}

/// A policy that now and then draws its next position, or with some skill looks it up.
struct Drawn<'a> {
    bars: &'a [Bar],
    rng: ChaCha8Rng,
    skill: f64,
    decided: Position,
}

impl Decide for Drawn<'_> {
    fn decide(&mut self, row: usize, _: Position) -> Result<Result<Position, NotFinite>, RunError> {
        if uniform(&mut self.rng) < REDRAW {
            self.decided = match self.rng.next_u64() % 3 {
                0 => Position::Short,
                1 => Position::Flat,
                _ => Position::Long,
            };
            if self.skill > 0.0 && uniform(&mut self.rng) < self.skill {
                let ahead = self.bars[(row + 10).min(self.bars.len() - 1)].close;
                self.decided = if ahead > self.bars[row].close {
                    Position::Long
                } else {
                    Position::Short
                };
            }
        }
        Ok(Ok(self.decided))
    }
}
