//! The step of the chain that is the same alone and in a row: train, unless it is done.

use std::ops::ControlFlow;
use std::path::Path;

use ::training::dataset::NORM_STATS_FILE;
use contracts::experiment::TrainingSection;

use super::dataset::{self, Built};
use super::lock;
use super::trained::Manifest;
use super::training::{self, Told};
use crate::artifacts::DirectoryStore;
use crate::cli::experiment_file::ExperimentFile;
use crate::cli::remote::Remote;
use crate::cli::{CliError, Exit};

/// An experiment and where it is worked on.
#[derive(Clone, Copy)]
pub struct Chain<'a> {
    /// The experiment.
    pub experiment: &'a ExperimentFile,
    /// Of files by their hash.
    pub cache: &'a DirectoryStore,
    /// The dataset's folder.
    pub dataset: &'a Path,
    /// The training's folder.
    pub training: &'a Path,
    /// Threads of the built-in trainer.
    pub threads: usize,
}

/// The finished training of a dataset, carried out where it is not there yet.
///
/// # Errors
/// See [`training`] and [`dataset::market_of`]; [`Exit::Refused`] while another process trains in the folder.
pub async fn train(
    remote: &mut Remote<'_>,
    chain: Chain<'_>,
    built: &Built,
    told: &(dyn Fn(Told<'_>) + Sync),
) -> Result<Manifest, CliError> {
    let contract = &chain.experiment.contract;
    let _alone = lock::take(chain.training)?;
    if let Some(manifest) = training::load(contract, built, chain.training)? {
        return Ok(manifest);
    }
    match &contract.frozen.training {
        TrainingSection::Ppo(_) => {
            let market = dataset::market_of(remote, built, contract, chain.cache).await?;
            training::built_in(
                contract,
                built,
                &market,
                chain.training,
                chain.threads,
                &mut |what| {
                    told(what);
                    ControlFlow::Continue(())
                },
            )
        }
        TrainingSection::Command { .. } => {
            training::by_program(contract, built, chain.dataset, chain.training, told)
        }
    }
}

/// The bytes of the dataset's norm stats.
///
/// # Errors
/// [`Exit::Software`] when it has none.
pub fn norm_stats(built: &Built) -> Result<&[u8], CliError> {
    let file = built.files.iter().find(|file| file.name == NORM_STATS_FILE);
    file.map(|file| file.bytes.as_slice())
        .ok_or_else(|| CliError::new(Exit::Software, "the dataset has no norm stats", ""))
}
