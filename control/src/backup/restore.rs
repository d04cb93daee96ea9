//! Putting a backup back into an empty store.
//!
//! Everything is checked before anything is written; the rows are one transaction. What engines have seen since the backup was taken is
//! not in it, so the numbers go on above the highest an engine has reported, or above what the operator says.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use contracts::hash::Digest;
use contracts::ids::SlotId;
use serde::Serialize;
use serde_json::{Value, json};

use super::{FileError, FileHash, MANIFEST, Manifest, SCHEMA, artifact_path, at, is_tar, table_path, tar};
use crate::app::App;
use crate::artifacts::ArtifactError;
use crate::audit::heads::{self, Head, HeadsError, SignedHead};
use crate::audit::verify::{self, Report};
use crate::audit::{self, Action, AppendError, Broken, Event, Stored, Walk};
use crate::store::{RowMap, StoreError, Tx};

/// Why nothing was restored, and the target is as it was (artifacts that were copied already do no harm); but for `Unfinished`.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A file of it.
    #[error("the backup cannot be read")]
    File(#[from] FileError),
    /// Something in it is not what it was.
    #[error("{path} is damaged: {detail}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// Its audit chain is broken.
    #[error("the audit chain in the backup is broken")]
    Chain(#[from] Broken),
    /// There is something in the target.
    #[error("{0}: a backup is restored into an empty store only")]
    NotEmpty(String),
    /// The artifact store.
    #[error("an artifact cannot be stored")]
    Artifact(#[from] ArtifactError),
    /// The heads.
    #[error("the heads of the audit chain cannot be used")]
    Heads(#[from] HeadsError),
    /// The audit event was not stored.
    #[error("the restore was not audited")]
    Audit(#[from] AppendError),
    /// The database.
    #[error("the database does not answer, or did not take the rows")]
    Store(#[from] StoreError),
    /// The rows are in; what comes after them failed.
    #[error("the rows are restored, what comes after them failed")]
    Unfinished(#[source] Box<RestoreError>),
}

/// The numbers a slot goes on above.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Floor {
    /// The slot.
    pub slot: SlotId,
    /// The next contract is above this.
    pub generation: u64,
    /// The next directive is above this.
    pub directive_number: u64,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Rows.
    pub rows: u64,
    /// Artifacts.
    pub artifacts: usize,
    /// Where the numbers go on.
    pub floors: Vec<Floor>,
    /// Where the heads of before went, if there were any.
    pub old_heads: Option<PathBuf>,
    /// What `audit verify` says of it.
    pub report: Report,
}

/// Restores `source` into the app's empty store. `floor` is for engines whose heartbeats came after the backup: all numbers go on above
/// it.
///
/// # Errors
/// [`RestoreError`].
pub async fn restore(app: &App, source: &Path, floor: u64) -> Result<Restored, RestoreError> {
    let unpacked;
    let folder = if is_tar(source) {
        unpacked = tempfile::tempdir().map_err(at(source))?;
        let mut file = BufReader::new(File::open(source).map_err(at(source))?);
        tar::unpack(&mut file, unpacked.path()).map_err(at(source))?;
        unpacked.path()
    } else {
        source
    };
    let manifest = check(app, folder)?;
    empty(app, &manifest).await?;
    for hash in &manifest.artifacts {
        let path = artifact_path(folder, *hash);
        app.artifacts.put(&std::fs::read(&path).map_err(at(&path))?)?;
    }

    let abandoned = heads::read(&app.config.audit_heads)?.pop();
    let mut tx = app.store.begin().await?;
    let mut rows = 0;
    for table in &manifest.tables {
        let path = table_path(folder, &table.name);
        let mut numbered = false;
        for line in lines(&path)? {
            let row = parsed(&path, &line.map_err(at(&path))?)?;
            numbered |= row.contains_key("id");
            tx.put_back(&table.name, &row).await?;
            rows += 1;
        }
        if numbered {
            tx.count_on(&table.name).await?;
        }
    }
    let floors = raise(&mut tx, floor).await?;
    let event = Event {
        actor: "control".to_owned(),
        action: Action::Restored,
        subject: "store".to_owned(),
        body: json!({
            "backup_created_at": manifest.created_at, "backup_newest_event": manifest.newest_event, "floors": floors,
            "abandoned_head": abandoned,
        }),
    };
    audit::append(&mut tx, app.keys.audit(), app.now(), event).await?;
    tx.commit().await?;

    let finish = async {
        let old_heads = new_heads(app, abandoned.is_some()).await?;
        let heads = heads::read(&app.config.audit_heads)?;
        let report = verify::check(&app.store, &*app.artifacts, app.keys.trusted(), &heads).await?;
        Ok((old_heads, report))
    };
    let (old_heads, report) = finish
        .await
        .map_err(|error| RestoreError::Unfinished(Box::new(error)))?;
    Ok(Restored {
        rows,
        artifacts: manifest.artifacts.len(),
        floors,
        old_heads,
        report,
    })
}

/// Raises every slot's numbers to the highest an engine has reported, and to `floor`.
async fn raise(tx: &mut Tx, floor: u64) -> Result<Vec<Floor>, StoreError> {
    let mut floors = Vec::new();
    for (slot, generation, directive_number) in tx.highest_numbers().await? {
        let floor = Floor {
            generation: generation.max(floor),
            directive_number: directive_number.max(floor),
            slot,
        };
        tx.raise_numbers(&floor.slot, floor.generation, floor.directive_number)
            .await?;
        floors.push(floor);
    }
    Ok(floors)
}

/// The chain of before the restore has heads of its own: they are kept beside those that follow.
async fn new_heads(app: &App, had_heads: bool) -> Result<Option<PathBuf>, RestoreError> {
    let path = &app.config.audit_heads;
    let mut aside = None;
    if had_heads {
        let to = path.with_extension(format!("before-{}.jsonl", app.now().0));
        std::fs::rename(path, &to).map_err(at(path))?;
        aside = Some(to);
    }
    if let Some((seq, hash)) = app.store.newest_audit_event().await? {
        let head = Head {
            seq,
            hash,
            at: app.now(),
        };
        let signed = SignedHead::new(head, app.keys.audit()).map_err(AppendError::from)?;
        heads::write(path, &signed)?;
    }
    Ok(aside)
}

fn lines(path: &Path) -> Result<std::io::Lines<BufReader<File>>, FileError> {
    Ok(BufReader::new(File::open(path).map_err(at(path))?).lines())
}

fn damaged(path: &Path, detail: impl std::fmt::Display) -> RestoreError {
    RestoreError::Damaged {
        path: path.to_owned(),
        detail: detail.to_string(),
    }
}

fn parsed(path: &Path, line: &str) -> Result<RowMap, RestoreError> {
    serde_json::from_str(line).map_err(|error| damaged(path, error))
}

/// Reads all of it: every table's file and every artifact against its hash, and the chain of events link by link.
fn check(app: &App, folder: &Path) -> Result<Manifest, RestoreError> {
    let path = folder.join(MANIFEST);
    let text = std::fs::read(&path).map_err(at(&path))?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| damaged(&path, error))?;
    if manifest.schema_version != SCHEMA {
        return Err(damaged(&path, format!("it is no {SCHEMA}")));
    }
    for table in &manifest.tables {
        let plain = |b: u8| b.is_ascii_lowercase() || b == b'_';
        if !table.name.bytes().all(plain) {
            return Err(damaged(&path, "a table has no name"));
        }
        let path = table_path(folder, &table.name);
        let bytes = std::fs::read(&path).map_err(at(&path))?;
        if FileHash::of(&bytes) != table.sha256 {
            return Err(damaged(&path, "its bytes are not those the manifest names"));
        }
        let rows = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        if rows != table.rows {
            return Err(damaged(
                &path,
                format!("{rows} rows, the manifest says {}", table.rows),
            ));
        }
    }
    for hash in &manifest.artifacts {
        let path = artifact_path(folder, *hash);
        let bytes = std::fs::read(&path).map_err(at(&path))?;
        if Digest::of(&bytes) != *hash {
            return Err(damaged(&path, "its bytes are not those of its name"));
        }
    }
    check_chain(app, folder, &manifest)?;
    Ok(manifest)
}

fn check_chain(app: &App, folder: &Path, manifest: &Manifest) -> Result<(), RestoreError> {
    let path = table_path(folder, "audit_events");
    let (mut walk, mut newest) = (Walk::new(app.keys.trusted()), None);
    for line in lines(&path)? {
        let row = parsed(&path, &line.map_err(at(&path))?)?;
        let event = event_of(row).map_err(|error| damaged(&path, error))?;
        walk.step(&event)?;
        newest = Some((event.event.seq, event.hash));
    }
    if newest != manifest.newest_event {
        return Err(damaged(
            &path,
            "the manifest names another newest event: the end of the chain was cut off",
        ));
    }
    Ok(())
}

/// A row of `audit_events` as the event it holds.
fn event_of(mut row: RowMap) -> Result<Stored, serde_json::Error> {
    for column in ["body", "signature"] {
        if let Some(Value::String(text)) = row.get(column) {
            let document = serde_json::from_str(text)?;
            row.insert(column.to_owned(), document);
        }
    }
    serde_json::from_value(Value::Object(row))
}

/// Nothing may be there but artifacts of the backup itself, which a restore that was broken off leaves behind.
async fn empty(app: &App, manifest: &Manifest) -> Result<(), RestoreError> {
    if let Some(table) = app.store.table_in_use().await? {
        return Err(RestoreError::NotEmpty(format!(
            "the database's table {table} has rows"
        )));
    }
    let mut there = app.artifacts.list()?.into_iter();
    if let Some(foreign) = there.find(|hash| !manifest.artifacts.contains(hash)) {
        return Err(RestoreError::NotEmpty(format!(
            "the artifact store holds {foreign}"
        )));
    }
    Ok(())
}
