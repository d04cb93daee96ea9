//! New rows into the market store of a served control: fetched, merged and counted here, registered there in one piece.
//!
//! Broken off anywhere before the last request, nothing is registered: files nobody names are all that is left, and the same again goes on.

use std::collections::BTreeMap;

use contracts::hash::{ArtifactHash, Digest};
use contracts::ids::IngestId;
use contracts::time::UtcMillis;
use serde::Serialize;
use serde_json::{Value, json};

use super::file::encode;
use super::label::{Label, Vendor};
use super::merge::{Counts, merge};
use super::name::{MarketKind, MarketName, Month};
use super::partition::Rows;
use super::remote::{current, rows_of};
use super::source::SourcePartition;
use crate::artifacts::DirectoryStore;
use crate::cli::remote::{Call, Remote};
use crate::cli::{CliError, Exit, OrExit as _};

/// The file that declares a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its id.
    pub id: Label,
    /// Its content.
    pub text: String,
}

/// New rows of one instrument or series, in any order and of any months.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Of what; the rows are of that kind.
    pub name: MarketName,
    /// Whose data it is.
    pub vendor: Vendor,
    /// The rows.
    pub rows: Rows,
}

/// What became of a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublishedPartition {
    /// Bars or daily values.
    pub kind: MarketKind,
    /// The instrument's or the series' name.
    pub name: String,
    /// Which month.
    pub month: Month,
    /// Its revision now.
    pub revision: u64,
    /// The file of that revision.
    pub sha256: ArtifactHash,
    /// Rows in it.
    pub rows: u64,
    /// What the new rows were to it.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What became of an ingest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Published {
    /// Its id; none when nothing was new.
    pub ingest_id: Option<IngestId>,
    /// The months the rows are of, by name and month.
    pub partitions: Vec<PublishedPartition>,
    /// Rows of times or dates that were not known.
    pub added: u64,
    /// Bars with other numbers, further versions of daily values.
    pub changed: u64,
    /// Rows that were known.
    pub unchanged: u64,
}

/// How rows go in.
#[derive(Debug, Clone, Copy)]
pub struct Publish<'a> {
    /// Files that lie here with their bytes are not fetched again.
    pub cache: &'a DirectoryStore,
    /// From where the rows are.
    pub source: &'a Source,
    /// A name for the ingest; without one it gets one.
    pub ingest_id: Option<&'a IngestId>,
    /// A word for the audit chain.
    pub note: Option<&'a str>,
    /// When another value of a known date arrived that does not say so itself: now.
    pub at: UtcMillis,
}

/// A month that is to get a revision.
struct Revised {
    month: PublishedPartition,
    previous: Option<ArtifactHash>,
    vendor: Vendor,
    bytes: Vec<u8>,
}

/// Merges rows into the store. The same again changes nothing; a changed value makes a new revision, and the earlier one stays.
///
/// # Errors
/// As [`Remote::send`], with nothing registered: [`Exit::Refused`] with the code `market_changed` when somebody ingested meanwhile (the
/// same again goes on), and with `other_vendor_id` when a name is made of other data. [`Exit::Data`] for rows that cannot be merged.
pub async fn publish(
    remote: &mut Remote<'_>,
    how: Publish<'_>,
    batches: Vec<Batch>,
) -> Result<Published, CliError> {
    let (mut published, mut revised) = (Vec::new(), Vec::new());
    for batch in batches {
        prepare(remote, how, batch, &mut published, &mut revised).await?;
    }
    let mut done = Published {
        ingest_id: None,
        partitions: published,
        added: 0,
        changed: 0,
        unchanged: 0,
    };
    if !revised.is_empty() {
        let files: Vec<&[u8]> = revised.iter().map(|month| month.bytes.as_slice()).collect();
        remote.keep_all(&files).await?;
        let answer = post(remote, how, &revised).await?;
        done.ingest_id = serde_json::from_value(answer["ingest_id"].clone()).or_exit(
            Exit::Unavailable,
            "the answer names no ingest",
            "check that --url names a `control serve` of this version",
        )?;
        done.partitions
            .extend(revised.into_iter().map(|revised| revised.month));
    }
    done.partitions
        .sort_by(|a, b| (a.kind, &a.name, a.month).cmp(&(b.kind, &b.name, b.month)));
    let mut all = Counts::default();
    done.partitions.iter().for_each(|month| all += month.counts);
    (done.added, done.changed, done.unchanged) = (all.added, all.changed, all.unchanged);
    Ok(done)
}

