//! The experiment a verb is about: a file, and where the feature contract it names lies.

use std::path::PathBuf;

use contracts::experiment::contract::{ExperimentContract, ExperimentContractError};

use super::{CliError, Exit, OrExit};
use crate::clock::{Clock as _, SystemClock};

/// Names the experiment.
#[derive(Debug, Clone, clap::Args)]
pub struct ExperimentArgs {
    /// The experiment.
    #[arg(long, value_name = "YAML")]
    pub experiment: PathBuf,
    /// Where feature contracts lie.
    #[arg(long, value_name = "DIR", default_value = "config/features")]
    pub features: PathBuf,
}

/// An experiment with the bytes it was read from.
#[derive(Debug)]
pub struct ExperimentFile {
    /// What it says.
    pub contract: ExperimentContract,
    /// What is handed to a server.
    pub yaml: Vec<u8>,
}

impl ExperimentArgs {
    /// Reads and checks it.
    ///
    /// # Errors
    /// [`Exit::NoInput`] when it cannot be read, [`Exit::Data`] for a fault in it or in the feature contract.
    pub fn read(&self) -> Result<ExperimentFile, CliError> {
        let name = self.experiment.display().to_string();
        let yaml = std::fs::read(&self.experiment).or_exit(
            Exit::NoInput,
            format!("cannot read {name}"),
            "check the path and the rights",
        )?;
        let made = ExperimentContract::from_yaml(&yaml, &name, &self.features, SystemClock.now());
        let contract = made.map_err(|error| {
            let remedy = match &error {
                ExperimentContractError::Experiment(_) => {
                    "mend the line; `control experiment check` says the same"
                }
                ExperimentContractError::Features(_) => {
                    "name the directory of the feature contracts with --features"
                }
            };
            CliError::new(Exit::Data, format!("{name} is no experiment"), remedy).caused_by(error)
        })?;
        Ok(ExperimentFile { contract, yaml })
    }
}
