//! `engine bench`: how fast a bar becomes a record on this machine, stage by stage.

use std::path::{Path, PathBuf};

use contracts::ids::InstrumentId;
use contracts::norm_stats::NormStats;
use contracts::production::ProductionContract;
use strategy::plan::FeaturePlan;
use strategy::policy::source::Graph;

use super::out::Stdout;
use super::tape::tape_of;
use super::{CliError, Exit, OrExit};
use crate::bench::subject::Model;
use crate::bench::{Plan, Subject, SubjectError, machine, market, measure, report, stages};
use crate::bundle::build::{load, verify};
use crate::bundle::{ArtifactSource as _, BuildOptions};
use crate::clock::SystemClock;
use crate::drivers::load::{ArtifactDir, listed};
use crate::feeds::file_server::Tape;
use commandline::inputs::{BarArgs, OnBadArg, StampArg};

/// Measure a bar's way through the core on this machine, stage by stage.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without --contract a policy of the usual size (15-64-64-1) is made from a seed; without --bars a market is. Nothing is written.
Stages take turns in blocks; a ratio is the median over the blocks that ran side by side. Single operations are timed besides,
for their quantiles. Not measured: the feed's socket and text, the journal's write, JSON, the clients' sockets.

Examples:
  engine bench
  engine bench --bars usdcop_5m.csv.gz --stamp open --macro macro_daily.csv --instrument USDCOP
  engine bench --contract demo/contract.json --artifacts demo/artifacts --json > figures.json")]
