//! `engine journal ls | cat | bars`: looks into a journal, also into that of a running engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use contracts::ids::InstrumentId;
use contracts::time::UtcMillis;

use super::out::Stdout;
use super::{CliError, Exit, OrExit};
use crate::core::record::Kind;
use crate::journal::{Dump, JournalReader, ReadError, RealDisk};

/// Look into a journal: its segments, its records, its bars.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  engine journal ls /var/lib/engine/journal
  engine journal cat /var/lib/engine/journal --from-seq 1234 | jq -c 'select(.kind==\"bar\")'
  engine journal bars /var/lib/engine/journal --instrument USDCOP --from 2026-01-05T13:00:00Z > bars.csv")]
pub struct Args {
    /// What to show.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the segments: file, first record, first message, when it was begun, bytes.
    #[command(after_help = "Example:\n  engine journal ls /var/lib/engine/journal")]
    Ls {
        /// The journal's directory.
        dir: PathBuf,
    },
    /// Print every record, published or not, as one JSON object per line.
    #[command(
        after_help = "Example:\n  engine journal cat /var/lib/engine/journal --kind halt,resume,directive"
    )]
    Cat {
        /// The journal's directory.
        dir: PathBuf,
        /// Begin with this record; with the oldest without it.
        #[arg(long, value_name = "LSN", conflicts_with = "from_seq")]
        from_lsn: Option<u64>,
        /// Begin with this message.
        #[arg(long, value_name = "SEQ")]
        from_seq: Option<u64>,
        /// Only these kinds, such as `bar` or `halt`.
        #[arg(long, value_delimiter = ',', value_name = "KINDS", value_parser = parse_kind)]
        kind: Vec<Kind>,
    },
    /// Print the accepted bars as CSV, stamped by their close.
    #[command(
        after_help = "Example:\n  engine journal bars /var/lib/engine/journal --instrument USDCOP --from 2026-01-05T13:00:00Z --to 2026-01-05T18:00:00Z"
    )]
    Bars {
        /// The journal's directory.
        dir: PathBuf,
        /// Whose.
        #[arg(long)]
        instrument: InstrumentId,
        /// First close time.
        #[arg(long, value_name = "TIME", value_parser = UtcMillis::parse)]
        from: Option<UtcMillis>,
        /// Last close time.
        #[arg(long, value_name = "TIME", value_parser = UtcMillis::parse)]
        to: Option<UtcMillis>,
    },
}

fn parse_kind(word: &str) -> Result<Kind, String> {
    Kind::ALL
        .iter()
        .copied()
        .find(|kind| kind.word() == word)
        .ok_or_else(|| {
            let words: Vec<&str> = Kind::ALL.iter().map(|kind| kind.word()).collect();
            format!("expected one of {}", words.join(", "))
        })
}

/// Runs the verb.
///
/// # Errors
/// [`Exit::NoInput`] when the directory or a file cannot be read, [`Exit::Data`] for a corrupt record, with file and offset.
pub fn run(args: Args) -> Result<(), CliError> {
    let mut out = Stdout::buffered();
    match args.verb {
        Verb::Ls { dir } => ls(&dir, &mut out)?,
        Verb::Cat {
            dir,
            from_lsn,
            from_seq,
            kind,
        } => cat(&dir, from_lsn, from_seq, &kind, &mut out)?,
        Verb::Bars {
            dir,
            instrument,
            from,
            to,
        } => bars(&dir, &instrument, from, to, &mut out)?,
    }
    out.finish()
}

fn reader(dir: &Path) -> Result<JournalReader, CliError> {
    let reader =
        JournalReader::offline(Arc::new(RealDisk::unlocked(dir))).map_err(|error| refused(dir, error))?;
    if reader.segments().is_empty() {
        return Err(CliError::new(
            Exit::NoInput,
            format!("{} holds no journal", dir.display()),
            "name the directory that `[journal] dir` in engine.toml names",
        ));
    }
    Ok(reader)
}

fn refused(dir: &Path, error: ReadError) -> CliError {
    let exit = match error {
        ReadError::Corrupt { .. }
        | ReadError::Unknown { .. }
        | ReadError::Hole { .. }
        | ReadError::Missing { .. } => Exit::Data,
        ReadError::Gone { .. } | ReadError::Io { .. } => Exit::NoInput,
    };
    CliError::new(exit, format!("cannot read the journal in {}", dir.display()), "").caused_by(error)
}

fn ls(dir: &Path, out: &mut Stdout) -> Result<(), CliError> {
    out.line("file\tfirst_lsn\tfirst_seq\tcreated_at\tbytes")?;
    for segment in reader(dir)?.segments() {
        let created_at = segment.created_at.to_millis();
        let (name, lsn, seq, bytes) = (segment.name, segment.first_lsn, segment.first_seq, segment.bytes);
        out.line(format_args!("{name}\t{lsn}\t{seq}\t{created_at}\t{bytes}"))?;
    }
    Ok(())
}

fn cat(
    dir: &Path,
    from_lsn: Option<u64>,
    from_seq: Option<u64>,
    kinds: &[Kind],
    out: &mut Stdout,
) -> Result<(), CliError> {
    let reader = reader(dir)?;
    let cursor = match from_seq {
        Some(seq) => reader.from_seq(seq),
        None => reader.from_lsn(from_lsn.unwrap_or_else(|| reader.oldest_lsn())),
    };
    let mut cursor = cursor.map_err(|error| refused(dir, error))?;
    while let Some(read) = cursor.read().map_err(|error| refused(dir, error))? {
        if kinds.is_empty() || kinds.contains(&read.header.kind) {
            let record = read.record().map_err(|error| refused(dir, error))?;
            let text = serde_json::to_string(&Dump::new(read.header, record));
            out.line(text.or_exit(Exit::Software, "a record cannot be printed", "")?)?;
        }
    }
    Ok(())
}

fn bars(
    dir: &Path,
    instrument: &InstrumentId,
    from: Option<UtcMillis>,
    to: Option<UtcMillis>,
    out: &mut Stdout,
) -> Result<(), CliError> {
    let (from, to) = (
        from.unwrap_or(UtcMillis(i64::MIN)),
        to.unwrap_or(UtcMillis(i64::MAX)),
    );
    let reader = reader(dir)?;
    out.line("close_time,open,high,low,close,volume")?;
    let mut printed = Ok(());
    let read = reader.bars_between(instrument.as_str(), from, to, |bar| {
        // `{:?}` prints the shortest decimal that reads back to the same bits.
        printed = out.line(format_args!(
            "{},{:?},{:?},{:?},{:?},{:?}",
            bar.close_time, bar.open, bar.high, bar.low, bar.close, bar.volume
        ));
        printed.is_ok()
    });
    printed?;
    read.map_err(|error| refused(dir, error))
}
