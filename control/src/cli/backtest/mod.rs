//! `control backtest`: a model over an experiment's holdout, computed in this process.
//!
//! Costs, fills, window and criteria come from the experiment alone. A look at a holdout is counted: it is recorded with the server before
//! a figure is shown, or, with `--unregistered`, everything that is written says that it was not.

mod candidate;
mod look;
mod progress;
mod written;

use std::path::PathBuf;

use backtest::causality;
use backtest::market::Market;
use backtest::metrics::measure_all;
use backtest::run::{RunError, RunOptions, run as run_backtest};
use backtest::vote::{Facts, criteria};
use commandline::inputs::{BarArgs, daily};
use contracts::evidence::{CriterionName, CriterionResult, ExecutionSettings};
use contracts::experiment::FillRule;
use serde_json::{Value, json};

use self::candidate::ModelArgs;
use self::written::Written;
use super::experiment_file::ExperimentArgs;
use super::out::Sink;
use super::remote::{ServerArgs, Who};
use super::table::fields;
use super::{CliError, Exit, block_on, evidence, threads};

/// What stands on everything that an uncounted look leaves.
const UNREGISTERED: &str =
    "unregistered: this look at the holdout was not counted, so no figure here may go into a proposal";

/// Options of `control backtest`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Writes OUT/equity.parquet (a row per bar), OUT/trades.parquet, OUT/metrics.json and, with --report, one HTML page whose charts need no network.
Money is in quote currency, rates in fractions unless a name says bps, times in UTC. The fingerprint is the same for every run of the same
inputs, whatever --threads and --bar-by-bar say. Criteria that need the production model or the training bars are not judged here.

The look is told to the server before a figure is shown, which needs the role researcher or a token with research:write, and the experiment
registered; tables, figures and page are kept there too. With --unregistered nobody is asked, min_dsr is not judged, and everything that is written says so.

Exit codes: 0 done; 1 the model looks ahead; 2 the command line is wrong; 65 a file is not acceptable; 66 a file cannot be read; 69 ONNX
Runtime is missing, or the look cannot be recorded; 74 an output cannot be written.

Examples:
  control backtest --experiment e.yaml --model ppo.onnx --norm-stats norm_stats.json --bars bars.parquet --stamp close --out runs/0
  control backtest --unregistered --experiment config/experiments/usdcop_ppo_baseline.yaml --model ppo.onnx --norm-stats norm_stats.json \\
      --bars usdcop_5m.csv.gz --stamp open --macro macro_daily.csv --out runs/1 --report runs/1/report.html
  control backtest --unregistered --experiment e.yaml --contract contract.json --artifacts artifacts --bars bars.parquet --stamp close \\
      --out runs/2 --json")]
