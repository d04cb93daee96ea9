//! The market store of a served control, read by the process that computes: a dataset, a backtest, an ingest.

use backtest::market::Market;
use contracts::hash::ArtifactHash;
use contracts::ids::{InstrumentId, SeriesId};
use serde::Deserialize;

use super::file::decode;
use super::name::{MarketName, Month};
use super::partition::Rows;
use super::read::assemble;
use super::source::SourcePartition;
use crate::artifacts::{ArtifactStore as _, DirectoryStore};
use crate::cli::remote::{Call, Remote};
use crate::cli::{CliError, Exit, OrExit as _};
use crate::limits::{CLIENT_FILES_AT_ONCE, MARKET_PAGE_ROWS_MAX};

/// A market and what it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetched {
    /// Bars and daily values.
    pub market: Market,
    /// The partitions, for a manifest.
    pub sources: Vec<SourcePartition>,
}

/// Fetches the current bars of an instrument and the daily values of exactly these series, all of one moment. Files that lie in `cache`
/// with their bytes are not fetched again.
///
/// # Errors
/// As [`Remote::send`]; [`Exit::NoInput`] for a name nothing was ingested for, [`Exit::Data`] for a partition that cannot be read,
/// [`Exit::Io`] for a cache that cannot be written.
pub async fn fetch(
    remote: &mut Remote<'_>,
    cache: &DirectoryStore,
    instrument: &InstrumentId,
    series: &[SeriesId],
) -> Result<Fetched, CliError> {
    let mut names = vec![MarketName::Bars(instrument.clone())];
    names.extend(series.iter().cloned().map(MarketName::Daily));
    let (mut through, mut sources) = (None, Vec::new());
    for name in names {
        let listed = current(remote, &name, through).await?;
        let Listed {
            through: moment,
            partitions,
        } = listed.ok_or_else(|| {
            CliError::new(
                Exit::NoInput,
                format!("the market store of {} holds no {name}", remote.url()),
                "ingest them first: `control ingest --help`",
            )
        })?;
        through = Some(moment);
        sources.extend(partitions);
    }
    let rows = rows_of(remote, cache, &sources).await?;
    let parts = sources.iter().map(|source| &source.name).zip(rows);
    let market = assemble(instrument.clone(), series.to_vec(), parts);
    Ok(Fetched { market, sources })
}

/// Fetches exactly these partitions, of whatever moment: what a dataset names. Those of a name are in the order of their months.
///
/// # Errors
/// As [`Remote::send`]; [`Exit::Data`] for a partition that cannot be read, [`Exit::Io`] for a cache that cannot be written.
pub async fn fetch_listed(
    remote: &mut Remote<'_>,
    cache: &DirectoryStore,
    instrument: InstrumentId,
    series: Vec<SeriesId>,
    partitions: &[SourcePartition],
) -> Result<Market, CliError> {
    let rows = rows_of(remote, cache, partitions).await?;
    let parts = partitions.iter().map(|one| &one.name).zip(rows);
    Ok(assemble(instrument, series, parts))
}

/// The current partitions of a name.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    /// The newest row of the moment they are of.
    pub through: u64,
    /// By month.
    pub partitions: Vec<SourcePartition>,
}

#[derive(Deserialize)]
struct Page {
    through: u64,
    partitions: Vec<Entry>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    month: Month,
    revision: u64,
    sha256: ArtifactHash,
}

/// The current partitions of a name, at a moment where one is given; none where nothing was ever ingested.
pub(super) async fn current(
    remote: &mut Remote<'_>,
    name: &MarketName,
    through: Option<u64>,
) -> Result<Option<Listed>, CliError> {
    let (mut through, mut cursor, mut partitions) = (through, None, Vec::new());
    loop {
        let call = Call::get(&["api", "market", name.kind().word(), name.as_str()])
            .with("limit", Some(MARKET_PAGE_ROWS_MAX))
            .with("through", through)
            .with("cursor", cursor);
        let Some(reply) = remote.look(call).await? else {
            return Ok(None);
        };
        let page: Page = serde_json::from_slice(&reply.body).or_exit(
            Exit::Unavailable,
            "the answer is no list of partitions",
            "check that --url names a `control serve` of this version",
        )?;
        through = Some(page.through);
        partitions.extend(page.partitions.into_iter().map(|entry| SourcePartition {
            name: name.clone(),
            month: entry.month,
            revision: entry.revision,
            sha256: entry.sha256,
        }));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(Some(Listed {
                through: page.through,
                partitions,
            }));
        }
    }
}

fn missing() -> CliError {
    CliError::new(
        Exit::Unavailable,
        "the server sent fewer files of the market than were asked for",
        "check that --url names a `control serve` of this version",
    )
}

/// The rows of partitions, out of the cache or from the server.
pub(super) async fn rows_of(
    remote: &mut Remote<'_>,
    cache: &DirectoryStore,
    partitions: &[SourcePartition],
) -> Result<Vec<Rows>, CliError> {
    let mut all = Vec::with_capacity(partitions.len());
    // A page at a time, so that what was fetched is kept when the rest fails.
    for page in partitions.chunks(8 * CLIENT_FILES_AT_ONCE) {
        // What is missing, cut off or altered in the cache, the server has.
        let mut files: Vec<Option<Vec<u8>>> = page.iter().map(|one| cache.get(one.sha256).ok()).collect();
        let absent = page.iter().zip(&files).filter(|(_, file)| file.is_none());
        let absent: Vec<ArtifactHash> = absent.map(|(partition, _)| partition.sha256).collect();
        let mut fetched = remote.artifacts(&absent).await?.into_iter();
        for file in files.iter_mut().filter(|file| file.is_none()) {
            let bytes = fetched.next().ok_or_else(missing)?;
            cache.copy(&bytes).or_exit(
                Exit::Io,
                "a file of the market cannot be kept in the cache",
                "check the folder, its rights and its room",
            )?;
            *file = Some(bytes);
        }
        for (partition, file) in page.iter().zip(files) {
            let rows = decode(partition.name.kind(), partition.month, &file.ok_or_else(missing)?);
            all.push(rows.or_exit(
                Exit::Data,
                format!("{partition} cannot be read"),
                "check that server and command line are of one version",
            )?);
        }
    }
    Ok(all)
}
