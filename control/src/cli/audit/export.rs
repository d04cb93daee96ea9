//! `control audit export`: the whole chain as a file that `control audit verify --export` checks anywhere.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::out::Sink;
use super::super::remote::{Call, Remote, ServerArgs, Who};
use super::super::{CliError, Exit, OrExit, block_on};
use crate::limits::PAGE_ROWS_MAX;

/// Options of `control audit export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
One event a line, as JSON, with its hash and signature. Whoever has the .pub of the audit key checks it without the database:
`control audit verify --export FILE`.

Examples:
  control audit export chain.jsonl
  control audit export chain.jsonl --json")]
pub struct Args {
    /// A file that is not there yet.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs the verb.
///
/// # Errors
/// [`Exit::Io`] when the file cannot be written or is there already, and those of [`super::super::remote`].
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    let mut remote = args.server.remote(Who::Person, out)?;
    let folder = args.file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    let failed = format!("{} cannot be written", args.file.display());
    let remedy = "name a file that is not there yet, in a folder you may write to";
    let mut file = tempfile::NamedTempFile::new_in(folder).or_exit(Exit::Io, &failed, remedy)?;
    let (events, newest) = block_on(fetch(&mut remote, |event| {
        writeln!(file, "{event}").or_exit(Exit::Io, &failed, remedy)
    }))??;
    file.as_file().sync_all().or_exit(Exit::Io, &failed, remedy)?;
    let kept = file.persist_noclobber(&args.file).map_err(|error| error.error);
    kept.or_exit(Exit::Io, &failed, remedy)?;
    let document = json!({"file": args.file, "events": events, "newest": newest});
    remote.answer(
        &document,
        &format!("{events} events are in {}\n", args.file.display()),
    )
}

/// Page by page; returns how many there were and the number of the last.
async fn fetch(
    remote: &mut Remote<'_>,
    mut take: impl FnMut(&Value) -> Result<(), CliError>,
) -> Result<(u64, u64), CliError> {
    let (mut count, mut last) = (0, 0);
    loop {
        let call = Call::get(&["api", "audit"])
            .with("after", Some(last))
            .with("limit", Some(PAGE_ROWS_MAX));
        let page = remote.send(call).await?.json()?;
        let events = page["events"].as_array().map_or(&[][..], Vec::as_slice);
        let newest = events.last().and_then(|event| event["seq"].as_u64());
        let Some(newest) = newest.filter(|seq| *seq > last) else {
            return Ok((count, last));
        };
        last = newest;
        for event in events {
            take(event)?;
            count += 1;
        }
    }
}
