//! What the demo trains: the shipped experiment on the generated market, or one made for bars of your own.

use std::path::{Path, PathBuf};

use super::bars::{Bars, Cut, Stamp};
use super::{INSTRUMENT, program, settings};
use crate::runner;

/// The generated market: its seed, and its first and last day. The experiment's holdout ends before the live days.
const SEED: &str = "7";
const FIRST_DAY: &str = "2022-01-03";
const LAST_DAY: &str = "2025-07-31";
/// Of your own sessions, in tenths: to learn from, and to stop by; the rest is held out.
const TRAIN_TENTHS: usize = 7;
const VALIDATION_TENTHS: usize = 1;
/// Fewer sessions than this teach nothing: each window needs some.
const SESSIONS_MIN: usize = 60;

/// Where everything about the training lies.
pub struct Subject {
    /// The experiment.
    pub experiment: PathBuf,
    /// What the bars are.
    pub bars_source: PathBuf,
    /// What the daily values are.
    pub macro_source: Option<PathBuf>,
}

/// Generates the market.
pub fn generate(programs: &Path, folder: &Path) -> Result<Bars, String> {
    let words = [
        "synthetic",
        "--kind",
        "edge",
        "--seed",
        SEED,
        "--from",
        FIRST_DAY,
        "--to",
        LAST_DAY,
        "--out",
    ];
    let mut command = program(programs, "control", &words);
    runner::run(
        command
            .arg(folder)
            .args(["--instrument", INSTRUMENT])
            .stdout(std::io::stderr()),
    )?;
    Ok(Bars {
        file: folder.join(format!("{INSTRUMENT}.csv")),
        stamp: Stamp::Close,
        macros: Some(folder.join("macro.csv")),
    })
}

impl Subject {
    /// The shipped files.
    pub fn generated() -> Self {
        let config = |path: &str| runner::root().join("config").join(path);
        Self {
            experiment: config("experiments/demo_edge.yaml"),
            bars_source: config("sources/synthetic_bars.yaml"),
            macro_source: Some(config("sources/synthetic_macro.yaml")),
        }
    }

    /// Files for bars of your own, written into `folder`.
    pub fn of(bars: &Bars, cut: &Cut, folder: &Path, steps: u64) -> Result<Self, String> {
        let put = |name: &str, text: String| -> Result<PathBuf, String> {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok(path)
        };
        let windows = Windows::of(&cut.history_dates)?;
        let series = bars.macros.as_deref().map(series).transpose()?;
        let calendar = if series.is_some() { "usdcop" } else { "crypto_24x7" };
        Ok(Self {
            experiment: put(
                "experiment.yaml",
                windows.experiment(series.is_some(), calendar, steps),
            )?,
            bars_source: put("source_bars.yaml", bars_source(bars, calendar))?,
            macro_source: series
                .map(|series| put("source_macro.yaml", macro_source(&series)))
                .transpose()?,
        })
    }
}

/// First and last date of train, validation and test.
#[derive(Debug, PartialEq, Eq)]
struct Windows<'a>([(&'a str, &'a str); 3]);

impl<'a> Windows<'a> {
    fn of(dates: &'a [String]) -> Result<Self, String> {
        if dates.len() < SESSIONS_MIN {
            return Err(format!(
                "the bars before the live ones have {} dates, a training needs {SESSIONS_MIN}",
                dates.len()
            ));
        }
        let train = dates.len() * TRAIN_TENTHS / 10;
        let validation = train + dates.len() * VALIDATION_TENTHS / 10;
        let of = |from: usize, to: usize| (dates[from].as_str(), dates[to - 1].as_str());
        Ok(Self([
            of(0, train),
            of(train, validation),
            of(validation, dates.len()),
        ]))
    }

    fn experiment(&self, macros: bool, calendar: &str, steps: u64) -> String {
        let [train, validation, test] = self.0;
        let window =
            |name: &str, (start, end): (&str, &str)| format!("  {name}: {{start: {start}, end: {end}}}\n");
        let (contract, version) = if macros {
            ("usdcop_15", "2.1.0")
        } else {
            ("technical_8", "1.0.0")
        };
        format!(
            "experiment: {{name: demo_own, version: 1.0.0, description: bars of your own}}\n\
             slot: {slot}\ndata:\n  instrument: {INSTRUMENT}\n  calendar: {calendar}\n{train}{validation}{test}\
             features: {{contract: {contract}, version: {version}}}\n\
             environment:\n  initial_capital: 100000\n  position_size: 1.0\n  transaction_cost_bps: 5\n  slippage_bps: 0\n  \
             fill: next_open\n  overnight: hold\n  stale_after_bars: 12\n  position_source: signal\n  \
             action: {{kind: continuous, long_above: 0.33, short_below: -0.33}}\n\
             training: {{trainer: ppo, total_timesteps: {steps}, seed: 42, learning_rate: 3.0e-4, n_steps: 512, batch_size: 256, n_epochs: 4,\n  \
             gamma: 0.9, gae_lambda: 0.95, clip_range: 0.2, ent_coef: 0.005, vf_coef: 0.5, max_grad_norm: 0.5, net_arch: [64, 64]}}\n\
             reward: {{weights: {{pnl: 0.6, transaction_cost: 0.4}}}}\n\
             evaluation:\n  success_criteria: {{min_sharpe: 0.5, max_drawdown: 0.15, min_win_rate: 0.45, min_trades: 50, improvement_threshold: 0.05}}\n",
            slot = settings::SLOT,
            train = window("train", train),
            validation = window("validation", validation),
            test = window("test", test),
        )
    }
}

/// The columns of a file of daily values.
fn series(file: &Path) -> Result<Vec<String>, String> {
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let head = text.lines().next().unwrap_or_default();
    let names: Vec<String> = head
        .split(',')
        .skip(1)
        .map(|name| name.trim().to_owned())
        .collect();
    if names.is_empty() {
        return Err(format!("{} has no column beside the date", file.display()));
    }
    Ok(names)
}

fn bars_source(bars: &Bars, calendar: &str) -> String {
    format!(
        "kind: bars\nid: demo_bars\nvendor: own\nvendor_id: {INSTRUMENT}\ninstrument: {INSTRUMENT}\ncalendar: {calendar}\ninterval: 5min\n\
         stamp: {}\nzone: UTC\n",
        bars.stamp.word()
    )
}

fn macro_source(series: &[String]) -> String {
    let mut text = "kind: daily\nid: demo_macro\ndate: date\nseries:\n".to_owned();
    for name in series.iter().filter(|name| *name != "arrived_at") {
        text.push_str(&format!(
            "  - {{series: {name}, vendor: own, vendor_id: {name}}}\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_follow_each_other_and_leave_no_session_out() {
        let dates: Vec<String> = (0..100).map(|n| format!("d{n:02}")).collect();
        let windows = Windows::of(&dates).expect("enough dates");
        assert_eq!(windows, Windows([("d00", "d69"), ("d70", "d79"), ("d80", "d99")]));
        assert!(Windows::of(&dates[..SESSIONS_MIN - 1]).is_err());
    }
}
