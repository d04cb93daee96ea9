//! An experiment with small numbers, and a market whose next bar mostly goes where the last one went.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use backtest::market::Market;
use contracts::bar::{Bar, Stamp};
use contracts::experiment::TrainingSection;
use contracts::experiment::contract::ExperimentContract;
use contracts::features::FeatureContract;
use contracts::files::{BarFileOptions, DailyFile, DailyRow, read_bars, read_daily};
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
    let shipped = shipped_text();
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
    of(&yaml)
}

fn config(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(path)
}

fn shipped_text() -> String {
    std::fs::read_to_string(config("experiments/usdcop_ppo_baseline.yaml")).unwrap()
}

fn of(yaml: &str) -> ExperimentContract {
    let at = UtcMillis(0);
    ExperimentContract::from_yaml(yaml.as_bytes(), "sample.yaml", &config("features"), at).unwrap()
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

/// The shipped experiment as it is, with few steps.
pub fn shipped(total_timesteps: u64) -> ExperimentContract {
    let mut contract = of(&shipped_text());
    if let TrainingSection::Ppo(section) = &mut contract.frozen.training {
        section.total_timesteps = total_timesteps;
        section.n_steps = 256;
    }
    contract
}

/// The real USD/COP bars and daily values, if they are there.
pub fn real_market(test: &str) -> Option<Market> {
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
