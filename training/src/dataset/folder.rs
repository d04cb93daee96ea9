//! A dataset on disk: whole or not at all, and read back with every hash checked.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use contracts::hash::ArtifactHash;
use contracts::jcs::to_canonical;
use contracts::norm_stats::NormStats;

use super::encode::{DatasetFile, encode};
use super::error::{LoadDatasetError, WriteDatasetError};
use super::{Dataset, Manifest, Rows, SplitName, dataset_hash, read};
use crate::limits::DATASET_FILE_BYTES_MAX;

/// Name of the file of norm stats.
pub const NORM_STATS_FILE: &str = "norm_stats.json";
/// Name of the file that says what the others are.
pub const MANIFEST_FILE: &str = "manifest.json";

/// Puts the files into `folder`, which must not be there yet or hold this very dataset; its parent is made where it is missing.
///
/// The files are written beside it, synced and moved into place in one step: another process, or the next start after a crash, sees all of
/// it or nothing.
///
/// # Errors
/// [`WriteDatasetError`]; nothing is left behind.
pub fn write(dataset: &Dataset, folder: &Path) -> Result<Vec<DatasetFile>, WriteDatasetError> {
    let files = encode(dataset)?;
    if holds(folder, &files) {
        return Ok(files);
    }
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| WriteDatasetError::Io { path, source }
    };
    std::fs::create_dir_all(parent).map_err(failed(parent))?;
    let beside = beside(parent).map_err(failed(parent))?;
    for file in &files {
        let path = beside.path().join(&file.name);
        put(&path, &file.bytes).map_err(failed(&path))?;
    }
    sync(beside.path()).map_err(failed(beside.path()))?;
    if let Err(source) = std::fs::rename(beside.path(), folder) {
        // Another process may have been faster with the same dataset.
        if holds(folder, &files) {
            return Ok(files);
        }
        let path = folder.to_owned();
        return Err(if folder.exists() {
            WriteDatasetError::Taken { path }
        } else {
            WriteDatasetError::Io { path, source }
        });
    }
    // It has another name now: there is nothing to tidy up.
    drop(beside.keep());
    sync(parent).map_err(failed(parent))?;
    Ok(files)
}

/// An empty folder of a name nobody has, with the rights of any folder.
fn beside(parent: &Path) -> io::Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt as _;
    tempfile::Builder::new()
        .prefix(".dataset-")
        .permissions(std::fs::Permissions::from_mode(0o777))
        .tempdir_in(parent)
}

fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Whether the folder holds these files, byte for byte, and nothing else.
fn holds(folder: &Path, files: &[DatasetFile]) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    let same =
        |file: &DatasetFile| std::fs::read(folder.join(&file.name)).is_ok_and(|found| found == file.bytes);
    entries.count() == files.len() && files.iter().all(same)
}

/// Reads a folder that [`write()`] made. Every byte is accounted for: each file against the manifest, the rows against `dataset_hash`, the
/// norm stats against their hash. The caller holds the manifest's hashes against what it expects ([`Manifest::differs_from`]).
///
/// # Errors
/// [`LoadDatasetError`] naming the file and what is not so.
pub fn load(folder: &Path) -> Result<Dataset, LoadDatasetError> {
    let manifest_path = folder.join(MANIFEST_FILE);
    let manifest = manifest(&manifest_path)?;
    let names = &manifest.features.columns;
    let mut splits: [Rows; 3] = Default::default();
    for split in SplitName::ALL {
        let Some(facts) = manifest.splits.get(&split) else {
            return Err(LoadDatasetError::Manifest {
                path: manifest_path,
                detail: format!("it has no split {split}"),
            });
        };
        let expected = super::encode::file_name(&manifest.experiment, split);
        if facts.file != expected {
            // A name of its own could lead anywhere.
            let detail = format!("the file of split {split} is {}, not {expected}", facts.file);
            return Err(LoadDatasetError::Manifest {
                path: manifest_path,
                detail,
            });
        }
        let path = folder.join(&facts.file);
        let bytes = checked(&path, facts.sha256)?;
        let rows = read::rows(bytes, names).map_err(|detail| LoadDatasetError::Table {
            path: path.clone(),
            detail,
        })?;
        let ends = rows
            .close_times
            .first()
            .copied()
            .zip(rows.close_times.last().copied());
        let expected = (facts.first_close_time, facts.last_close_time);
        same(&path, "rows", facts.rows, rows.len() as u64)?;
        if ends != Some(expected) {
            let found = ends.map_or_else(|| "nothing".to_owned(), |(from, to)| format!("{from} to {to}"));
            return Err(LoadDatasetError::Differs {
                path,
                what: "the time of its rows",
                expected: format!("{} to {}", expected.0, expected.1),
                found,
            });
        }
        splits[split as usize] = rows;
    }
    let [train, val, test] = &splits;
    let found = dataset_hash(names, [train, val, test]);
    same(&manifest_path, "dataset_hash", manifest.dataset_hash, found)?;
    let path = folder.join(NORM_STATS_FILE);
    let bytes = checked(
        &path,
        ArtifactHash::from_bytes(*manifest.norm_stats_hash.as_bytes()),
    )?;
    let norm_stats = NormStats::parse(&bytes).map_err(|source| LoadDatasetError::NormStats {
        path: path.clone(),
        source,
    })?;
    same(
        &path,
        "norm_stats_hash",
        manifest.norm_stats_hash,
        norm_stats.hash(),
    )?;
    same(
        &path,
        "metadata.dataset_hash",
        manifest.dataset_hash,
        norm_stats.metadata.dataset_hash,
    )?;
    Ok(Dataset {
        splits,
        norm_stats,
        manifest,
    })
}

fn manifest(path: &Path) -> Result<Manifest, LoadDatasetError> {
    let bytes = bytes(path)?;
    let refused = |detail: String| LoadDatasetError::Manifest {
        path: path.to_owned(),
        detail,
    };
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| refused(error.to_string()))?;
    let canonical = to_canonical(&manifest).map_err(|error| refused(error.to_string()))?;
    if canonical.as_bytes() != bytes {
        return Err(refused(
            "it is not written canonically, as it was made".to_owned(),
        ));
    }
    Ok(manifest)
}

fn bytes(path: &Path) -> Result<Vec<u8>, LoadDatasetError> {
    let failed = |source| LoadDatasetError::Read {
        path: path.to_owned(),
        source,
    };
    let bytes = std::fs::metadata(path).map_err(failed)?.len();
    if bytes > DATASET_FILE_BYTES_MAX {
        return Err(LoadDatasetError::TooLarge {
            path: path.to_owned(),
            bytes,
            max: DATASET_FILE_BYTES_MAX,
        });
    }
    std::fs::read(path).map_err(failed)
}

fn checked(path: &Path, expected: ArtifactHash) -> Result<Vec<u8>, LoadDatasetError> {
    let bytes = bytes(path)?;
    same(path, "its SHA-256", expected, ArtifactHash::of(&bytes))?;
    Ok(bytes)
}

fn same<T: PartialEq + ToString>(
    path: &Path,
    what: &'static str,
    expected: T,
    found: T,
) -> Result<(), LoadDatasetError> {
    if expected == found {
        return Ok(());
    }
    Err(LoadDatasetError::Differs {
        path: PathBuf::from(path),
        what,
        expected: expected.to_string(),
        found: found.to_string(),
    })
}
