//! Where desired state comes from: a directory here, the control plane in [`super::control`]. The cache is a directory too.

use std::io;
use std::path::{Path, PathBuf};

use contracts::hash::ArtifactHash;
use contracts::limits::CONTRACT_BYTES_MAX;

use crate::bundle::{ArtifactSource, FetchError};

/// Says what state the slot is to be in. It is asked again at every look; nothing it says is believed unverified.
pub trait DirectiveSource: Send {
    /// The newest directive; `None` while there is none. It is there at once, or not now.
    ///
    /// # Errors
    /// [`FetchError`] when the source cannot be read now.
    fn directive(&mut self) -> Result<Option<Vec<u8>>, FetchError>;
}

/// Says what the slot is to run, and has what that is made of. As above.
pub trait ContractSource: Send {
    /// The contract the slot should run; `None` while there is none.
    ///
    /// # Errors
    /// [`FetchError`] when the source cannot be read now.
    fn contract(&mut self) -> Result<Option<Vec<u8>>, FetchError>;

    /// The bytes stored under `hash`. This may take its time; where the source learns of a newer contract meanwhile, it gives up.
    ///
    /// # Errors
    /// As above; also when there are more than `bytes_max` of them, or a newer contract has come.
    fn artifact(&mut self, hash: ArtifactHash, bytes_max: usize) -> Result<Vec<u8>, FetchError>;
}

/// `contract.json`, `directive.json` and `artifacts/<sha256>` under one directory.
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// Reads, and as a cache writes, under `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    fn document(&self, name: &str) -> Result<Option<Vec<u8>>, FetchError> {
        match read(&self.root.join(name), CONTRACT_BYTES_MAX) {
            Ok(bytes) => Ok(Some(bytes)),
            // A directory that is gone is a source that is gone; one without the file is a slot without a contract.
            Err(FetchError::Missing) if self.root.is_dir() => Ok(None),
            Err(FetchError::Missing) => {
                Err(FetchError::Unavailable(io::Error::from(io::ErrorKind::NotFound)))
            }
            Err(error) => Err(error),
        }
    }

    fn path(&self, hash: ArtifactHash) -> PathBuf {
        self.root.join("artifacts").join(hash.to_hex())
    }

    /// Stores an artifact.
    ///
    /// # Errors
    /// The file system's.
    pub fn store_artifact(&self, hash: ArtifactHash, bytes: &[u8]) -> io::Result<()> {
        std::fs::create_dir_all(self.root.join("artifacts"))?;
        replace(&self.path(hash), bytes)
    }

    /// Stores the contract; its artifacts must be there already.
    ///
    /// # Errors
    /// The file system's.
    pub fn store_contract(&self, json: &[u8]) -> io::Result<()> {
        std::fs::create_dir_all(&self.root)?;
        replace(&self.root.join("contract.json"), json)
    }

    /// Stores the newest directive.
    ///
    /// # Errors
    /// The file system's.
    pub fn store_directive(&self, json: &[u8]) -> io::Result<()> {
        std::fs::create_dir_all(&self.root)?;
        replace(&self.root.join("directive.json"), json)
    }

    /// Removes artifacts that are not among `kept`.
    ///
    /// # Errors
    /// The file system's.
    pub fn keep_artifacts(&self, kept: &[ArtifactHash]) -> io::Result<()> {
        for entry in std::fs::read_dir(self.root.join("artifacts"))? {
            let entry = entry?;
            let is_kept = |name: &str| kept.iter().any(|hash| hash.to_hex() == name);
            if !entry.file_name().to_str().is_some_and(is_kept) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

impl ContractSource for Directory {
    fn contract(&mut self) -> Result<Option<Vec<u8>>, FetchError> {
        self.document("contract.json")
    }

    fn artifact(&mut self, hash: ArtifactHash, bytes_max: usize) -> Result<Vec<u8>, FetchError> {
        read(&self.path(hash), bytes_max)
    }
}

impl DirectiveSource for Directory {
    fn directive(&mut self) -> Result<Option<Vec<u8>>, FetchError> {
        self.document("directive.json")
    }
}

impl ArtifactSource for Directory {
    fn artifact(&mut self, hash: ArtifactHash, bytes_max: usize) -> Result<Vec<u8>, FetchError> {
        read(&self.path(hash), bytes_max)
    }
}

/// Artifacts from the cache where it has them intact, else from the source, and then into the cache.
pub(super) struct Through<'a> {
    pub source: &'a mut dyn ContractSource,
    pub cache: Option<&'a mut Directory>,
}

impl ArtifactSource for Through<'_> {
    fn artifact(&mut self, hash: ArtifactHash, bytes_max: usize) -> Result<Vec<u8>, FetchError> {
        let intact = |bytes: &Vec<u8>| ArtifactHash::of(bytes) == hash;
        if let Some(cache) = self.cache.as_deref_mut()
            && let Some(bytes) = ArtifactSource::artifact(cache, hash, bytes_max)
                .ok()
                .filter(intact)
        {
            return Ok(bytes);
        }
        let bytes = self.source.artifact(hash, bytes_max)?;
        if let Some(cache) = self.cache.as_deref().filter(|_| intact(&bytes))
            && let Err(error) = cache.store_artifact(hash, &bytes)
        {
            tracing::warn!(%hash, %error, "cannot cache an artifact");
        }
        Ok(bytes)
    }
}

/// Reads a file that may have at most `bytes_max` bytes, without reading more than that.
fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, FetchError> {
    use std::io::Read as _;
    let unavailable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => FetchError::Missing,
        _ => FetchError::Unavailable(error),
    };
    let file = std::fs::File::open(path).map_err(unavailable)?;
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unavailable)?;
    if bytes.len() > bytes_max {
        let size = std::fs::metadata(path).map_or(limit, |metadata| metadata.len());
        return Err(FetchError::TooLarge {
            bytes: size,
            bytes_max,
        });
    }
    Ok(bytes)
}

/// Writes beside the place, syncs and renames: a reader sees the old file or the new one.
///
/// # Errors
/// The file system's.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_directory_has_nothing_and_a_missing_one_is_unavailable() {
        let folder = tempfile::tempdir().unwrap();
        let mut here = Directory::new(folder.path());
        assert!(here.contract().unwrap().is_none());
        let mut gone = Directory::new(&folder.path().join("gone"));
        assert!(matches!(gone.contract(), Err(FetchError::Unavailable(_))));
        here.store_contract(b"{}").unwrap();
        assert_eq!(here.contract().unwrap().unwrap(), b"{}");
    }

    #[test]
    fn artifacts_are_bounded_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let here = Directory::new(folder.path());
        let (a, b) = (ArtifactHash::of(b"a"), ArtifactHash::of(b"b"));
        here.store_artifact(a, b"a").unwrap();
        here.store_artifact(b, b"b").unwrap();
        let get = |hash, max| ArtifactSource::artifact(&mut here.clone(), hash, max);
        assert_eq!(get(a, 1).unwrap(), b"a");
        assert!(matches!(get(a, 0), Err(FetchError::TooLarge { bytes: 1, .. })));
        here.keep_artifacts(&[b]).unwrap();
        assert!(matches!(get(a, 1), Err(FetchError::Missing)));
        assert!(get(b, 1).is_ok());
    }
}
