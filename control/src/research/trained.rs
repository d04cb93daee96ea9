//! A finished training on disk: the model, what the trainer left beside it, and a manifest that is written last.
//!
//! The folder is a training when its manifest is there and every file has the bytes the manifest says. Until then it is one that was begun:
//! whoever comes next goes on or starts again, and nothing of it is ever registered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use contracts::experiment::contract::ExperimentContract;
use contracts::hash::{ArtifactHash, ConfigHash, DatasetHash, Digest, ModelHash, NormStatsHash};
use contracts::ids::{ContractId, RunId};
use contracts::jcs;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::limits::TRAINING_FILE_BYTES_MAX;
use crate::whole::write_whole;

/// Name of the model's file.
pub const MODEL: &str = "model.onnx";
/// Name of the manifest.
pub const MANIFEST: &str = "training.json";

/// Tag of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrainingV1 {
    /// The only one this build reads.
    #[serde(rename = "twovote/training/v1")]
    V1,
}

/// What a training is, and what it left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What this document is.
    pub schema_version: TrainingV1,
    /// `RUN-{experiment}-{version}-{12 hex}`: follows from everything below but `facts`.
    pub run_id: RunId,
    /// The experiment.
    pub contract_id: ContractId,
    /// Its content.
    pub config_hash: ConfigHash,
    /// What was learnt from.
    pub dataset_hash: DatasetHash,
    /// What it was normalised with.
    pub norm_stats_hash: NormStatsHash,
    /// The ONNX file.
    pub model_hash: ModelHash,
    /// Every file of the folder but this one.
    pub files: BTreeMap<String, ArtifactHash>,
    /// What the trainer says about its run: steps, why it ended, figures.
    pub facts: Value,
}

/// What a trainer made.
#[derive(Debug)]
pub struct Made {
    /// The ONNX file.
    pub model: Vec<u8>,
    /// Files beside it, by name.
    pub beside: BTreeMap<String, Vec<u8>>,
    /// See [`Manifest::facts`].
    pub facts: Value,
}

/// Why a folder holds no training that can be used.
#[derive(Debug, thiserror::Error)]
pub enum TrainedError {
    /// A file cannot be read or written.
    #[error("{} cannot be used", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The manifest is no manifest.
    #[error("{} is no manifest of a training: {detail}", path.display())]
    Manifest {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A file has other bytes than the manifest says: it was edited or has decayed.
    #[error("{} has bytes of {found}, its manifest says {expected}", path.display())]
    Altered {
        /// Which.
        path: PathBuf,
        /// By the manifest.
        expected: ArtifactHash,
        /// What is there.
        found: ArtifactHash,
    },
    /// It is a training of something else.
    #[error("{} holds a training of {found}, not of {expected}", folder.display())]
    Other {
        /// The folder.
        folder: PathBuf,
        /// What it was trained on.
        found: String,
        /// What was asked for.
        expected: String,
    },
}

/// What a training is of.
#[derive(Debug, Clone, Copy)]
pub struct Of<'a> {
    /// The experiment.
    pub contract: &'a ExperimentContract,
    /// What is learnt from.
    pub dataset_hash: DatasetHash,
    /// What it is normalised with.
    pub norm_stats_hash: NormStatsHash,
}

impl Of<'_> {
    fn words(&self) -> String {
        words(
            &self.contract.contract_id,
            self.contract.config_hash,
            self.dataset_hash,
        )
    }
}

fn words(contract: &ContractId, config: ConfigHash, dataset: DatasetHash) -> String {
    format!(
        "{contract} (config {}, dataset {})",
        config.short(16),
        dataset.short(16)
    )
}

/// Writes what a trainer made, its manifest last.
///
/// # Errors
/// [`TrainedError::Io`].
///
/// # Panics
/// Never: hashes have canonical JSON, and an experiment's id is short enough for the run's.
pub fn write(folder: &Path, of: Of<'_>, made: Made) -> Result<Manifest, TrainedError> {
    let mut contents = made.beside;
    let model_hash = ModelHash::of(&made.model);
    contents.insert(MODEL.to_owned(), made.model);
    let mut files = BTreeMap::new();
    for (name, bytes) in &contents {
        put(&folder.join(name), bytes)?;
        files.insert(name.clone(), ArtifactHash::of(bytes));
    }
    let contract = of.contract;
    let identity: Digest<()> = jcs::digest(&json!({
        "contract_id": contract.contract_id, "config_hash": contract.config_hash, "dataset_hash": of.dataset_hash,
        "norm_stats_hash": of.norm_stats_hash, "model_hash": model_hash,
    }))
    .expect("hashes have canonical JSON");
    let run_id = format!(
        "RUN-{}-{}-{}",
        contract.name,
        contract.version,
        identity.short(12)
    );
    let manifest = Manifest {
        schema_version: TrainingV1::V1,
        run_id: RunId::parse(&run_id).expect("an id that fits with its prefix fits with this one"),
        contract_id: contract.contract_id.clone(),
        config_hash: contract.config_hash,
        dataset_hash: of.dataset_hash,
        norm_stats_hash: of.norm_stats_hash,
        model_hash,
        files,
        facts: made.facts,
    };
    let mut bytes = serde_json::to_vec_pretty(&manifest).expect("a manifest has JSON");
    bytes.push(b'\n');
    put(&folder.join(MANIFEST), &bytes)?;
    Ok(manifest)
}

