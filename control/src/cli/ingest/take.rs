//! What both ingesting verbs share: options, the source file, the way into the market store.

use std::path::PathBuf;

use contracts::ids::{VendorId, VendorName};
use contracts::time::{DayNumber, UtcMillis};

use crate::cli::cache::CacheArgs;
use crate::cli::remote::{Remote, ServerArgs, Who};
use crate::cli::{CliError, Exit, OrExit as _, block_on};
use crate::clock::{Clock as _, SystemClock};
use crate::ingest::connect::http::Http;
use crate::ingest::connect::{Connector, FetchError, Key, SystemPace, all, fetch::Fetched};
use crate::ingest::quality::{Finding, Listed, Severity};
use crate::ingest::read::{BadRow, ReadError};
use crate::ingest::source::{BaseUrl, KeyEnv, Source};
use crate::market::label::Vendor;
use crate::market::publish::{Batch, Publish, Published, publish};

use super::progress::Line;

/// Options of both.
#[derive(Debug, clap::Args)]
pub struct TakeArgs {
    /// The source file, such as config/sources/usdcop_twelvedata.yaml.
    #[arg(long, value_name = "YAML")]
    pub source: PathBuf,
    /// A file to take in; may be given several times. Without one the source's vendor is asked over HTTP.
    #[arg(long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// First date; needed where the vendor is asked.
    #[arg(long, value_name = "DATE", value_parser = DayNumber::parse)]
    pub from: Option<DayNumber>,
    /// Last date; today without it where the vendor is asked.
    #[arg(long, value_name = "DATE", value_parser = DayNumber::parse)]
    pub to: Option<DayNumber>,
    /// Writes the quality report: FILE.html with FILE.json beside it, or FILE.json alone.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Takes everything and reports, but publishes nothing and asks no server.
    #[arg(long)]
    pub dry_run: bool,
    /// Leaves out rows that cannot be read or cannot be, instead of refusing the whole; they are counted and listed in the report.
    #[arg(long)]
    pub skip_bad_rows: bool,
    /// Publishes although the report has an alarm, such as times that look like another zone's.
    #[arg(long)]
    pub accept_alarms: bool,
    #[command(flatten)]
    cache: CacheArgs,
    /// A word for the audit chain.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    pub server: ServerArgs,
}

impl TakeArgs {
    /// Who has to be there.
    pub const fn who(&self) -> Who {
        if self.dry_run { Who::Nobody } else { Who::Anybody }
    }

    /// The source file.
    ///
    /// # Errors
    /// [`Exit::NoInput`], [`Exit::Config`].
    pub fn load(&self) -> Result<Source, CliError> {
        Source::load(&self.source).map_err(|error| {
            let exit = match &error {
                crate::ingest::source::SourceError::Read { .. } => Exit::NoInput,
                _ => Exit::Config,
            };
            CliError::new(
                exit,
                format!("{} is no usable source", self.source.display()),
                "mend the line; config/sources has examples",
            )
            .caused_by(error)
        })
    }

    /// The dates to ask a vendor for.
    ///
    /// # Errors
    /// [`Exit::Usage`].
    pub fn asked(&self, today: DayNumber) -> Result<(DayNumber, DayNumber), CliError> {
        let from = self.from.ok_or_else(|| {
            CliError::new(
                Exit::Usage,
                "neither --file nor --from is given",
                "name files with --file, or the first date to ask the vendor for with --from",
            )
        })?;
        self.in_order()?;
        let to = self.to.unwrap_or(today);
        if from > to {
            return Err(CliError::new(
                Exit::Usage,
                format!("--from {from} is after today"),
                "name a date that has been",
            ));
        }
        Ok((from, to))
    }

    /// That the dates are in order.
    ///
    /// # Errors
    /// [`Exit::Usage`].
    pub fn in_order(&self) -> Result<(), CliError> {
        match (self.from, self.to) {
            (Some(from), Some(to)) if from > to => Err(CliError::new(
                Exit::Usage,
                format!("--from {from} is after --to {to}"),
                "name the first date first",
            )),
            _ => Ok(()),
        }
    }

    /// Says no to what must not be published without a word.
    ///
    /// # Errors
    /// [`Exit::Data`].
    pub fn judge(&self, bad: &Listed<BadRow>, findings: &[Finding]) -> Result<(), CliError> {
        if let Some(first) = bad.rows.first().filter(|_| !self.skip_bad_rows) {
            let more = match bad.count - 1 {
                0 => String::new(),
                more => format!("; and {more} more bad rows"),
            };
            return Err(CliError::new(
                Exit::Data,
                format!("{}, line {}: {}{more}", first.file, first.line, first.fault),
                "mend the rows, or leave them out with --skip-bad-rows; nothing was published",
            ));
        }
        let alarm = findings
            .iter()
            .find(|finding| finding.severity == Severity::Alarm && finding.code != "empty");
        match alarm.filter(|_| !self.accept_alarms) {
            Some(alarm) => Err(CliError::new(
                Exit::Data,
                format!("{}: {}", alarm.code, alarm.text),
                "mend the source file, or publish it as it is with --accept-alarms; nothing was published",
            )),
            None => Ok(()),
        }
    }

