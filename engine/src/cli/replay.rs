//! `engine replay`: files through the same core, the same messages as on the WebSocket.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contracts::ids::InstrumentId;
use contracts::signing::{KeyPurpose, PublicKey, TrustedKey, TrustedKeys};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::tape::tape_of;
use super::{CliError, Exit, OrExit};
use crate::bundle::build::verify;
use crate::bundle::{BuildOptions, BundleCell, Holder, Verified};
use crate::clock::SystemClock;
use crate::core::counters::REASON_WORDS;
use crate::core::{ClockMode, Core, CoreOptions};
use crate::drivers::load::{ArtifactDir, fresh_bundle, keep, listed, series_of};
use crate::drivers::outlet::{Numbers, Outlet};
use crate::drivers::pump::Pump;
use crate::drivers::replay::{Lines, confirmation, inputs, run as replay};
use crate::drivers::start::begin_journal;
use crate::feeds::file_server::Tape;
use crate::journal::JournalOptions;
use commandline::inputs::BarArgs;

/// Run bar files through a contract's model and write the messages a live engine would send; or verify a journal.
#[derive(Debug)]
pub enum Args {
    /// Bar files.
    Files(Box<Files>),
    /// A journal, and the keys its contracts must be signed with.
    Verify(super::verify::Args, Vec<String>),
}

