//! Seeded numbers and hand-made runs for this crate's unit tests.

use contracts::bar::Bar;
use contracts::evidence::{ExecutionCounts, ExecutionSettings, Fingerprint};
use contracts::experiment::{FillRule, OvernightRule};
use contracts::ids::InstrumentId;
use contracts::reason::Position;
use contracts::time::{DayNumber, UtcMillis};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::outcome::{BarRow, Outcome, SessionReturn, Trade};
use crate::stats::normal;

/// `n` standard normals of a seed.
pub fn normals(seed: u64, n: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n)
        .map(|_| normal::quantile(((rng.next_u64() >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0))
        .collect()
}

/// A run whose equity goes through these numbers, session by session; long all the way, without trades.
pub fn outcome(initial_capital: f64, sessions: &[&[f64]]) -> Outcome {
    let mut run = Outcome {
        instrument: InstrumentId::parse("TEST").unwrap(),
        settings: ExecutionSettings {
            initial_capital,
            position_size: 1.0,
            transaction_cost_bps: 0.0,
            slippage_bps: 0.0,
            fill: FillRule::NextOpen,
            latency_bars: 1,
            overnight: OvernightRule::Hold,
            stale_after_bars: 12,
            position_source: contracts::action::PositionSource::Signal,
        },
        bars: Vec::new(),
        trades: Vec::new(),
        sessions: Vec::new(),
        sessions_per_year: 256.0,
        counts: ExecutionCounts::default(),
        turnover: 0.0,
        ruined: None,
        fingerprint: Fingerprint::of(b"a run"),
    };
    let mut before = initial_capital;
    for (day, equities) in (20_000..).zip(sessions) {
        for equity in *equities {
            let close_time = UtcMillis(run.bars.len() as i64 * 300_000);
            run.bars.push(BarRow {
                bar: Bar {
                    close_time,
                    open: 1.0,
                    high: 1.0,
                    low: 1.0,
                    close: 1.0,
                    volume: 0.0,
                },
                session: DayNumber(day),
                decided: Position::Long,
                held: Position::Long,
                equity: *equity,
                cost: 0.0,
            });
        }
        let end = equities.last().copied().unwrap_or(before);
        run.sessions.push(SessionReturn {
            session: DayNumber(day),
            value: end / before - 1.0,
        });
        before = end;
    }
    run
}

/// A run with these session returns in percent, one bar and one trade per session.
pub fn noise(returns: &[f64]) -> Outcome {
    let mut equity = 100_000.0;
    let curve: Vec<f64> = returns
        .iter()
        .map(|r| {
            equity *= 1.0 + r / 100.0;
            equity
        })
        .collect();
    let sessions: Vec<&[f64]> = curve.chunks(1).collect();
    let mut run = outcome(100_000.0, &sessions);
    run.trades = run
        .bars
        .iter()
        .zip(returns)
        .filter(|(_, r)| **r != 0.0)
        .map(|(row, r)| trade(row.bar.close_time, r * 1_000.0))
        .collect();
    run
}

/// A trade that ended then with this net result after a cost of 1.
pub fn trade(exit_time: UtcMillis, net: f64) -> Trade {
    Trade {
        entry_time: exit_time,
        exit_time,
        position: 1,
        quantity: 1.0,
        entry_price: 1.0,
        exit_price: 1.0,
        gross: net + 1.0,
        cost: 1.0,
        net,
        bars: 1,
        forced: false,
    }
}
