//! Writing a backup: all of it or nothing.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{
    FileError, FileHash, MANIFEST, Manifest, SCHEMA, TableEntry, artifact_path, at, is_tar, parent,
    table_path, tar,
};
use crate::artifacts::{ArtifactError, ArtifactStore};
use crate::clock::Clock;
use crate::store::{Snapshot, Store, StoreError};

/// Why there is no backup; nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something is there.
    #[error("{0} is there already: a backup never overwrites")]
    Exists(PathBuf),
    /// An artifact is not what its name says; a backup of it would be worth nothing.
    #[error("an artifact cannot be saved: `control audit verify` names whose it is")]
    Artifact(#[from] ArtifactError),
    /// A file.
    #[error("the backup cannot be written")]
    File(#[from] FileError),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

/// Writes a backup to `target`, a folder or (with the ending `.tar`) a file that is not there yet. The plane may serve meanwhile: the
/// backup is of one moment.
///
/// # Errors
/// [`BackupError`].
pub async fn write(
    store: &Store,
    artifacts: &dyn ArtifactStore,
    clock: &dyn Clock,
    target: &Path,
) -> Result<Manifest, BackupError> {
    if target.exists() {
        return Err(BackupError::Exists(target.to_owned()));
    }
    let place = parent(target);
    fs::create_dir_all(place).map_err(at(place))?;
    let folder = tempfile::Builder::new()
        .prefix(".backup-")
        .tempdir_in(place)
        .map_err(at(place))?;
    let mut snapshot = store.snapshot().await?;
    let tables = write_tables(&mut snapshot, folder.path()).await?;
    let newest_event = newest_event(&mut snapshot).await?;
    drop(snapshot);
    // Listed after the moment of the rows: an artifact is stored before a row names it.
    let listed = artifacts.list()?;
    for hash in &listed {
        let path = artifact_path(folder.path(), *hash);
        put(&path, &artifacts.get(*hash)?)?;
    }
    let manifest = Manifest {
        schema_version: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: clock.now(),
        newest_event,
        tables,
        artifacts: listed,
    };
    let text = serde_json::to_string_pretty(&manifest).expect("a manifest is texts and numbers");
    put(&folder.path().join(MANIFEST), text.as_bytes())?;
    if is_tar(target) {
        let mut file = tempfile::NamedTempFile::new_in(place).map_err(at(place))?;
        tar::pack(folder.path(), file.as_file_mut()).map_err(at(target))?;
        file.as_file().sync_all().map_err(at(target))?;
        file.persist_noclobber(target)
            .map_err(|error| at(target)(error.error))?;
    } else {
        fs::rename(folder.path(), target).map_err(at(target))?;
        // It has its name now; there is nothing left to clean up.
        drop(folder.keep());
    }
    File::open(place)
        .and_then(|folder| folder.sync_all())
        .map_err(at(place))?;
    Ok(manifest)
}

async fn newest_event(
    snapshot: &mut Snapshot,
) -> Result<Option<(u64, crate::audit::EventHash)>, BackupError> {
    let mut newest = None;
    snapshot
        .rows("audit_events", |row| {
            let seq = row["seq"].as_u64();
            let hash = row["hash"].as_str().and_then(|text| text.parse().ok());
            newest = newest.max(seq.zip(hash));
            Ok::<(), BackupError>(())
        })
        .await?;
    Ok(newest)
}

async fn write_tables(snapshot: &mut Snapshot, folder: &Path) -> Result<Vec<TableEntry>, BackupError> {
    let mut tables = Vec::new();
    for name in snapshot.tables().await? {
        let path = table_path(folder, &name);
        fs::create_dir_all(parent(&path)).map_err(at(&path))?;
        let mut file = BufWriter::new(File::create_new(&path).map_err(at(&path))?);
        let (mut hasher, mut rows) = (Sha256::new(), 0);
        snapshot
            .rows(&name, |row| {
                let mut line = serde_json::to_string(&row).expect("rows are texts and numbers");
                line.push('\n');
                hasher.update(line.as_bytes());
                rows += 1;
                file.write_all(line.as_bytes())
                    .map_err(|error| BackupError::from(at(&path)(error)))
            })
            .await?;
        let written = file.into_inner().map_err(|error| error.into_error());
        written.and_then(|file| file.sync_all()).map_err(at(&path))?;
        tables.push(TableEntry {
            name,
            rows,
            sha256: FileHash::from_bytes(hasher.finalize().into()),
        });
    }
    Ok(tables)
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    fs::create_dir_all(parent(path)).map_err(at(path))?;
    let mut file = File::create_new(path).map_err(at(path))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(at(path))
}
