//! `control audit verify`: the chain, the heads and the rows, checked without the server.

use std::path::{Path, PathBuf};

use contracts::signing::TrustedKeys;

use super::super::out::{Format, Sink};
use super::super::place::ConfigArg;
use super::super::{CliError, Exit, OrExit, block_on};
use crate::artifacts::DirectoryStore;
use crate::audit::heads::{self, HeadsError, SignedHead};
use crate::audit::verify::Report;
use crate::audit::{export, verify};
use crate::config::Config;
use crate::keys;
use crate::store::Store;

/// Options of `control audit verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It opens the database itself and only reads; the server need not run. The heads come from audit_heads of the settings; take them from
a copy on another machine (--heads) where this one is not to be believed. Exit code 1 means that something is not as it was: each
finding names its event, or its table and row.

Examples:
  control audit verify
  control audit verify --heads /mnt/safe/audit-heads.jsonl --json
  control audit verify --export chain.jsonl")]
pub struct Args {
    #[command(flatten)]
    place: ConfigArg,
    /// The heads, instead of those of the settings.
    #[arg(long, value_name = "FILE")]
    heads: Option<PathBuf>,
    /// Goes on without any head: that the end of the chain was cut off cannot be found then.
    #[arg(long, conflicts_with = "heads")]
    without_heads: bool,
    /// Checks a whole chain written by `control audit export` instead of the database.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

/// Runs the verb.
///
/// # Errors
/// [`Exit::Differs`] when something is not as it was, [`Exit::Unavailable`] for a database that does not answer, [`Exit::NoInput`] for a
/// file that cannot be read, [`Exit::Refused`] for keys that cannot be used.
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    let config = args.place.load()?;
    let trusted = keys::trusted(&config.keys).or_exit(
        Exit::Refused,
        "the keys that signed the chain cannot be read",
        "name their directory in the settings; the .pub files are enough",
    )?;
    let trusted = TrustedKeys::new(trusted);
    let heads = match (&args.heads, args.without_heads) {
        (_, true) => Vec::new(),
        (Some(path), _) => read_heads(path)?,
        (None, _) => read_heads(&config.audit_heads)?,
    };
    let mut report = match &args.export {
        Some(path) => check_export(path, &trusted, &heads)?,
        None => check_store(&config, &trusted, &heads)?,
    };
    if heads.is_empty() && !args.without_heads && report.events > 0 {
        report.lacks_heads();
    }
    args.format.write(out, &report, &text(&report))?;
    if report.is_whole() {
        return Ok(());
    }
    Err(CliError::new(
        Exit::Differs,
        "something is not as it was",
        "keep the host as it is, compare with a backup and with heads that were kept elsewhere",
    ))
}

fn read_heads(path: &Path) -> Result<Vec<SignedHead>, CliError> {
    let read = heads::read(path);
    let exit = match &read {
        Err(HeadsError::Line { .. }) => Exit::Differs,
        _ => Exit::NoInput,
    };
    read.or_exit(
        exit,
        "the heads of the chain cannot be used",
        "name a copy of them with --heads",
    )
}

fn check_export(path: &Path, trusted: &TrustedKeys, heads: &[SignedHead]) -> Result<Report, CliError> {
    let unreadable = |error: std::io::Error| {
        CliError::new(Exit::NoInput, format!("{} cannot be read", path.display()), "").caused_by(error)
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let checked = export::check(&mut std::io::BufReader::new(file), trusted, heads);
    checked.or_exit(Exit::NoInput, format!("{} cannot be read", path.display()), "")
}

fn check_store(config: &Config, trusted: &TrustedKeys, heads: &[SignedHead]) -> Result<Report, CliError> {
    let artifacts = DirectoryStore::new(&config.artifacts);
    block_on(async {
        let unavailable = "check its URL, that it runs, and that `control migrate` was run";
        let store = Store::open(&config.database).await.or_exit(
            Exit::Unavailable,
            "the database cannot be opened",
            unavailable,
        )?;
        let checked = verify::check(&store, &artifacts, trusted, heads).await;
        checked.or_exit(Exit::Unavailable, "the database cannot be read", unavailable)
    })?
}

fn text(report: &Report) -> String {
    let newest = report
        .newest
        .map_or_else(String::new, |(seq, hash)| format!(", the newest is {seq} {hash}"));
    let mut text = format!(
        "{} events{newest}\n{} heads, {} rows and {} artifacts compared\n",
        report.events, report.heads, report.rows, report.artifacts
    );
    text.push_str(&report.told());
    if report.is_whole() {
        text.push_str("all is as it was\n");
    }
    text
}
