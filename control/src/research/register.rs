//! What was made, told to the server: files by their hash first, then what names them. The same again changes nothing.

use contracts::experiment::contract::ExperimentContract;
use contracts::hash::ArtifactHash;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use training::dataset::{DatasetFile, Manifest as DatasetManifest};

use super::trained::{self, Manifest as TrainingManifest};
use crate::cli::remote::{Call, Remote};
use crate::cli::{CliError, Exit};

/// Registers the experiment's contract and makes sure that the server understands it as this machine does.
///
/// # Errors
/// As [`Remote::send`]; [`Exit::Differs`] when the server's feature contract of that name is another one.
pub async fn experiment(
    remote: &mut Remote<'_>,
    contract: &ExperimentContract,
    yaml: &[u8],
) -> Result<(), CliError> {
    let call = Call::post_bytes(&["api", "contracts"], "application/yaml", yaml.to_vec());
    let registered = remote.send(call).await?.json()?;
    let pairs = [
        ("config_hash", contract.config_hash.to_hex()),
        ("feature_contract_hash", contract.feature_contract_hash.to_hex()),
    ];
    for (name, here) in pairs {
        if registered[name] != here.as_str() {
            return Err(CliError::new(
                Exit::Differs,
                format!(
                    "{name} of {} is {here} here and {} there",
                    contract.contract_id, registered[name]
                ),
                "let both sides read the same feature contracts: --features here, `features` of control.toml there",
            ));
        }
    }
    Ok(())
}

/// Registers a dataset with its files.
///
/// # Errors
/// As [`Remote::send`].
pub async fn dataset(
    remote: &mut Remote<'_>,
    manifest: &DatasetManifest,
    files: &[DatasetFile],
) -> Result<(), CliError> {
    let mut named = serde_json::Map::new();
    for file in files {
        named.insert(file.name.clone(), json!(remote.keep(&file.bytes).await?));
    }
    let mut told = json!(manifest);
    told["files"] = Value::Object(named);
    let body = json!({
        "contract_id": manifest.contract_id, "dataset_hash": manifest.dataset_hash,
        "norm_stats_hash": manifest.norm_stats_hash, "manifest": told,
    });
    remote
        .send(Call::post(&["api", "datasets"], body))
        .await
        .map(drop)
}

/// Registers a training run with its files, then the model, which starts the first vote; the model as the server knows it.
///
/// # Errors
/// As [`Remote::send`]; [`Exit::Data`] for a file of the folder that is no longer what its manifest says.
pub async fn training(
    remote: &mut Remote<'_>,
    manifest: &TrainingManifest,
    folder: &std::path::Path,
    norm_stats: &[u8],
) -> Result<Value, CliError> {
    let mut model = Vec::new();
    for (name, hash) in &manifest.files {
        let bytes = file(folder, name, *hash)?;
        remote.keep(&bytes).await?;
        if name == trained::MODEL {
            model = bytes;
        }
    }
    let body = json!({
        "run_id": manifest.run_id, "contract_id": manifest.contract_id, "dataset_hash": manifest.dataset_hash,
        "manifest": manifest,
    });
    remote.send(Call::post(&["api", "training-runs"], body)).await?;
    let mut form = Form::new();
    // The built-in trainer knows which output it made: a policy that learnt to do one thing only is then for the first vote to judge.
    if let Some(output) = manifest.facts["action_output"].as_str() {
        form = form.text("action_output", output.to_owned());
    }
    let part = |bytes: Vec<u8>, name: &'static str| Part::bytes(bytes).file_name(name);
    let form = form
        .text("contract_id", manifest.contract_id.to_string())
        .text("dataset_hash", manifest.dataset_hash.to_hex())
        .text("training_run", manifest.run_id.to_string())
        .part("model", part(model, "model"))
        .part("norm_stats", part(norm_stats.to_vec(), "norm_stats"));
    remote.send(Call::upload(&["api", "models"], form)).await?.json()
}

fn file(folder: &std::path::Path, name: &str, hash: ArtifactHash) -> Result<Vec<u8>, CliError> {
    trained::file(folder, name, hash).map_err(|error| {
        let remedy = "train again into another folder";
        CliError::new(Exit::Data, "the training cannot be registered", remedy).caused_by(error)
    })
}