/// The training a folder holds, every file hashed again; `None` where none was finished there.
///
/// # Errors
/// [`TrainedError`].
pub fn load(folder: &Path, of: Of<'_>) -> Result<Option<Manifest>, TrainedError> {
    let path = folder.join(MANIFEST);
    let bytes = match read(&path) {
        Err(TrainedError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Ok(None);
        }
        other => other?,
    };
    let refused = |detail: String| TrainedError::Manifest {
        path: path.clone(),
        detail,
    };
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| refused(error.to_string()))?;
    let found = words(&manifest.contract_id, manifest.config_hash, manifest.dataset_hash);
    if found != of.words() || manifest.norm_stats_hash != of.norm_stats_hash {
        return Err(TrainedError::Other {
            folder: folder.to_owned(),
            found,
            expected: of.words(),
        });
    }
    for (name, expected) in &manifest.files {
        // A name of its own could lead anywhere.
        if name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(refused(format!("`{name}` is no file of this folder")));
        }
        file(folder, name, *expected)?;
    }
    let model = manifest.files.get(MODEL).map(|hash| hash.to_hex());
    if model != Some(manifest.model_hash.to_hex()) {
        return Err(refused(format!("its model_hash is not that of {MODEL}")));
    }
    Ok(Some(manifest))
}

/// A file of the folder, with the bytes its manifest says.
///
/// # Errors
/// [`TrainedError::Io`], [`TrainedError::Altered`].
pub fn file(folder: &Path, name: &str, expected: ArtifactHash) -> Result<Vec<u8>, TrainedError> {
    let path = folder.join(name);
    let bytes = read(&path)?;
    let found = ArtifactHash::of(&bytes);
    if found == expected {
        return Ok(bytes);
    }
    Err(TrainedError::Altered {
        path,
        expected,
        found,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TrainedError> {
    let failed = |source| TrainedError::Io {
        path: path.to_owned(),
        source,
    };
    if std::fs::metadata(path).map_err(failed)?.len() > TRAINING_FILE_BYTES_MAX {
        return Err(failed(std::io::Error::other(
            "it is larger than any file of a training",
        )));
    }
    std::fs::read(path).map_err(failed)
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), TrainedError> {
    write_whole(path, bytes).map_err(|source| TrainedError::Io {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::time::UtcMillis;

    const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config");

    fn contract() -> ExperimentContract {
        let yaml = std::fs::read(format!("{CONFIG}/experiments/usdcop_ppo_baseline.yaml")).unwrap();
        let features = Path::new(CONFIG).join("features");
        ExperimentContract::from_yaml(&yaml, "e.yaml", &features, UtcMillis(0)).unwrap()
    }

    fn of<'a>(contract: &'a ExperimentContract, dataset: &[u8]) -> Of<'a> {
        Of {
            contract,
            dataset_hash: Digest::of(dataset),
            norm_stats_hash: Digest::of(b"norm stats"),
        }
    }

    fn made() -> Made {
        Made {
            model: b"weights".to_vec(),
            beside: BTreeMap::from([("curve.json".to_owned(), b"{}".to_vec())]),
            facts: json!({"steps": 1000}),
        }
    }

    #[test]
    fn what_is_written_comes_back_and_the_run_is_named_by_its_content() {
        let (contract, folder) = (contract(), tempfile::tempdir().unwrap());
        let of = of(&contract, b"rows");
        assert_eq!(load(folder.path(), of).unwrap(), None);
        let written = write(folder.path(), of, made()).unwrap();
        assert!(
            written
                .run_id
                .as_str()
                .starts_with("RUN-usdcop_ppo_baseline-1.0.0-")
        );
        assert_eq!(load(folder.path(), of).unwrap().as_ref(), Some(&written));
        let other = tempfile::tempdir().unwrap();
        let again = write(
            other.path(),
            of,
            Made {
                facts: json!({"steps": 2}),
                ..made()
            },
        )
        .unwrap();
        assert_eq!(
            again.run_id, written.run_id,
            "what is said about a run is not what it is"
        );
        let model = b"other weights".to_vec();
        let other = write(other.path(), of, Made { model, ..made() }).unwrap();
        assert_ne!(other.run_id, written.run_id);
    }

    #[test]
    fn an_edited_file_a_missing_one_and_a_training_of_something_else_are_refused() {
        let (contract, folder) = (contract(), tempfile::tempdir().unwrap());
        let rows = of(&contract, b"rows");
        write(folder.path(), rows, made()).unwrap();
        let others = load(folder.path(), of(&contract, b"other rows"));
        assert!(matches!(others, Err(TrainedError::Other { .. })), "{others:?}");

        let model = folder.path().join(MODEL);
        std::fs::write(&model, b"weightz").unwrap();
        let altered = load(folder.path(), rows);
        assert!(
            matches!(altered, Err(TrainedError::Altered { .. })),
            "{altered:?}"
        );
        std::fs::remove_file(&model).unwrap();
        assert!(matches!(load(folder.path(), rows), Err(TrainedError::Io { .. })));

        let manifest = folder.path().join(MANIFEST);
        let text = std::fs::read_to_string(&manifest).unwrap();
        std::fs::write(&manifest, text.replace("curve.json", "../curve.json")).unwrap();
        let led_astray = load(folder.path(), rows);
        assert!(
            matches!(led_astray, Err(TrainedError::Manifest { .. })),
            "{led_astray:?}"
        );
    }
}
