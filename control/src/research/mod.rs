//! What a researcher's machine computes: datasets, trainings and the chain of both.
//!
//! Nothing here opens the store. What was made lies in folders that are whole or not there, and is registered over HTTP; every step that was
//! done before is recognised by its hashes and done again without a change. So a chain that was broken off anywhere is simply run again.

pub mod chain;
pub mod dataset;
pub mod external;
mod lock;
pub mod register;
pub mod trained;
pub mod training;
pub mod verdict;

use std::path::{Path, PathBuf};

use contracts::experiment::contract::ExperimentContract;

/// Where the chain of one experiment works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    root: PathBuf,
}

impl Work {
    /// A folder, made when something is put into it.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Where an experiment works when nobody says otherwise: `runs/{contract}` of the current directory.
    #[must_use]
    pub fn of(contract: &ExperimentContract) -> Self {
        Self::new(&Path::new("runs").join(contract.contract_id.as_str()))
    }

    /// The dataset.
    #[must_use]
    pub fn dataset(&self) -> PathBuf {
        self.root.join("dataset")
    }

    /// The training.
    #[must_use]
    pub fn training(&self) -> PathBuf {
        self.root.join("training")
    }
}
