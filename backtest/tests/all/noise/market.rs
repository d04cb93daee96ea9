//! A driftless market and positions drawn at random, filled as a backtest fills them: at the next bar's open, with cost on every change.
//!
//! It keeps its own book instead of going through the crate's runner: what is tested is the measuring and the vote, on runs without
//! features, models or files.

use backtest::outcome::{BarRow, Outcome, SessionReturn, Trade};
use backtest::stats::normal;
use contracts::action::PositionSource;
use contracts::bar::Bar;
use contracts::evidence::{ExecutionCounts, ExecutionSettings, Fingerprint};
use contracts::experiment::{FillRule, OvernightRule};
use contracts::ids::InstrumentId;
use contracts::reason::Position;
use contracts::time::{DayNumber, UtcMillis};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

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
        let mut book = Book::new(cost_bps / 1e4);
        let mut rows: Vec<BarRow> = Vec::with_capacity(self.bars.len());
        let (mut decided, mut ruined) = (Position::Flat, None);
        for (at, bar) in self.bars.iter().enumerate() {
            let cost_before = book.cost;
            if decided != book.held {
                book.change(decided, bar.open, *bar);
            }
            if uniform(&mut rng) < REDRAW {
                decided = match rng.next_u64() % 3 {
                    0 => Position::Short,
                    1 => Position::Flat,
                    _ => Position::Long,
                };
                if skill > 0.0 && uniform(&mut rng) < skill {
                    let ahead = self.bars[(at + 10).min(self.bars.len() - 1)].close;
                    decided = if ahead > bar.close {
                        Position::Long
                    } else {
                        Position::Short
                    };
                }
            }
            if at + 1 == self.bars.len() {
                decided = Position::Flat;
                book.change(Position::Flat, bar.close, *bar);
            }
            let equity = book.equity(bar.close);
            rows.push(BarRow {
                bar: *bar,
                session: DayNumber(20_000 + (at / BARS) as i32),
                decided,
                held: book.held,
                equity,
                cost: book.cost - cost_before,
            });
            book.bars += 1;
            if equity <= 0.0 {
                ruined = Some(bar.close_time);
                break;
            }
        }
        self.outcome(policy, cost_bps, rows, book, ruined)
    }

    fn outcome(
        &self,
        policy: u32,
        cost_bps: f64,
        bars: Vec<BarRow>,
        book: Book,
        ruined: Option<UtcMillis>,
    ) -> Outcome {
        let mut before = CAPITAL;
        let sessions = (0..SESSIONS)
            .map(|session| {
                let day = DayNumber(20_000 + session as i32);
                let upto = bars.partition_point(|row| row.session <= day);
                let end = bars[..upto].last().map_or(CAPITAL, |row| row.equity);
                let value = end / before - 1.0;
                before = end;
                SessionReturn { session: day, value }
            })
            .collect();
        Outcome {
            instrument: InstrumentId::parse("WALK").unwrap(),
            settings: ExecutionSettings {
                initial_capital: CAPITAL,
                position_size: 1.0,
                transaction_cost_bps: cost_bps,
                slippage_bps: 0.0,
                fill: FillRule::NextOpen,
                latency_bars: 1,
                overnight: OvernightRule::Hold,
                stale_after_bars: 12,
                position_source: PositionSource::Signal,
            },
            bars,
            trades: book.trades,
            sessions,
            sessions_per_year: SESSIONS_PER_YEAR,
            counts: ExecutionCounts::default(),
            turnover: book.turnover,
            ruined,
            fingerprint: Fingerprint::of(format!("{} {policy} {cost_bps}", self.seed).as_bytes()),
        }
    }
}

/// Cash, the open trade, and what was paid.
struct Book {
    rate: f64,
    cash: f64,
    held: Position,
    quantity: f64,
    entry: Bar,
    entry_price: f64,
    entry_cost: f64,
    bars: u32,
    cost: f64,
    turnover: f64,
    trades: Vec<Trade>,
}

impl Book {
    fn new(rate: f64) -> Self {
        Self {
            rate,
            cash: CAPITAL,
            held: Position::Flat,
            quantity: 0.0,
            entry: Bar::default(),
            entry_price: 0.0,
            entry_cost: 0.0,
            bars: 0,
            cost: 0.0,
            turnover: 0.0,
            trades: Vec::new(),
        }
    }

    fn equity(&self, price: f64) -> f64 {
        self.cash + self.held.as_f64() * self.quantity * (price - self.entry_price)
    }

    fn pay(&mut self, notional: f64) -> f64 {
        let cost = notional * self.rate;
        self.turnover += notional;
        self.cost += cost;
        self.cash -= cost;
        cost
    }

    fn change(&mut self, to: Position, price: f64, bar: Bar) {
        if self.held != Position::Flat {
            let gross = self.held.as_f64() * self.quantity * (price - self.entry_price);
            let cost = self.entry_cost + self.pay(self.quantity * price);
            self.cash += gross;
            self.trades.push(Trade {
                entry_time: self.entry.close_time,
                exit_time: bar.close_time,
                position: self.held as i8,
                quantity: self.quantity,
                entry_price: self.entry_price,
                exit_price: price,
                gross,
                cost,
                net: gross - cost,
                bars: self.bars,
                forced: false,
            });
        }
        self.held = to;
        if to != Position::Flat {
            self.quantity = CAPITAL / price;
            (self.entry, self.entry_price, self.bars) = (bar, price, 0);
            self.entry_cost = self.pay(self.quantity * price);
        }
    }
}
