//! The dataset of an experiment out of the market store, made once and recognised ever after.

use std::path::Path;

use contracts::experiment::contract::ExperimentContract;
use serde_json::{Value, json};
use training::dataset::{self, Dataset, DatasetFile, LoadDatasetError, MANIFEST_FILE};

use super::register;
use crate::artifacts::DirectoryStore;
use crate::cli::experiment_file::ExperimentFile;
use crate::cli::remote::Remote;
use crate::cli::{CliError, Exit, OrExit as _};
use crate::market::{self, SourceList, SourcePartition};

/// A dataset with its files.
#[derive(Debug)]
pub struct Built {
    /// The dataset.
    pub dataset: Dataset,
    /// Its files.
    pub files: Vec<DatasetFile>,
    /// It was there already.
    pub found: bool,
}

/// The dataset in `folder`, made where it is not there yet, and registered with the experiment it belongs to.
///
/// # Errors
/// As [`Remote::send`] and [`market::remote::fetch`]; [`Exit::Data`] for a market that gives no dataset or a folder that holds another one,
/// [`Exit::Io`] for what cannot be written.
pub async fn make(
    remote: &mut Remote<'_>,
    experiment: &ExperimentFile,
    cache: &DirectoryStore,
    folder: &Path,
) -> Result<Built, CliError> {
    register::experiment(remote, &experiment.contract, &experiment.yaml).await?;
    let built = match load(&experiment.contract, folder)? {
        Some(built) => built,
        None => build(remote, &experiment.contract, cache, folder).await?,
    };
    register::dataset(remote, &built.dataset.manifest, &built.files).await?;
    Ok(built)
}

/// The dataset a folder holds, every hash checked; none where there is none yet.
///
/// # Errors
/// [`Exit::Data`] for one that was altered or belongs to another experiment.
pub fn load(contract: &ExperimentContract, folder: &Path) -> Result<Option<Built>, CliError> {
    let other = "name another folder, or remove this one";
    let loaded = match dataset::load(folder) {
        Err(LoadDatasetError::Read { path, source })
            if source.kind() == std::io::ErrorKind::NotFound && path == folder.join(MANIFEST_FILE) =>
        {
            return Ok(None);
        }
        loaded => loaded.or_exit(
            Exit::Data,
            format!("{} holds no usable dataset", folder.display()),
            other,
        )?,
    };
    if let Some(what) = loaded.manifest.differs_from(contract) {
        let place = folder.display();
        let what = format!("{place} holds a dataset of another experiment: {what}");
        return Err(CliError::new(Exit::Data, what, other));
    }
    let files = dataset::encode(&loaded).or_exit(Exit::Software, "the dataset cannot be encoded", "")?;
    Ok(Some(Built {
        dataset: loaded,
        files,
        found: true,
    }))
}

async fn build(
    remote: &mut Remote<'_>,
    contract: &ExperimentContract,
    cache: &DirectoryStore,
    folder: &Path,
) -> Result<Built, CliError> {
    let series: Vec<_> = contract.feature_contract.macro_rules.keys().cloned().collect();
    let instrument = &contract.frozen.data.instrument;
    let fetched = market::remote::fetch(remote, cache, instrument, &series).await?;
    let sources = SourceList::new(fetched.sources).partitions;
    let named = sources.iter().map(|partition| json!(partition)).collect();
    let built = dataset::build(contract, &fetched.market, named).or_exit(
        Exit::Data,
        format!("the market store gives no dataset of {}", contract.contract_id),
        "ingest what the message names, or change the windows of the experiment",
    )?;
    let files = dataset::write(&built, folder).or_exit(
        Exit::Io,
        format!("the dataset cannot be written to {}", folder.display()),
        "check the directory, its rights and its room",
    )?;
    Ok(Built {
        dataset: built,
        files,
        found: false,
    })
}

/// The market a dataset was made from, the very revisions.
///
/// # Errors
/// As [`market::remote::fetch_listed`]; [`Exit::Data`] for a manifest that names none, [`Exit::Differs`] when they give another market than
/// it says.
pub async fn market_of(
    remote: &mut Remote<'_>,
    built: &Built,
    contract: &ExperimentContract,
    cache: &DirectoryStore,
) -> Result<backtest::market::Market, CliError> {
    let manifest = &built.dataset.manifest;
    let named = Value::Array(manifest.sources.clone());
    let partitions: Vec<SourcePartition> = serde_json::from_value(named).or_exit(
        Exit::Data,
        "the dataset does not name the partitions it was made from",
        "build it again with `control dataset build`",
    )?;
    let series = contract.feature_contract.macro_rules.keys().cloned().collect();
    let instrument = contract.frozen.data.instrument.clone();
    let market = market::remote::fetch_listed(remote, cache, instrument, series, &partitions).await?;
    if manifest.is_of(&market) {
        return Ok(market);
    }
    Err(CliError::new(
        Exit::Differs,
        "the partitions the dataset names do not give the market it was made from",
        "build the dataset again",
    ))
}
