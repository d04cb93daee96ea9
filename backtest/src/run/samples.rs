//! Shipped calendars and features, seeded models and a generated market for tests of runs.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use contracts::action::{ActionKind, PositionSource};
use contracts::bar::{Bar, Stamp};
use contracts::evidence::ExecutionSettings;
use contracts::experiment::{DateRange, FillRule, OvernightRule};
use contracts::features::{FeatureContract, load_calendar, load_contract};
use contracts::files::{BarFileOptions, DailyFile, DailyRow, read_bars, read_daily};
use contracts::ids::InstrumentId;
use contracts::numerics::Executor;
use contracts::time::{DayNumber, UtcMillis};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use strategy::calendar::Calendar;
use strategy::onnx::testmodels::{norm_stats, plain};
use strategy::policy::source::{Graph, ModelRef};
use strategy::policy::{Head, PolicySource};
use strategy::strategy::Strategy;

use super::Candidate;
use crate::market::Market;

fn config(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(path)
}

/// A shipped calendar.
pub fn calendar(name: &str) -> Calendar {
    Calendar::new(&load_calendar(&config(&format!("calendars/{name}.yaml"))).unwrap()).unwrap()
}

/// A shipped feature contract.
pub fn features(name: &str) -> FeatureContract {
    load_contract(&config(&format!("features/{name}.yaml"))).unwrap()
}

/// A strategy with its seeded dense model.
pub struct Model {
    pub strategy: Strategy,
    pub source: PolicySource,
}

impl Model {
    pub fn new(features: &FeatureContract, seed: u64) -> Self {
        let rule = contracts::action::ActionRule::Continuous {
            long_above: 0.1,
            short_below: -0.1,
        };
        let width = features.features.len();
        let model = ModelRef {
            bytes: &plain(seed, width),
            graph: Graph::Reduced,
            executor: Executor::Dense,
            action_output: "action",
            kind: ActionKind::Continuous,
            width,
        };
        Self {
            strategy: Strategy::new(features, &norm_stats(features), &rule, Head::Scalar).unwrap(),
            source: PolicySource::new(&model).unwrap(),
        }
    }

    pub fn candidate(&self) -> Candidate<'_> {
        Candidate {
            strategy: &self.strategy,
            source: &self.source,
            golden: &[],
        }
    }
}

/// Costs of 10 basis points, everything else the default.
pub fn settings() -> ExecutionSettings {
    ExecutionSettings {
        initial_capital: 100_000.0,
        position_size: 1.0,
        transaction_cost_bps: 8.0,
        slippage_bps: 2.0,
        fill: FillRule::NextOpen,
        latency_bars: 1,
        overnight: OvernightRule::Hold,
        stale_after_bars: 12,
        position_source: PositionSource::Signal,
    }
}

pub fn day(text: &str) -> DayNumber {
    DayNumber::parse(text).unwrap()
}

pub fn window(start: &str, end: &str) -> DateRange {
    DateRange {
        start: day(start),
        end: day(end),
    }
}

/// A random walk in every session of 2025 up to a date, some bars missing, some flat, some stretches stale; daily values of every series.
pub fn walk(features: &FeatureContract, instrument: &str, seed: u64, last: &str) -> Market {
    let calendar = Calendar::new(&features.calendar).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut below = |n: u64| (rng.next_u64() % n) as f64;
    let (first, last) = (day("2025-01-02"), day(last));
    let mut at = calendar.midnight(first).unwrap().plus_ms(300_000);
    let end = calendar.midnight(DayNumber(last.0 + 1)).unwrap();
    let (mut ticks, mut still, mut bars) = (400_000.0, 0.0, Vec::new());
    while at <= end {
        if calendar.in_session(at) && below(50) > 0.0 {
            let open = ticks;
            still = match (still > 0.0, below(20) == 0.0) {
                (true, _) => still - 1.0,
                (false, true) => 4.0,
                _ => 0.0,
            };
            let flat = below(3) == 0.0;
            if still == 0.0 {
                ticks += below(1_001) - 500.0;
            }
            let open = if flat || still > 0.0 { ticks } else { open };
            let wick = if flat || still > 0.0 { 0.0 } else { below(100) };
            bars.push(Bar {
                close_time: at,
                open: open / 100.0,
                high: (open.max(ticks) + wick) / 100.0,
                low: (open.min(ticks) - wick) / 100.0,
                close: ticks / 100.0,
                volume: 1.0,
            });
        }
        at = at.plus_ms(300_000);
    }
    let series: Vec<_> = features.macro_rules.keys().cloned().collect();
    let mut rows = Vec::new();
    for date in first.0 - 500..=last.0 {
        for place in 0..series.len() {
            rows.push(DailyRow {
                series: place,
                date: DayNumber(date),
                value: 100.0 + below(100) / 10.0,
                arrived_at: None,
            });
        }
    }
    Market {
        instrument: InstrumentId::parse(instrument).unwrap(),
        bars,
        daily: DailyFile { series, rows },
    }
}

/// Bars of 08:05, 08:10, … in Bogotá on one Monday and the days after it, `sessions` closes per day; each opens where the one before closed.
pub fn closes(sessions: &[&[f64]]) -> Vec<Bar> {
    let monday = UtcMillis::parse("2025-06-09T13:00:00Z").unwrap();
    let mut open = sessions[0][0];
    let mut bars = Vec::new();
    for (day, closes) in (0..).zip(sessions) {
        for (at, close) in (1..).zip(*closes) {
            bars.push(Bar {
                close_time: monday.plus_ms(day * 86_400_000 + at * 300_000),
                open,
                high: open.max(*close),
                low: open.min(*close),
                close: *close,
                volume: 0.0,
            });
            open = *close;
        }
    }
    bars
}

/// The real USD/COP bars and daily values, if they are there.
pub fn usdcop(test: &str) -> Option<Market> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let (bars, daily) = (shared.join("usdcop_5m.csv.gz"), shared.join("macro_daily.csv"));
    if !bars.is_file() || !daily.is_file() {
        // The handle, not the macro: the test runner's capture must not swallow it.
        drop(writeln!(
            std::io::stderr(),
            "SKIPPED: {test}: ../shared/data not found"
        ));
        return None;
    }
    Some(Market {
        instrument: InstrumentId::parse("USDCOP").unwrap(),
        bars: read_bars(&bars, &BarFileOptions::stamped(Stamp::Open))
            .unwrap()
            .bars,
        daily: read_daily(&daily).unwrap(),
    })
}
