//! `engine replay --verify DIR`: recomputes every record of a journal and names the first that differs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use contracts::signing::TrustedKeys;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::out::Stdout;
use super::{CliError, Exit, OrExit};
use crate::bundle::{BuildOptions, RefusedReason};
use crate::clock::SystemClock;
use crate::drivers::verify::{ContractStore, ModelError, RAW_TOLERANCE, Summary, VerifyError, verify};
use crate::journal::{JournalReader, ReadError, RealDisk};

/// Records between two looks at the progress bar.
const PROGRESS_EVERY: u64 = 1_024;

/// What `--verify` needs.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Recompute features, observation, raw output, action, position and reason of every record of the journal in this directory.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = ["contract", "artifacts", "bars", "instrument", "stamp", "columns", "daily", "out", "journal"]
    )]
    pub verify: PathBuf,
    /// Where `contracts/` and `artifacts/` of the journal lie, when not in its own directory.
    #[arg(long, value_name = "DIR", requires = "verify")]
    pub contracts: Option<PathBuf>,
}

/// Verifies a journal; `trusted` are the keys its contracts must be signed with.
///
/// # Errors
/// [`Exit::Differs`] with the first difference, [`Exit::OtherNumerics`] when bits could not be compared but nothing else differs,
/// [`Exit::NoInput`] and [`Exit::Data`] for a journal or contract that cannot be read.
pub fn run_verify(args: &Args, trusted: Option<TrustedKeys>) -> Result<(), CliError> {
    let dir = &args.verify;
    let reader =
        JournalReader::offline(Arc::new(RealDisk::unlocked(dir))).map_err(|error| unreadable(dir, error))?;
    if reader.segments().is_empty() {
        return Err(CliError::new(
            Exit::NoInput,
            format!("{} holds no journal", dir.display()),
            "name the directory with the .seg files",
        ));
    }
    let build = BuildOptions {
        serves: None,
        trusted,
        cores: 1,
        clock: SystemClock::shared(),
    };
    let mut store = ContractStore::new(args.contracts.as_ref().unwrap_or(dir), build);
    let bar = progress();
    let outcome = verify(&reader, &mut store, |done, all| {
        if done % PROGRESS_EVERY == 0 {
            bar.set_length(all);
            bar.set_position(done);
        }
    });
    bar.finish_and_clear();
    let summary = outcome.map_err(|error| failed(dir, error))?;
    say(&summary)?;
    match summary.other_numerics {
        None => Ok(()),
        Some(why) => Err(CliError::new(
            Exit::OtherNumerics,
            format!(
                "bits were not compared: {why}; actions agree and raw outputs lie within {RAW_TOLERANCE}"
            ),
            "verify on a machine with the contract's numerics to compare bits",
        )),
    }
}

fn say(summary: &Summary) -> Result<(), CliError> {
    let Summary {
        records,
        bars,
        signals,
        segments,
        starts,
        snapshots,
        last_lsn,
        synced_lsn,
        ..
    } = summary;
    let mut out = Stdout::buffered();
    out.line(format_args!(
        "verified: {records} records, {bars} bars, {signals} signals, {snapshots} snapshots in {segments} segments, {starts} starts, {} generations",
        summary.generations.len()
    ))?;
    let notes = [
        (
            summary.bars_on_given_operators,
            "bars stand on operators that came from outside the journal's bars (a warm-up, or deleted segments)",
        ),
        (
            summary.skipped,
            "records lie before the first snapshot of their core and were not recomputed",
        ),
        (
            summary.unfinished,
            "records belong to a batch that was not written whole",
        ),
        (
            summary.owed,
            "records that follow from the last ones of a run are missing: their batch was not written whole, or was cut",
        ),
        (summary.torn_bytes, "bytes behind the last whole record are torn"),
    ];
    for (count, what) in notes.into_iter().filter(|(count, _)| *count > 0) {
        out.line(format_args!("note: {count} {what}"))?;
    }
    if summary.stopped {
        out.line(format_args!("end: stopped in order in record {last_lsn}"))?;
    } else {
        out.line(format_args!(
            "end: without a stop record at record {last_lsn}, on disk by its own account to {synced_lsn}: a run that was killed or goes on, or records cut off the end; the journal cannot say which"
        ))?;
    }
    out.finish()
}

fn failed(dir: &Path, error: VerifyError) -> CliError {
    match error {
        VerifyError::Differs(difference) => CliError::new(
            Exit::Differs,
            format!("{}: {difference}", dir.display()),
            "the journal was changed after it was written, or another build wrote it",
        ),
        VerifyError::Read(error) => unreadable(dir, error),
        VerifyError::Model {
            source: ModelError::Missing { .. },
            ..
        } => CliError::new(
            Exit::NoInput,
            format!("{} cannot be verified", dir.display()),
            "put the contract there as it was issued, and its artifacts beside it, or name their directory with --contracts",
        )
        .caused_by(error),
        VerifyError::Model {
            source: ModelError::Refused { source: ref reason, .. },
            ..
        } if matches!(**reason, RefusedReason::Verify(_)) => CliError::new(
            Exit::Refused,
            format!("{} cannot be verified", dir.display()),
            "give the key its contracts were signed with as --trusted-key, or the contract as it was issued",
        )
        .caused_by(error),
        error => CliError::new(
            Exit::Data,
            format!("{} cannot be verified", dir.display()),
            "see the cause",
        )
        .caused_by(error),
    }
}

fn unreadable(dir: &Path, error: ReadError) -> CliError {
    let exit = match error {
        ReadError::Io { .. } => Exit::NoInput,
        _ => Exit::Data,
    };
    Err::<(), _>(error)
        .or_exit(
            exit,
            format!("the journal in {} cannot be read", dir.display()),
            "check path and rights, or restore the file from a backup",
        )
        .expect_err("made from an error")
}

fn progress() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} records, {per_sec}, {eta} left");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
