//! An ingest: revisions of months that somebody uploaded, read again here, all registered or none.

mod error;
mod read;

use std::collections::{BTreeMap, BTreeSet};

use contracts::hash::{ArtifactHash, Digest};
use contracts::ids::IngestId;
use contracts::jcs;
use serde_json::{Value, json};

pub use self::error::{IngestError, Place};
use self::read::{Read, read_all};
use super::label::{Label, Vendor};
use super::merge::Counts;
use super::name::{MarketName, Month};
use crate::app::App;
use crate::audit::{self, Action, Event};
use crate::auth::Actor;
use crate::limits::{INGEST_PARTITIONS_MAX, NOTES_BYTES_MAX, SOURCE_BYTES_MAX};
use crate::store::{RevisionFilter, RevisionRow, Tx};

/// Hexadecimal digits of an ingest's id that nobody named.
const ID_DIGITS: usize = 16;

/// The file that declares where the rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// Its id.
    pub id: Label,
    /// Its hash.
    pub sha256: ArtifactHash,
    /// Its content, kept as an artifact.
    pub text: String,
}

/// A month as it is after the ingest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartition {
    /// Of what.
    pub name: MarketName,
    /// Which month.
    pub month: Month,
    /// Whose data it is.
    pub vendor: Vendor,
    /// The file of the revision it was made from; none for a month that has none.
    pub previous: Option<ArtifactHash>,
    /// Its file, uploaded before.
    pub artifact: ArtifactHash,
}

/// What somebody ingested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIngest {
    /// A name for it; without one it gets one.
    pub ingest_id: Option<IngestId>,
    /// From where.
    pub source: SourceText,
    /// A word for the audit chain.
    pub note: Option<String>,
    /// The months.
    pub partitions: Vec<NewPartition>,
}

/// What became of a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Of what.
    pub name: MarketName,
    /// Which month.
    pub month: Month,
    /// Its revision now.
    pub revision: u64,
    /// The file of that revision.
    pub sha256: ArtifactHash,
    /// Rows in it.
    pub rows: u64,
    /// What it changed; nothing where no revision was made.
    pub counts: Counts,
}

/// What became of an ingest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingested {
    /// Its id; none when nothing was new, for then nothing was stored.
    pub ingest_id: Option<IngestId>,
    /// The months, by name and month.
    pub partitions: Vec<Settled>,
}

/// The newest revision of each month of the names an ingest is about.
type Standing = BTreeMap<MarketName, BTreeMap<Month, RevisionRow>>;

/// Registers what was uploaded.
///
/// # Errors
/// [`IngestError`].
///
/// # Panics
/// When the artifact store does.
pub async fn ingest(app: &App, actor: &Actor, new: NewIngest) -> Result<Ingested, IngestError> {
    if !actor.may_research() {
        return Err(IngestError::Forbidden);
    }
    let new = admitted(new)?;
    let mut standing = Standing::new();
    for name in names(&new) {
        let rows = app
            .store
            .revisions(&name, RevisionFilter::current(), None, None)
            .await?;
        standing.insert(name, by_month(rows));
    }
    for partition in &new.partitions {
        fits(partition, &standing)?;
    }
    let artifacts = app.artifacts.clone();
    let read = tokio::task::spawn_blocking(move || {
        let read = read_all(&*artifacts, &new, &standing)?;
        Ok::<_, IngestError>((read, new, standing))
    });
    let (read, new, looked) = read
        .await
        .expect("reading partitions does not panic, and is waited for")?;

    let mut tx = app.store.begin().await?;
    tx.lock_market().await?;
    let mut standing = Standing::new();
    for name in names(&new) {
        let rows = tx.current_revisions(&name).await?;
        standing.insert(name, by_month(rows));
    }
    let (mut revised, mut settled) = (Vec::new(), Vec::new());
    for (partition, read) in new.partitions.iter().zip(read) {
        let current = fits(partition, &standing)?;
        let artifact = current.map(|row| row.artifact);
        match read.filter(|_| artifact != Some(partition.artifact)) {
            Some(read) => {
                let one = Revised {
                    partition,
                    revision: current.map_or(1, |row| row.revision + 1),
                    read,
                };
                settled.push(one.settled());
                revised.push(one);
            }
            // It changed nothing of what was current then.
            None if artifact == fits(partition, &looked)?.map(|row| row.artifact)
                || artifact == Some(partition.artifact) =>
            {
                settled.extend(current.map(unchanged));
            }
            None => return Err(changed(partition, artifact)),
        }
    }
    let ingest_id = if revised.is_empty() {
        None
    } else {
        Some(store(app, actor, tx, &new, revised).await?)
    };
    Ok(Ingested {
        ingest_id,
        partitions: settled,
    })
}

