//! Backup and restore: the store's rows and the artifacts, never keys.
//!
//! A backup is a folder (or the same as one `.tar`): `manifest.json`, `tables/NAME.jsonl` with a row a line, `artifacts/aa/SHA256`. The
//! manifest holds the hash of every table's file, artifacts are named by theirs, and the audit chain in it is signed: damage is found
//! before anything is written. Rows are text and numbers, so a backup of one database goes into the other.

mod restore;
mod tar;
mod write;

use std::io;
use std::path::{Path, PathBuf};

use contracts::hash::{ArtifactHash, Digest};
use contracts::time::UtcMillis;
use serde::{Deserialize, Serialize};

pub use self::restore::{RestoreError, Restored, restore};
pub use self::write::{BackupError, write};
use crate::audit::EventHash;

/// What the manifest says it is.
const SCHEMA: &str = "twovote/backup/v1";
/// The manifest's name.
const MANIFEST: &str = "manifest.json";

/// Tag of a file's hash.
pub enum OfFile {}
/// Hash of a file of a backup.
pub type FileHash = Digest<OfFile>;

/// A table of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableEntry {
    /// Its name.
    pub name: String,
    /// Rows, a line each.
    pub rows: u64,
    /// Of `tables/NAME.jsonl`.
    pub sha256: FileHash,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `twovote/backup/v1`.
    pub schema_version: String,
    /// The program's version.
    pub version: String,
    /// When.
    pub created_at: UtcMillis,
    /// Number and hash of the newest event of the audit chain.
    pub newest_event: Option<(u64, EventHash)>,
    /// The tables, in an order in which their rows can be put back.
    pub tables: Vec<TableEntry>,
    /// The artifacts, by their hashes.
    pub artifacts: Vec<ArtifactHash>,
}

fn table_path(folder: &Path, table: &str) -> PathBuf {
    folder.join("tables").join(format!("{table}.jsonl"))
}

fn artifact_path(folder: &Path, hash: ArtifactHash) -> PathBuf {
    let name = hash.to_hex();
    folder.join("artifacts").join(&name[..2]).join(&name)
}

/// True for a backup that is one file.
fn is_tar(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tar")
}

/// The folder a path lies in.
fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."))
}

/// A failure of the file system, and where.
#[derive(Debug, thiserror::Error)]
#[error("{path}")]
pub struct FileError {
    path: PathBuf,
    source: io::Error,
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError { path, source }
}