pub struct Args {
    #[command(flatten)]
    experiment: ExperimentArgs,
    #[command(flatten)]
    model: ModelArgs,
    /// Five-minute bars of the experiment's instrument: .csv, .csv.gz or .parquet. Those before the window warm the features up.
    #[arg(long, value_name = "FILE")]
    bars: PathBuf,
    #[command(flatten)]
    read: BarArgs,
    /// Daily values, one column per series the features name.
    #[arg(long = "macro", value_name = "FILE")]
    daily: Option<PathBuf>,
    /// Where to write; made where it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Writes a page for people.
    #[arg(long, value_name = "HTML")]
    report: Option<PathBuf>,
    /// Looks without being counted; everything that is written says so.
    #[arg(long)]
    unregistered: bool,
    /// Threads of the inference; as many as there are cores without it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Decides bar by bar as live does, in one thread: slower, same result.
    #[arg(long)]
    bar_by_bar: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs the verb.
///
/// # Errors
/// See the exit codes of its help.
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    let who = if args.unregistered {
        Who::Nobody
    } else {
        Who::Anybody
    };
    let mut remote = args.server.remote(who, out)?;
    let experiment = args.experiment.read()?.contract;
    let market = Market {
        instrument: experiment.frozen.data.instrument.clone(),
        bars: args.read.read(&args.bars)?.bars,
        daily: args.daily.as_deref().map(daily).transpose()?.unwrap_or_default(),
    };
    let loaded = args.model.load(&experiment, &market)?;
    let (window, settings) = (
        experiment.frozen.data.test,
        ExecutionSettings::from(&experiment.frozen.environment),
    );
    let options = RunOptions {
        threads: threads(args.threads),
        batched: !args.bar_by_bar,
    };
    let outcome = progress::shown(|progress| {
        run_backtest(loaded.candidate(), &market, window, &settings, options, progress)
    })
    .map_err(|error| refused(args, error))?;
    let checked = causality::check(
        loaded.candidate(),
        &market,
        window,
        &settings,
        options,
        &outcome.fingerprint,
    )
    .map_err(|error| refused(args, error))?;
    let told = look::told(&outcome, loaded.bundle_hash);
    let trials = if args.unregistered {
        None
    } else {
        Some(block_on(look::count(
            &mut remote,
            &told,
            outcome.sessions.len(),
        ))??)
    };
    let measured = measure_all(&outcome, trials.as_ref());
    let facts = Facts {
        metrics: &measured.metrics,
        resamples: measured.resamples.as_ref(),
        sessions_per_year: outcome.sessions_per_year,
        baseline: None,
        drift: &[],
    };
    let judged = criteria(&experiment.frozen.evaluation.success_criteria, &facts);
    let judged: Vec<CriterionResult> = judged
        .into_iter()
        .filter(|row| here(row, trials.is_some()))
        .collect();
    let caveats = caveats(args, &settings, checked.look_ahead.as_deref());
    let written = Written {
        title: &format!("{} under {}", loaded.name, experiment.contract_id),
        outcome: &outcome,
        metrics: &measured.metrics,
        criteria: &judged,
        caveats: &caveats,
    };
    let made = written.files()?;
    let files = made.write(&args.out, args.report.as_deref())?;
    let backtest_id = if args.unregistered {
        Value::Null
    } else {
        let body = json!({"contract_id": experiment.contract_id, "look": told, "metrics": measured.metrics});
        block_on(look::record(&mut remote, body, &made))??
    };
    let document = json!({
        "contract_id": experiment.contract_id, "bundle_hash": loaded.bundle_hash, "instrument": market.instrument,
        "window": window, "fingerprint": outcome.fingerprint, "bars": outcome.bars.len(), "ruined": outcome.ruined,
        "unregistered": args.unregistered, "backtest_id": backtest_id,
        "looks": trials.map(|trials| trials.looks()), "causality": checked, "counts": outcome.counts, "criteria": judged,
        "metrics": measured.metrics, "caveats": caveats, "files": files,
    });
    remote.answer(&document, &shown(&document))?;
    match &checked.look_ahead {
        None => Ok(()),
        Some(what) => Err(CliError::new(
            Exit::Differs,
            format!("the model looks ahead: {what}"),
            "find the feature that reads what it could not have had",
        )),
    }
}

fn refused(args: &Args, error: RunError) -> CliError {
    let exit = match &error {
        RunError::Source(_) | RunError::Infer(_) => Exit::Unavailable,
        _ => Exit::Data,
    };
    CliError::new(
        exit,
        format!("{} gives no backtest of this experiment", args.bars.display()),
        "give bars and daily values that cover the window, as the message says",
    )
    .caused_by(error)
}

/// Criteria that can be judged without the training bars, and where the look was not counted without the ledger.
fn here(row: &CriterionResult, counted: bool) -> bool {
    match row.name {
        CriterionName::MinDsr => counted,
        name => name != CriterionName::MaxPsi,
    }
}

fn caveats(args: &Args, settings: &ExecutionSettings, look_ahead: Option<&str>) -> Vec<String> {
    let mut caveats = Vec::new();
    if args.unregistered {
        caveats.push(UNREGISTERED.to_owned());
    }
    caveats.extend(look_ahead.map(|what| format!("look_ahead: {what}")));
    if settings.fill == FillRule::SameClose {
        caveats.push("orders fill at the close they were decided on: for comparison only".to_owned());
    }
    caveats.push("carry is ignored".to_owned());
    caveats
}

fn shown(document: &Value) -> String {
    let mut text = fields(
        document,
        &[
            ("experiment", "/contract_id"),
            ("instrument", "/instrument"),
            ("from", "/window/start"),
            ("to", "/window/end"),
            ("bars", "/bars"),
            ("fingerprint", "/fingerprint"),
            ("look no. at this window", "/looks/number"),
            ("backtest", "/backtest_id"),
            ("ruined at", "/ruined"),
            ("look-ahead", "/causality/look_ahead"),
        ],
    );
    text.push_str("\nCriteria\n");
    text.push_str(&evidence::criteria(&document["criteria"]));
    text.push_str("\nFigures\n");
    text.push_str(&evidence::figures(&document["metrics"]));
    text.push('\n');
    text.push_str(&evidence::notes(&document["caveats"]));
    for file in document["files"].as_array().into_iter().flatten() {
        text.push_str(&format!("wrote {}\n", super::table::cell(file)));
    }
    text
}
