//! What an external trainer is told: a JSON file and a few environment variables. Part of the interface: `docs/TRAINERS.md`.

use std::path::{Path, PathBuf};

use contracts::experiment::contract::ExperimentContract;
use contracts::hash::{DatasetHash, NormStatsHash};
use serde_json::json;

/// Names the job's JSON file.
pub const JOB: &str = "TWOVOTE_JOB";
/// Names the Parquet file of the train split.
pub const TRAIN: &str = "TWOVOTE_TRAIN";
/// Names the Parquet file of the validation split.
pub const VALIDATION: &str = "TWOVOTE_VALIDATION";
/// Names `norm_stats.json`.
pub const NORM_STATS: &str = "TWOVOTE_NORM_STATS";
/// The seed, decimal.
pub const SEED: &str = "TWOVOTE_SEED";
/// Names the file the model is to be written to.
pub const OUTPUT: &str = "TWOVOTE_OUTPUT";

/// What is asked of an external trainer.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The experiment with its feature contract.
    pub contract: &'a ExperimentContract,
    /// Of the rows.
    pub dataset_hash: DatasetHash,
    /// Of the scaler.
    pub norm_stats_hash: NormStatsHash,
    /// Rows to learn from; an absolute path.
    pub train: &'a Path,
    /// Rows to stop by; an absolute path.
    pub validation: &'a Path,
    /// The scaler; an absolute path.
    pub norm_stats: &'a Path,
    /// Of every draw.
    pub seed: u64,
}

/// Where the files of a job lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFiles {
    /// The job as JSON.
    pub job: PathBuf,
    /// What the program printed.
    pub log: PathBuf,
    /// What it is to write.
    pub output: PathBuf,
}

impl JobFiles {
    /// Under the training's folder; what is written goes to a file of this process alone.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            job: folder.join("job.json"),
            log: folder.join("trainer.log"),
            output: folder.join(format!("model.{}.part", std::process::id())),
        }
    }
}

impl Job<'_> {
    /// The JSON file: pretty, ending with a line feed.
    #[must_use]
    pub fn bytes(&self, files: &JobFiles) -> Vec<u8> {
        let contract = self.contract;
        let job = json!({
            "schema_version": "twovote/training-job/v1",
            "contract_id": contract.contract_id,
            "config_hash": contract.config_hash,
            "dataset_hash": self.dataset_hash,
            "norm_stats_hash": self.norm_stats_hash,
            "seed": self.seed,
            "train": self.train,
            "validation": self.validation,
            "norm_stats": self.norm_stats,
            "output": files.output,
            "experiment": contract.frozen,
            "feature_contract": contract.feature_contract,
        });
        let mut bytes = serde_json::to_vec_pretty(&job).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// The environment variables.
    #[must_use]
    pub fn variables(&self, files: &JobFiles) -> [(&'static str, std::ffi::OsString); 6] {
        [
            (JOB, files.job.clone().into()),
            (TRAIN, self.train.into()),
            (VALIDATION, self.validation.into()),
            (NORM_STATS, self.norm_stats.into()),
            (SEED, self.seed.to_string().into()),
            (OUTPUT, files.output.clone().into()),
        ]
    }
}