/// What can be said of an ingest by itself; its months are in order then.
fn admitted(mut new: NewIngest) -> Result<NewIngest, IngestError> {
    let count = new.partitions.len();
    if !(1..=INGEST_PARTITIONS_MAX).contains(&count) {
        return Err(IngestError::Number(count));
    }
    let (bytes, found) = (new.source.text.len(), Digest::of(new.source.text.as_bytes()));
    if bytes > SOURCE_BYTES_MAX || found != new.source.sha256 {
        return Err(IngestError::Source { bytes, found });
    }
    let note = new.note.as_ref().map_or(0, String::len);
    if note > NOTES_BYTES_MAX {
        return Err(IngestError::Note(note));
    }
    new.partitions
        .sort_by(|a, b| (&a.name, a.month).cmp(&(&b.name, b.month)));
    for pair in new.partitions.windows(2) {
        let (first, second) = (&pair[0], &pair[1]);
        if first.name != second.name {
            continue;
        }
        if first.month == second.month {
            return Err(IngestError::Twice(second.place()));
        }
        same_vendor(&first.name, &first.vendor, &second.vendor)?;
    }
    Ok(new)
}

fn same_vendor(name: &MarketName, known: &Vendor, asked: &Vendor) -> Result<(), IngestError> {
    if known == asked {
        return Ok(());
    }
    Err(IngestError::OtherVendorId {
        name: name.clone(),
        known: known.clone(),
        asked: asked.clone(),
    })
}

fn names(new: &NewIngest) -> BTreeSet<MarketName> {
    new.partitions
        .iter()
        .map(|partition| partition.name.clone())
        .collect()
}

fn by_month(rows: Vec<RevisionRow>) -> BTreeMap<Month, RevisionRow> {
    rows.into_iter().map(|row| (row.month, row)).collect()
}

/// The month's current revision, if the partition was made from it, or is it.
fn fits<'a>(
    partition: &NewPartition,
    standing: &'a Standing,
) -> Result<Option<&'a RevisionRow>, IngestError> {
    let months = standing.get(&partition.name);
    if let Some(known) = months.and_then(|months| months.values().next()) {
        same_vendor(&partition.name, &known.vendor, &partition.vendor)?;
    }
    let current = months.and_then(|months| months.get(&partition.month));
    let artifact = current.map(|row| row.artifact);
    if artifact == partition.previous || artifact == Some(partition.artifact) {
        return Ok(current);
    }
    Err(changed(partition, artifact))
}

fn changed(partition: &NewPartition, current: Option<ArtifactHash>) -> IngestError {
    IngestError::Changed {
        place: partition.place(),
        current: current.map_or_else(|| "there is none".to_owned(), |hash| hash.to_string()),
    }
}

impl NewPartition {
    fn place(&self) -> Place {
        Place(self.name.clone(), self.month)
    }
}

/// A month that gets a revision.
struct Revised<'a> {
    partition: &'a NewPartition,
    revision: u64,
    read: Read,
}

impl Revised<'_> {
    fn settled(&self) -> Settled {
        Settled {
            name: self.partition.name.clone(),
            month: self.partition.month,
            revision: self.revision,
            sha256: self.partition.artifact,
            rows: self.read.rows,
            counts: self.read.counts,
        }
    }

    fn listed(&self) -> Value {
        let NewPartition {
            name,
            month,
            artifact,
            previous,
            ..
        } = self.partition;
        json!({
            "kind": name.kind(), "name": name.as_str(), "month": month, "revision": self.revision, "sha256": artifact,
            "previous": previous,
        })
    }
}

/// A month that stays as it is.
fn unchanged(row: &RevisionRow) -> Settled {
    Settled {
        name: row.name.clone(),
        month: row.month,
        revision: row.revision,
        sha256: row.artifact,
        rows: row.rows,
        counts: Counts {
            unchanged: row.rows,
            ..Counts::default()
        },
    }
}

/// Writes all rows and the event, and commits.
async fn store(
    app: &App,
    actor: &Actor,
    mut tx: Tx,
    new: &NewIngest,
    revised: Vec<Revised<'_>>,
) -> Result<IngestId, IngestError> {
    let list: Vec<Value> = revised.iter().map(Revised::listed).collect();
    let list_hash: Digest<()> = jcs::digest(&list)?;
    let ingest_id = match &new.ingest_id {
        Some(id) if tx.ingest_is_known(id).await? => return Err(IngestError::Taken(id.clone())),
        Some(id) => id.clone(),
        // A revision is made once, so no two lists are alike.
        None => IngestId::parse(&format!("ING-{}", list_hash.short(ID_DIGITS))).expect("letters and digits"),
    };
    let (mut counts, now) = (Counts::default(), app.now());
    for Revised {
        partition,
        revision,
        read,
    } in revised
    {
        counts += read.counts;
        let row = RevisionRow {
            name: partition.name.clone(),
            month: partition.month,
            revision,
            artifact: partition.artifact,
            previous: partition.previous,
            rows: read.rows,
            added: read.counts.added,
            changed: read.counts.changed,
            first: read.first,
            last: read.last,
            vendor: partition.vendor.clone(),
            source_id: new.source.id.clone(),
            source_hash: new.source.sha256,
            ingest_id: ingest_id.clone(),
            created_by: actor.audit_name(),
            created_at: now,
        };
        tx.insert_revision(&row).await?;
    }
    let event = Event {
        actor: actor.audit_name(),
        action: Action::MarketIngested,
        subject: ingest_id.to_string(),
        body: json!({
            "source_id": new.source.id, "source_hash": new.source.sha256, "note": new.note,
            "partitions": list.len(), "added": counts.added, "changed": counts.changed, "list_hash": list_hash,
        }),
    };
    audit::append(&mut tx, app.keys.audit(), now, event).await?;
    tx.commit().await?;
    Ok(ingest_id)
}