    /// Rows into the market store.
    ///
    /// # Errors
    /// As [`publish`].
    pub fn publish(
        &self,
        remote: &mut Remote<'_>,
        id: &str,
        batches: Vec<Batch>,
    ) -> Result<Published, CliError> {
        let text = std::fs::read_to_string(&self.source).or_exit(
            Exit::NoInput,
            format!("cannot read {}", self.source.display()),
            "check the path and the rights",
        )?;
        let source = crate::market::publish::Source { id: label(id)?, text };
        let cache = self.cache.open()?;
        let how = Publish {
            cache: &cache,
            source: &source,
            ingest_id: None,
            note: self.note.as_deref(),
            at: SystemClock.now(),
        };
        let line = Line::new();
        line.say("publishing");
        let published = block_on(publish(remote, how, batches));
        drop(line);
        published?
    }
}

/// A name as the market store takes it.
fn label(text: &str) -> Result<crate::market::label::Label, CliError> {
    text.parse().or_exit(
        Exit::Config,
        format!("`{text}` is no name"),
        "mend the source file",
    )
}

/// Whose data it is.
///
/// # Errors
/// [`Exit::Config`].
pub fn vendor(vendor: &VendorName, id: &VendorId) -> Result<Vendor, CliError> {
    Ok(Vendor {
        vendor: label(vendor.as_str())?,
        vendor_id: label(id.as_str())?,
    })
}

/// Reads files, with a line on a terminal.
///
/// # Errors
/// [`Exit::NoInput`] for one that cannot be read, [`Exit::Data`] for one that is not what the source file says.
pub fn reading<T>(files: &[PathBuf], read: impl FnOnce() -> Result<T, ReadError>) -> Result<T, CliError> {
    let line = Line::new();
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    line.say(&format!("reading {}", names.join(", ")));
    read().map_err(unreadable)
}

fn unreadable(error: ReadError) -> CliError {
    use contracts::files::FileError;
    let (exit, remedy) = match &error {
        ReadError::File(FileError::Io { .. }) | ReadError::Io { .. } => {
            (Exit::NoInput, "check the path and the rights")
        }
        ReadError::File(FileError::Column { .. }) => (Exit::Data, "name the column in the source file"),
        ReadError::File(FileError::Stamp { .. } | FileError::Zone { .. }) => (
            Exit::Data,
            "mend the source file: `stamp` and `zone` say what its times are",
        ),
        _ => (Exit::Data, "mend the file as the message says"),
    };
    let what = match &error {
        ReadError::File(FileError::Column { path, field, found }) => {
            format!("{}: no column for {field}; found {found}", path.display())
        }
        ReadError::File(FileError::Stamp { path }) => format!(
            "{}: its column close_time says the stamp is `close`, the source file says `open`",
            path.display()
        ),
        other => other.to_string(),
    };
    let failure = CliError::new(exit, what, remedy);
    match std::error::Error::source(&error) {
        Some(cause) => failure.caused_by(cause.to_string()),
        None => failure,
    }
}

/// Fetches everything a connector has.
///
/// # Errors
/// [`Exit::Refused`] without a key or for a wrong one, [`Exit::Unavailable`] for a vendor that does not answer, [`Exit::Data`] for answers
/// that are not what was asked for.
pub fn fetch<C: Connector>(
    connector: &C,
    base: &BaseUrl,
    key: &KeyEnv,
    requests_per_minute: u32,
) -> Result<Fetched<C::Row>, CliError> {
    let key = Key::from_env(key).or_exit(
        Exit::Refused,
        "there is no key for the vendor",
        "set the variable that the source file names in key_env",
    )?;
    let http = Http::new(base, key).or_exit(Exit::Unavailable, "HTTP cannot be set up", "")?;
    let line = Line::new();
    let told = |pages: u32, rows: usize| {
        line.say(&format!("{}: {pages} pages, {rows} rows", connector.vendor()));
    };
    let fetched = block_on(all(
        connector,
        &http,
        &SystemPace::start(),
        requests_per_minute,
        told,
    ))?;
    fetched.map_err(|error| {
        let (exit, remedy) = match &error {
            FetchError::Key { .. } => (Exit::Refused, "check the key in the variable that key_env names"),
            FetchError::Silent { .. } | FetchError::Faulty { .. } | FetchError::TooMany { .. } => {
                (Exit::Unavailable, "try again later; nothing was published")
            }
            FetchError::Refused { .. } | FetchError::Endless { .. } => (
                Exit::Data,
                "check vendor_id, --from and --to; nothing was published",
            ),
        };
        CliError::new(exit, "the vendor's data cannot be had", remedy).caused_by(error)
    })
}

/// Where something was fetched, without the key.
pub fn address(base: &BaseUrl, path: &str, id: &VendorId) -> String {
    format!("{}{path} of {id}", base.url())
}

/// Rows of a fetch that cannot be read.
pub fn bad_of(name: &str, bad: Vec<(u64, String)>) -> Listed<BadRow> {
    bad.into_iter()
        .map(|(line, fault)| BadRow {
            file: name.to_owned(),
            line,
            fault,
        })
        .collect()
}

/// What time it is, and the UTC date.
pub fn now() -> (UtcMillis, DayNumber) {
    let now = SystemClock.now();
    let day = now.0.div_euclid(crate::limits::DAY_MS);
    (now, DayNumber(i32::try_from(day).unwrap_or(i32::MAX)))
}