pub struct Args {
    /// A production contract, whose policy is measured.
    #[arg(long, value_name = "FILE", requires = "artifacts")]
    pub contract: Option<PathBuf>,
    /// The directory with its artifacts, one file per SHA-256.
    #[arg(long, value_name = "DIR", requires = "contract")]
    pub artifacts: Option<PathBuf>,
    /// Bars of one instrument (.csv, .csv.gz, .parquet).
    #[arg(long, value_name = "FILE", requires = "stamp")]
    pub bars: Option<PathBuf>,
    /// What their time column holds.
    #[arg(long, value_enum, value_name = "END", requires = "bars")]
    pub stamp: Option<StampArg>,
    /// Whose bars; without it the contract's only instrument, else the file's name.
    #[arg(long, value_name = "NAME")]
    pub instrument: Option<InstrumentId>,
    /// A file of daily values for the bars.
    #[arg(long = "macro", value_name = "FILE", requires = "bars")]
    pub daily: Option<PathBuf>,
    /// Seed of what is generated.
    #[arg(long, default_value_t = 7, value_name = "NUMBER")]
    pub seed: u64,
    /// A few short blocks: shows that it runs, measures nothing worth quoting.
    #[arg(long)]
    pub quick: bool,
    /// One JSON object instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// Bars generated where none are given.
const BARS: usize = 100_000;
/// The same under --quick.
const BARS_QUICK: usize = 2_000;

/// Measures and prints.
///
/// # Errors
/// [`Exit::NoInput`] and [`Exit::Data`] for the files, [`Exit::Refused`] for the contract, [`Exit::Unavailable`] when neither
/// executor can run the policy.
pub fn run(args: &Args) -> Result<(), CliError> {
    let subject = subject(args)?;
    if let Some(warning) = machine::warning() {
        tracing::warn!("{warning}");
    }
    let mut all = stages::all(&subject);
    for reason in &all.left_out {
        tracing::warn!("left out: {reason}");
    }
    if all.left_out.len() > 1 {
        return Err(CliError::new(
            Exit::Unavailable,
            "neither executor can run the policy",
            "see the lines above; `cargo xtask setup` fetches ONNX Runtime",
        ));
    }
    let plan = if args.quick { Plan::QUICK } else { Plan::FULL };
    let rows = measure(&mut all.stages, plan);
    let ratios = report::ratios(&rows, &stages::RATIOS);
    let mut out = Stdout::buffered();
    if args.json {
        let mut object = report::json(&rows, &ratios);
        object["subject"] =
            serde_json::json!({"policy": subject.name, "bars": subject.bars, "bars_decided": subject.full});
        object["left_out"] = all.left_out.into();
        object["excluded"] = stages::EXCLUDED.into();
        out.line(object)?;
    } else {
        out.line(format_args!(
            "policy: {}\nbars: {}, {} of them decided\n{}{}",
            subject.name,
            subject.bars,
            subject.full,
            report::machine_text(),
            report::table(&rows)
        ))?;
        out.line(report::ratios_text(&ratios))?;
        out.line(format_args!("not in these figures: {}", stages::EXCLUDED))?;
        for reason in &all.left_out {
            out.line(format_args!("left out: {reason}"))?;
        }
        if let Some(warning) = machine::warning() {
            out.line(warning)?;
        }
    }
    out.finish()
}

fn subject(args: &Args) -> Result<Subject, CliError> {
    let made = match (&args.contract, &args.artifacts) {
        (Some(contract), Some(artifacts)) => of_contract(args, contract, artifacts)?,
        _ => {
            let tape = tape(args, None)?;
            Subject::seeded(args.seed, generated(args), tape.as_ref())
        }
    };
    made.or_exit(Exit::Data, "there is nothing to measure", "see the message")
}

const fn generated(args: &Args) -> usize {
    if args.quick { BARS_QUICK } else { BARS }
}

fn tape(args: &Args, contract: Option<&ProductionContract>) -> Result<Option<Tape>, CliError> {
    let (Some(bars), Some(stamp)) = (&args.bars, args.stamp) else {
        return Ok(None);
    };
    let read = BarArgs {
        stamp,
        columns: None,
        on_bad: OnBadArg::Refuse,
    };
    let named: Vec<InstrumentId> = instrument(args, contract).into_iter().collect();
    let features = contract.map(|contract| &contract.feature_contract);
    let bars = std::slice::from_ref(bars);
    tape_of(bars, &named, &read, args.daily.as_deref(), features).map(Some)
}

/// As named, else the only one that the contract lists.
fn instrument(args: &Args, contract: Option<&ProductionContract>) -> Option<InstrumentId> {
    let only = || match contract.and_then(listed) {
        Some([only]) => Some(only.clone()),
        _ => None,
    };
    args.instrument.clone().or_else(only)
}

/// The contract's policy, after everything an engine checks before it runs one.
fn of_contract(
    args: &Args,
    path: &Path,
    artifacts: &Path,
) -> Result<Result<Subject, SubjectError>, CliError> {
    let json = std::fs::read(path).or_exit(
        Exit::NoInput,
        format!("{} cannot be read", path.display()),
        "check the path",
    )?;
    let build = BuildOptions {
        serves: None,
        trusted: None,
        cores: 1,
        clock: SystemClock::shared(),
    };
    let contract = verify(&json, &build, None)
        .or_exit(
            Exit::Refused,
            format!("the contract {} is refused", path.display()),
            "take the contract as it was issued",
        )?
        .contract;
    let mut artifacts = ArtifactDir::new(artifacts);
    let remedy = "give the artifacts it was issued with, under --artifacts";
    load(&contract, &build, &mut artifacts).or_exit(
        Exit::Data,
        "the contract's model cannot be run",
        remedy,
    )?;
    let names = &contract.artifacts;
    let mut read = |hash| {
        artifacts
            .artifact(hash, contracts::limits::MODEL_BYTES_MAX)
            .or_exit(Exit::Data, "an artifact of the contract cannot be read", remedy)
    };
    let stats = NormStats::parse(&read(names.norm_stats)?).or_exit(
        Exit::Data,
        "the contract's norm stats do not parse",
        remedy,
    )?;
    let (graph, bytes) = match names.exec {
        Some(hash) => (Graph::Reduced, read(hash)?),
        None => (Graph::Original, read(names.model)?),
    };
    let model = Model {
        bytes,
        graph,
        output: contract.action.output.clone(),
        rule: contract.action.rule.clone(),
    };
    let features = contract.feature_contract.clone();
    let tape = match tape(args, Some(&contract))? {
        Some(tape) => tape,
        None => generated_for(args, &contract)?,
    };
    Ok(Subject::of(
        format!("{}, generation {}", contract.model_id, contract.generation),
        features,
        stats,
        model,
        &tape,
    ))
}

fn generated_for(args: &Args, contract: &ProductionContract) -> Result<Tape, CliError> {
    let features = &contract.feature_contract;
    let instrument = instrument(args, Some(contract))
        .or_else(|| features.price_bounds.keys().next().cloned())
        .or_else(|| listed(contract).and_then(|names| names.first().cloned()))
        .map_or_else(|| InstrumentId::parse("BENCH"), Ok)
        .or_exit(Exit::Software, "the built-in instrument's name is refused", "")?;
    let plan = FeaturePlan::new(features).or_exit(
        Exit::Data,
        "the contract's features do not compile",
        "see the message",
    )?;
    market::tape(&plan, features, &instrument, generated(args), args.seed).or_exit(
        Exit::Software,
        "the generated bars make no feed",
        "",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::testing;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parsed(words: &[&str]) -> Result<Args, clap::Error> {
        let words = std::iter::once("bench").chain(words.iter().copied());
        <Line as clap::Parser>::try_parse_from(words).map(|line| line.args)
    }

    #[test]
    fn a_contract_needs_its_artifacts_and_bars_their_stamp() {
        for bad in [
            &["--contract", "c.json"][..],
            &["--bars", "b.csv"],
            &["--macro", "m.csv"],
        ] {
            assert!(parsed(bad).is_err(), "{bad:?}");
        }
        assert!(parsed(&[]).is_ok());
    }

    #[test]
    fn a_contract_is_measured_over_generated_bars() {
        let folder = tempfile::tempdir().unwrap();
        let made = testing::made(1, 1);
        let contract = folder.path().join("contract.json");
        std::fs::write(&contract, &made.json).unwrap();
        for (hash, bytes) in &made.artifacts {
            std::fs::write(folder.path().join(hash.to_hex()), bytes).unwrap();
        }
        let (file, dir) = (contract.to_str().unwrap(), folder.path().to_str().unwrap());
        let args = parsed(&["--contract", file, "--artifacts", dir, "--quick"]).unwrap();
        let subject = subject(&args).unwrap();
        assert!(subject.name.starts_with("local-"), "{}", subject.name);
        assert_eq!(subject.features.width(), testing::WIDTH);
        assert!(subject.full > 1_900, "{}", subject.full);
        run(&args).unwrap();

        std::fs::remove_file(folder.path().join(made.contract.artifacts.norm_stats.to_hex())).unwrap();
        assert_eq!(run(&args).unwrap_err().exit(), Exit::Data);
    }

    #[test]
    fn bars_of_a_file_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("USDCOP.csv");
        std::fs::write(&path, "time,open,high,low,close\n2026-01-05T13:05:00Z,1,1,1,1\n").unwrap();
        let args = parsed(&["--bars", path.to_str().unwrap(), "--stamp", "close"]).unwrap();
        let error = run(&args).unwrap_err();
        assert!(
            error.exit() == Exit::Data && error.report().contains("0 of 1 bars"),
            "{}",
            error.report()
        );
    }
}
