//! Experiments and markets the tests run on.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use backtest::market::Market;
use contracts::bar::Stamp;
use contracts::experiment::contract::ExperimentContract;
use contracts::features::{FeatureContract, load_contract};
use contracts::files::{BarFileOptions, read_bars, read_daily};
use contracts::ids::InstrumentId;
use contracts::time::{DayNumber, UtcMillis};
use training::synthetic::{Kind, SyntheticSpec, generate};

/// When contracts of the tests were made.
pub const AT: UtcMillis = UtcMillis(1_767_618_300_000);

/// A file or folder under `config`.
pub fn config(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(path)
}

pub fn features(name: &str) -> FeatureContract {
    load_contract(&config(&format!("features/{name}.yaml"))).unwrap()
}

pub fn day(text: &str) -> DayNumber {
    DayNumber::parse(text).unwrap()
}

pub fn usdcop() -> InstrumentId {
    InstrumentId::parse("USDCOP").unwrap()
}

/// The contract of a shipped experiment.
pub fn shipped(name: &str) -> ExperimentContract {
    let path = config(&format!("experiments/{name}.yaml"));
    contract(&std::fs::read_to_string(path).unwrap())
}

pub fn contract(yaml: &str) -> ExperimentContract {
    ExperimentContract::from_yaml(yaml.as_bytes(), "experiment.yaml", &config("features"), AT).unwrap()
}

/// The baseline with other windows: train, validation, test, each as first and last day.
pub fn over(windows: [[&str; 2]; 3]) -> ExperimentContract {
    let yaml = std::fs::read_to_string(config("experiments/usdcop_ppo_baseline.yaml")).unwrap();
    let mut lines: Vec<String> = yaml.lines().map(str::to_owned).collect();
    for (name, [start, end]) in ["train", "validation", "test"].iter().zip(windows) {
        let line = lines
            .iter_mut()
            .find(|line| line.trim_start().starts_with(&format!("{name}: {{start")));
        *line.unwrap() = format!("  {name}: {{start: {start}, end: {end}}}");
    }
    contract(&lines.join("\n"))
}

/// Two months, two weeks and two weeks of 2025.
pub fn small() -> ExperimentContract {
    over([
        ["2025-02-03", "2025-03-28"],
        ["2025-03-31", "2025-04-11"],
        ["2025-04-14", "2025-04-30"],
    ])
}

/// A generated market that covers [`small`], with bars before and after it.
pub fn market(kind: Kind, seed: u64) -> Market {
    let spec = SyntheticSpec::new(kind, seed, usdcop(), day("2025-01-13"), day("2025-05-09"));
    generate(&spec, &features("usdcop_15")).unwrap()
}

/// The real USD/COP bars and daily values, if they are there.
pub fn real(test: &str) -> Option<Market> {
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
        instrument: usdcop(),
        bars: read_bars(&bars, &BarFileOptions::stamped(Stamp::Open))
            .unwrap()
            .bars,
        daily: read_daily(&daily).unwrap(),
    })
}
