//! An experiment with small numbers, and a market whose next bar mostly goes where the last one went.

use std::path::Path;

use backtest::market::Market;
use contracts::bar::Bar;
use contracts::experiment::contract::ExperimentContract;
use contracts::features::FeatureContract;
use contracts::files::{DailyFile, DailyRow};
use contracts::ids::InstrumentId;
use contracts::norm_stats::NormStats;
use contracts::time::{DayNumber, UtcMillis};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use strategy::calendar::Calendar;
use strategy::onnx::testmodels::norm_stats;

use crate::ppo::TrainingPlan;

/// Windows of the sample: five weeks to learn in, two to choose in, one that must not be seen.
const DATES: &str = "  train: {start: 2025-01-20, end: 2025-02-21}
  validation: {start: 2025-02-24, end: 2025-03-07}
  test: {start: 2025-03-10, end: 2025-03-14}
";

/// The last date of the market.
const LAST: &str = "2025-03-14";

/// The shipped experiment with the sample's windows, a small network and these other lines instead of those that begin alike.
pub fn contract(lines: &[&str]) -> ExperimentContract {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let shipped = std::fs::read_to_string(config.join("experiments/usdcop_ppo_baseline.yaml")).unwrap();
    let mut small = vec![
        "  transaction_cost_bps: 0.2",
        "  total_timesteps: 4096",
        "  n_steps: 128",
        "  net_arch: [16, 8]",
    ];
    small.extend_from_slice(lines);
    let mut yaml = String::new();
    for line in shipped.lines() {
        let key = |line: &str| line.split_once(':').map(|(key, _)| key.to_owned());
        let other = small.iter().rev().find(|other| key(other) == key(line));
        match key(line).as_deref() {
            Some("  train") => yaml.push_str(DATES),
            Some("  validation" | "  test") => {}
            _ => {
                yaml.push_str(other.copied().unwrap_or(line));
                yaml.push('\n');
            }
        }
    }
    ExperimentContract::from_yaml(
        yaml.as_bytes(),
        "sample.yaml",
        &config.join("features"),
        UtcMillis(0),
    )
    .unwrap()
}

/// Bars of every session from January 2025 on: five basis points a bar, in the direction of the bar before with probability `follow`.
pub fn market(features: &FeatureContract, seed: u64, follow: f64) -> Market {
    let calendar = Calendar::new(&features.calendar).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (first, last) = (
        DayNumber::parse("2025-01-02").unwrap(),
        DayNumber::parse(LAST).unwrap(),
    );
    let mut at = calendar.midnight(first).unwrap().plus_ms(300_000);
    let end = calendar.midnight(DayNumber(last.0 + 1)).unwrap();
    let (mut close, mut up, mut bars) = (4_000.0, true, Vec::new());
    while at <= end {
        if calendar.in_session(at) {
            let open = close;
            up = up == rng.random_bool(follow);
            close = open * if up { 1.0005 } else { 1.0 / 1.0005 };
            bars.push(Bar {
                close_time: at,
                open,
                high: open.max(close),
                low: open.min(close),
                close,
                volume: 1.0,
            });
        }
        at = at.plus_ms(300_000);
    }
    let series: Vec<_> = features.macro_rules.keys().cloned().collect();
    let rows = (first.0 - 500..=last.0).flat_map(|date| {
        let value = 100.0 + f64::from(date.rem_euclid(7));
        (0..series.len()).map(move |series| (date, series, value))
    });
    let rows = rows.map(|(date, series, value)| DailyRow {
        series,
        date: DayNumber(date),
        value,
        arrived_at: None,
    });
    Market {
        instrument: InstrumentId::parse("USDCOP").unwrap(),
        daily: DailyFile {
            rows: rows.collect(),
            series: series.clone(),
        },
        bars,
    }
}

/// Everything a plan borrows.
pub struct Sample {
    pub contract: ExperimentContract,
    pub market: Market,
    pub norm_stats: NormStats,
}

impl Sample {
    pub fn new(lines: &[&str], seed: u64, follow: f64) -> Self {
        let contract = contract(lines);
        Self {
            market: market(&contract.feature_contract, seed, follow),
            norm_stats: norm_stats(&contract.feature_contract),
            contract,
        }
    }

    pub fn plan(&self) -> TrainingPlan<'_> {
        TrainingPlan {
            contract: &self.contract,
            market: &self.market,
            norm_stats: &self.norm_stats,
        }
    }
}