impl clap::Args for Args {
    fn augment_args(command: clap::Command) -> clap::Command {
        let mut command = super::verify::Args::augment_args(Files::augment_args(command))
            .mut_arg("verify", |arg| arg.required(false));
        for id in ["contract", "artifacts", "bars", "stamp", "out"] {
            command = command.mut_arg(id, |arg| arg.required(false).required_unless_present("verify"));
        }
        command
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Args {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        if !matches.contains_id("verify") {
            return Files::from_arg_matches(matches).map(|files| Self::Files(Box::new(files)));
        }
        let keys = matches.get_many::<String>("trusted_key").unwrap_or_default();
        let verify = super::verify::Args::from_arg_matches(matches)?;
        Ok(Self::Verify(verify, keys.cloned().collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Run bar files through a contract's model and write the messages a live engine would send; or verify a journal.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The messages are those of /v1/signals, one JSON object per line. A voted contract counts as confirmed by a directive. Hashes are always checked; signatures against --trusted-key,
and without one `signature: not pinned` is said on stderr.

Examples:
  engine replay --contract demo/contract.json --artifacts demo/artifacts --bars usdcop_5m.csv.gz --stamp open --instrument USDCOP --macro macro_daily.csv --out signals.jsonl
  engine replay --contract c.json --artifacts artifacts --bars BTC.parquet --stamp close --out s.jsonl --journal /tmp/journal
  engine replay --verify /tmp/journal")]
pub struct Files {
    /// The production contract.
    #[arg(long, value_name = "FILE")]
    pub contract: PathBuf,
    /// The directory with its artifacts, one file per SHA-256.
    #[arg(long, value_name = "DIR")]
    pub artifacts: PathBuf,
    /// A file of bars (.csv, .csv.gz, .parquet); once per instrument.
    #[arg(long, required = true, value_name = "FILE")]
    pub bars: Vec<PathBuf>,
    /// Whose bars, in the order of --bars; without it the contract's only instrument, else the files' names.
    #[arg(long, value_name = "NAME")]
    pub instrument: Vec<InstrumentId>,
    /// How they are read.
    #[command(flatten)]
    pub read: BarArgs,
    /// A file of daily values.
    #[arg(long = "macro", value_name = "FILE")]
    pub daily: Option<PathBuf>,
    /// Where the messages go; `-` is stdout.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Also write a journal into this empty directory.
    #[arg(long, value_name = "DIR")]
    pub journal: Option<PathBuf>,
    /// A key the contract must be signed with: 64 hex characters.
    #[arg(long, value_name = "PUBLIC_KEY")]
    pub trusted_key: Vec<String>,
    /// Most bars inferred together; the messages do not depend on it.
    #[arg(long, default_value_t = strategy::limits::BATCH_ROWS_MAX, value_name = "ROWS")]
    pub batch: usize,
}

/// Replays, or verifies.
///
/// # Errors
/// [`Exit::Refused`] when the contract is not carried by the given keys, [`Exit::Data`] and [`Exit::NoInput`] for the files; for
/// `--verify` see [`super::verify::run_verify`].
pub fn run(args: &Args) -> Result<(), CliError> {
    match args {
        Args::Files(files) => replay_files(files),
        Args::Verify(args, keys) => super::verify::run_verify(args, trusted(keys)?),
    }
}

fn replay_files(args: &Files) -> Result<(), CliError> {
    let json = std::fs::read(&args.contract).or_exit(
        Exit::NoInput,
        format!("{} cannot be read", args.contract.display()),
        "check the path",
    )?;
    let build = BuildOptions {
        serves: None,
        trusted: trusted(&args.trusted_key)?,
        cores: 1,
        clock: SystemClock::shared(),
    };
    let verified = verify(&json, &build, None).or_exit(
        Exit::Refused,
        format!("the contract {} is refused", args.contract.display()),
        "take the contract as it was issued, or the key it was signed with",
    )?;
    let tape = tape(args, &verified)?;
    let options = options(&tape, &verified, args.batch);
    let mut artifacts = ArtifactDir::new(&args.artifacts);
    let bundle = fresh_bundle(&verified, &build, &mut artifacts, std::slice::from_ref(&options)).or_exit(
        Exit::Data,
        "the contract's model cannot be run",
        "give the artifacts it was issued with, under --artifacts",
    )?;
    let cell = Arc::new(BundleCell::default());
    let core = Core::new(options.clone(), Holder::new(Arc::clone(&cell), 0));
    let numbers = match &args.journal {
        None => Numbers::Counted {
            next_lsn: 1,
            next_seq: 1,
        },
        Some(dir) => {
            let cannot = || format!("no journal can be begun in {}", dir.display());
            keep(dir, &verified, &json, &mut artifacts).or_exit(
                Exit::Io,
                cannot(),
                "check path, rights and room",
            )?;
            let writer = begin_journal(
                dir,
                JournalOptions::default(),
                &options,
                build.clock.now(),
                &verified,
            )
            .or_exit(Exit::Io, cannot(), "name a new or empty directory")?;
            Numbers::Journal(Box::new(writer))
        }
    };
    let sink: Box<dyn std::io::Write + Send> = if args.out == Path::new("-") {
        Box::new(std::io::stdout())
    } else {
        let cannot = || format!("{} cannot be written", args.out.display());
        Box::new(File::create(&args.out).or_exit(Exit::Io, cannot(), "check path, rights and room")?)
    };
    let mut pump = Pump::new(core, Outlet::new(numbers, Lines::new(sink)), build.clock.clone());
    cell.publish(Arc::clone(&bundle));
    let bar = progress(tape.bars_total() as u64);
    let bars = inputs(&tape, &options.instruments, &options.series);
    let stream = confirmation(&verified.contract).into_iter().chain(bars);
    replay(&mut pump, stream, |n| bar.inc(n)).or_exit(Exit::Io, "the replay stopped", "see the message")?;
    bar.finish_and_clear();
    finish(pump)
}

fn finish(pump: Pump<Lines<Box<dyn std::io::Write + Send>>>) -> Result<(), CliError> {
    let (core, outlet) = pump.into_parts();
    let counters = core.counters();
    let reasons = REASON_WORDS
        .iter()
        .zip(&counters.withheld)
        .filter(|(_, n)| **n > 0);
    let reasons: Vec<String> = reasons.map(|(word, n)| format!("{word} {n}")).collect();
    tracing::info!(
        bars = counters.bars,
        accepted = counters.accepted,
        signals = counters.signals,
        withheld = reasons.join(", "),
        "replayed"
    );
    let (numbers, mut lines) = outlet.into_parts();
    lines
        .flush()
        .or_exit(Exit::Io, "the messages cannot be written", "check room")?;
    if let Numbers::Journal(writer) = numbers {
        writer.stop(SystemClock::shared().now()).or_exit(
            Exit::Io,
            "the journal cannot be ended",
            "check room",
        )?;
    }
    Ok(())
}

fn trusted(keys: &[String]) -> Result<Option<TrustedKeys>, CliError> {
    if keys.is_empty() {
        tracing::warn!("signature: not pinned (pass --trusted-key to check it)");
        return Ok(None);
    }
    let mut trusted = Vec::new();
    for key in keys {
        let public_key = PublicKey::parse(key).or_exit(
            Exit::Usage,
            format!("--trusted-key {key} cannot be read"),
            "give 64 lower-case hex characters",
        )?;
        let purposes = [KeyPurpose::Contract, KeyPurpose::Backtest, KeyPurpose::Vote];
        trusted.extend(purposes.map(|purpose| TrustedKey { purpose, public_key }));
    }
    Ok(Some(TrustedKeys::new(trusted)))
}

fn tape(args: &Files, verified: &Verified) -> Result<Tape, CliError> {
    let only = match listed(&verified.contract) {
        Some([only]) if args.instrument.is_empty() && args.bars.len() == 1 => vec![only.clone()],
        _ => args.instrument.clone(),
    };
    let features = &verified.contract.feature_contract;
    tape_of(
        &args.bars,
        &only,
        &args.read,
        args.daily.as_deref(),
        Some(features),
    )
}

fn options(tape: &Tape, verified: &Verified, batch_rows_max: usize) -> CoreOptions {
    let instruments: Vec<InstrumentId> = tape.instruments().cloned().collect();
    CoreOptions {
        clock: ClockMode::Feed,
        series: series_of(&verified.contract),
        batch_rows_max,
        ..CoreOptions::single(instruments.into())
    }
}

/// Bars per second on a terminal; nothing where stderr is a file.
fn progress(bars: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(bars), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} bars, {per_sec}, {eta} left");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
