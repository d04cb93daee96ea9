//! The artifact store: files by the SHA-256 of their bytes, verified at every read.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contracts::hash::{ArtifactHash, Digest};

use crate::limits::ARTIFACT_BYTES_MAX;
use crate::whole::{write_copy, write_whole};

/// Why an artifact cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// It is not there.
    #[error("artifact {0} is not in the store")]
    Missing(ArtifactHash),
    /// Its bytes are others than its name says: it was edited or has decayed. It is not handed out.
    #[error("artifact {expected} has bytes of {found}: it was changed after it was stored")]
    Altered {
        /// What was asked for.
        expected: ArtifactHash,
        /// What is there.
        found: ArtifactHash,
    },
    /// More bytes than an artifact may have.
    #[error("{bytes} bytes are more than an artifact may have ({ARTIFACT_BYTES_MAX})")]
    TooLarge {
        /// How many.
        bytes: u64,
    },
    /// The file system's.
    #[error("the artifact store cannot be used")]
    Io(#[source] io::Error),
}

/// Where artifacts lie. A directory now; an object store fits behind the same trait.
pub trait ArtifactStore: Send + Sync + std::fmt::Debug {
    /// Stores bytes; done again, it changes nothing.
    ///
    /// # Errors
    /// [`ArtifactError`].
    fn put(&self, bytes: &[u8]) -> Result<ArtifactHash, ArtifactError>;

    /// The bytes of that hash, verified.
    ///
    /// # Errors
    /// [`ArtifactError`].
    fn get(&self, hash: ArtifactHash) -> Result<Vec<u8>, ArtifactError>;

    /// All that are stored, sorted.
    ///
    /// # Errors
    /// [`ArtifactError::Io`].
    fn list(&self) -> Result<Vec<ArtifactHash>, ArtifactError>;
}

/// Why something that names files is not taken.
#[derive(Debug, thiserror::Error)]
pub enum NamedError {
    /// One is not there, or not with its bytes: upload it, which also heals it.
    #[error("the artifact store does not hold {name}, artifact {hash}, as its name says: upload it first")]
    NotThere {
        /// What it was called.
        name: String,
        /// Its hash.
        hash: ArtifactHash,
        /// What is wrong with it.
        source: Box<ArtifactError>,
    },
    /// The file system's.
    #[error("the artifact store cannot be used")]
    Store(#[source] ArtifactError),
}

/// Reads and hashes every file of a list: all are there, or the first that is not is named.
///
/// # Errors
/// [`NamedError`].
///
/// # Panics
/// When the artifact store does.
pub async fn require(
    store: &Arc<dyn ArtifactStore>,
    named: Vec<(String, ArtifactHash)>,
) -> Result<(), NamedError> {
    let store = store.clone();
    let read = move || {
        for (name, hash) in named {
            store.get(hash).map_err(|source| match source {
                ArtifactError::Io(_) => NamedError::Store(source),
                source => NamedError::NotThere {
                    name,
                    hash,
                    source: Box::new(source),
                },
            })?;
        }
        Ok(())
    };
    let read = tokio::task::spawn_blocking(read).await;
    read.expect("reading files does not panic, and is waited for")
}

/// Artifacts as files `aa/<sha256>` under one directory.
#[derive(Debug, Clone)]
pub struct DirectoryStore {
    root: PathBuf,
}

impl DirectoryStore {
    /// Uses `root`, made when the first artifact comes.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Where the artifact's file lies, whether it is there or not.
    #[must_use]
    pub fn path(&self, hash: ArtifactHash) -> PathBuf {
        let name = hash.to_hex();
        self.root.join(&name[..2]).join(&name)
    }

    /// Keeps a copy of what lies in another store too: not synced to the disk, for what is lost is fetched again.
    ///
    /// # Errors
    /// [`ArtifactError::Io`].
    pub fn copy(&self, bytes: &[u8]) -> Result<(), ArtifactError> {
        write_copy(&self.path(Digest::of(bytes)), bytes).map_err(ArtifactError::Io)
    }
}

impl ArtifactStore for DirectoryStore {
    fn put(&self, bytes: &[u8]) -> Result<ArtifactHash, ArtifactError> {
        if bytes.len() > ARTIFACT_BYTES_MAX {
            return Err(ArtifactError::TooLarge {
                bytes: bytes.len() as u64,
            });
        }
        let hash = Digest::of(bytes);
        // What is there under its name is kept only if it still has its bytes; otherwise this heals it.
        if self.get(hash).is_err() {
            write_whole(&self.path(hash), bytes).map_err(ArtifactError::Io)?;
        }
        Ok(hash)
    }

    fn get(&self, hash: ArtifactHash) -> Result<Vec<u8>, ArtifactError> {
        let path = self.path(hash);
        let size = match std::fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ArtifactError::Missing(hash));
            }
            Err(error) => return Err(ArtifactError::Io(error)),
        };
        if size > ARTIFACT_BYTES_MAX as u64 {
            return Err(ArtifactError::TooLarge { bytes: size });
        }
        let bytes = std::fs::read(&path).map_err(ArtifactError::Io)?;
        let found = Digest::of(&bytes);
        if found == hash {
            Ok(bytes)
        } else {
            Err(ArtifactError::Altered {
                expected: hash,
                found,
            })
        }
    }

    fn list(&self) -> Result<Vec<ArtifactHash>, ArtifactError> {
        let mut found = Vec::new();
        let folders = match std::fs::read_dir(&self.root) {
            Ok(folders) => folders,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(ArtifactError::Io(error)),
        };
        for folder in folders {
            let folder = folder.map_err(ArtifactError::Io)?;
            for file in std::fs::read_dir(folder.path()).map_err(ArtifactError::Io)? {
                let name = file.map_err(ArtifactError::Io)?.file_name();
                // Half-written files have another name and are no artifacts.
                if let Some(Ok(hash)) = name.to_str().map(ArtifactHash::parse) {
                    found.push(hash);
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_comes_back_and_an_altered_file_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = DirectoryStore::new(folder.path());
        let hash = store.put(b"weights").unwrap();
        assert_eq!(store.put(b"weights").unwrap(), hash);
        assert_eq!(store.get(hash).unwrap(), b"weights");
        assert_eq!(store.list().unwrap(), [hash]);

        std::fs::write(store.path(hash), b"weightz").unwrap();
        assert!(matches!(store.get(hash), Err(ArtifactError::Altered { expected, .. }) if expected == hash));
        assert_eq!(store.put(b"weights").unwrap(), hash);
        assert_eq!(store.get(hash).unwrap(), b"weights");
    }

    #[test]
    fn one_that_is_not_there_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let store = DirectoryStore::new(&folder.path().join("not/yet"));
        let hash = Digest::of(b"nothing");
        assert!(matches!(store.get(hash), Err(ArtifactError::Missing(missing)) if missing == hash));
        assert!(store.list().unwrap().is_empty());
    }
}