/// Merges one batch month by month.
async fn prepare(
    remote: &mut Remote<'_>,
    how: Publish<'_>,
    batch: Batch,
    published: &mut Vec<PublishedPartition>,
    revised: &mut Vec<Revised>,
) -> Result<(), CliError> {
    let Batch { name, vendor, rows } = batch;
    let listed = current(remote, &name, None).await?;
    let known = listed.map_or_else(Vec::new, |listed| listed.partitions);
    let mut known: BTreeMap<Month, SourcePartition> = known
        .into_iter()
        .map(|partition| (partition.month, partition))
        .collect();
    let months = by_month(&name, rows)?;
    known.retain(|month, _| months.contains_key(month));
    let partitions: Vec<SourcePartition> = known.values().cloned().collect();
    let known_rows = rows_of(remote, how.cache, &partitions).await?;
    let mut known: BTreeMap<Month, (SourcePartition, Rows)> = known
        .into_keys()
        .zip(partitions.into_iter().zip(known_rows))
        .collect();
    for (month, rows) in months {
        let (before, before_rows) = known.remove(&month).unzip();
        let refused = |what: &dyn std::error::Error| {
            CliError::new(
                Exit::Data,
                format!("{name} {month}: {what}"),
                "mend the source's rows; nothing was registered",
            )
        };
        let (merged, counts) = merge(before_rows, rows, how.at).map_err(|error| refused(&error))?;
        let mut told = PublishedPartition {
            kind: name.kind(),
            name: name.as_str().to_owned(),
            month,
            revision: before.as_ref().map_or(0, |before| before.revision),
            sha256: before
                .as_ref()
                .map_or_else(|| Digest::of(b""), |before| before.sha256),
            rows: merged.len() as u64,
            counts,
        };
        if counts.is_nothing() {
            published.push(told);
            continue;
        }
        merged.check(month).map_err(|error| refused(&error))?;
        let bytes = encode(&merged).map_err(|error| refused(&error))?;
        told.revision += 1;
        told.sha256 = Digest::of(&bytes);
        revised.push(Revised {
            month: told,
            previous: before.map(|before| before.sha256),
            vendor: vendor.clone(),
            bytes,
        });
    }
    Ok(())
}

/// Rows by the UTC month of a bar's close or a value's date.
fn by_month(name: &MarketName, rows: Rows) -> Result<BTreeMap<Month, Rows>, CliError> {
    let out_of_range = || {
        CliError::new(
            Exit::Data,
            format!("{name}: a row lies outside the years 0 to 9999"),
            "mend the source's rows",
        )
    };
    if rows.kind() != name.kind() {
        let what = format!("{name}: the rows are {}", rows.kind().word());
        return Err(CliError::new(
            Exit::Software,
            what,
            "this is a fault of the program",
        ));
    }
    let mut months: BTreeMap<Month, Rows> = BTreeMap::new();
    match rows {
        Rows::Bars(bars) => {
            for bar in bars {
                let month = Month::of_time(bar.close_time).ok_or_else(out_of_range)?;
                let rows = months.entry(month).or_insert_with(|| Rows::Bars(Vec::new()));
                if let Rows::Bars(bars) = rows {
                    bars.push(bar);
                }
            }
        }
        Rows::Daily(values) => {
            for value in values {
                let month = Month::of_date(value.date).ok_or_else(out_of_range)?;
                let rows = months.entry(month).or_insert_with(|| Rows::Daily(Vec::new()));
                if let Rows::Daily(values) = rows {
                    values.push(value);
                }
            }
        }
    }
    Ok(months)
}

async fn post(remote: &mut Remote<'_>, how: Publish<'_>, revised: &[Revised]) -> Result<Value, CliError> {
    let partitions: Vec<Value> = revised
        .iter()
        .map(|revised| {
            let PublishedPartition {
                kind,
                name,
                month,
                sha256,
                ..
            } = &revised.month;
            json!({
                "kind": kind, "name": name, "month": month, "previous": revised.previous, "artifact": sha256,
                "vendor": revised.vendor.vendor, "vendor_id": revised.vendor.vendor_id,
            })
        })
        .collect();
    let text = &how.source.text;
    let sha256: ArtifactHash = Digest::of(text.as_bytes());
    let body = json!({
        "ingest_id": how.ingest_id, "note": how.note, "partitions": partitions,
        "source": {"id": how.source.id, "sha256": sha256, "text": text},
    });
    let reply = remote
        .send(Call::post(&["api", "market", "ingests"], body))
        .await?;
    reply.json()
}
