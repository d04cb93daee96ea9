//! From the experiment to the registered model.

use contracts::golden::Golden;
use contracts::hash::{ArtifactHash, Digest};
use contracts::jcs;
use contracts::norm_stats::NormStats;
use contracts::production::bundle_hash;
use serde_json::{Value, json};

use super::super::manifest::{self, manifest_hash};
use super::super::provenance::dataset_subject;
use super::super::register::identity;
use super::{Checked, Draft, Kind, holds, readable, sources};
use crate::audit::Action;
use crate::experiments::contract_of;
use crate::store::{ExperimentRow, StoreError};

/// Adds everything up to the model.
pub(super) async fn add(draft: &mut Draft<'_>) -> Result<(), StoreError> {
    let (experiment, features) = experiment(draft).await?;
    let mut origin = vec![experiment.clone(), features];
    let dataset = dataset(draft, &experiment).await?;
    let stats = norm_stats(draft, dataset.as_ref().unwrap_or(&experiment)).await;
    let run = training(draft, dataset.as_ref()).await?;
    origin.push(stats);
    origin.extend(run);
    let model = model(draft, &origin).await?;
    files(draft, &model).await;
    Ok(())
}

async fn experiment(draft: &mut Draft<'_>) -> Result<(String, String), StoreError> {
    let model = draft.model;
    let id = format!("experiment:{}", model.contract_id);
    let features = format!("features:{}", model.feature_contract_hash.short(12));
    let found = match readable(draft.app.store.experiment(&model.contract_id).await)? {
        Ok(Some(row)) => Ok(row),
        Ok(None) => Err("it is not there".to_owned()),
        Err(what) => Err(what),
    };
    let (checked, of_features) = match &found {
        Ok(row) => (
            experiment_as_registered(draft, row).await?,
            holds(
                row.feature_contract.hash() == model.feature_contract_hash,
                "the feature contract has another hash",
            ),
        ),
        Err(what) => (Err(what.clone()), Err(what.clone())),
    };
    let hash = Some(model.config_hash.to_hex());
    let experiment = draft.add(Kind::ExperimentContract, &id, hash, checked, &[]);
    let hash = Some(model.feature_contract_hash.to_hex());
    let from = [experiment.clone()];
    let features = draft.add(Kind::FeatureContract, &features, hash, of_features, &from);
    Ok((experiment, features))
}

async fn experiment_as_registered(draft: &Draft<'_>, row: &ExperimentRow) -> Result<Checked, StoreError> {
    let Ok(frozen) = jcs::digest::<()>(&row.frozen) else {
        return Ok(Err("the frozen copy has no canonical form".to_owned()));
    };
    let of_section: Option<Digest<()>> = jcs::digest(&row.frozen.data).ok();
    if of_section.is_none_or(|hash| hash.short(16) != row.date_ranges_version) {
        return Ok(Err("the windows are not those of date_ranges_version".to_owned()));
    }
    if jcs::digest(&row.frozen.reward) != Ok(row.reward_config_hash) {
        return Ok(Err("the reward is not that of reward_config_hash".to_owned()));
    }
    if row.config_hash != draft.model.config_hash {
        return Ok(Err("config_hash is not the model's".to_owned()));
    }
    let now = json!({
        "config_hash": row.config_hash, "source_hash": row.source_hash, "frozen_hash": frozen,
        "feature_contract_hash": row.feature_contract.hash(), "created_by": row.created_by,
    });
    let subject = row.contract_id.to_string();
    draft.told(Action::ExperimentRegistered, &subject, &now).await
}

async fn dataset(draft: &mut Draft<'_>, experiment: &str) -> Result<Option<String>, StoreError> {
    let Some(hash) = draft.model.dataset_hash else {
        return Ok(None);
    };
    let contract = draft.model.contract_id.clone();
    let subject = dataset_subject(&contract, hash);
    let mut from = vec![experiment.to_owned()];
    let checked = match readable(draft.app.store.dataset(&contract, hash).await)? {
        Ok(Some(row)) => {
            let now = json!({
                "contract_id": row.contract_id, "norm_stats_hash": row.norm_stats_hash,
                "manifest_hash": manifest_hash(&row.manifest).ok(), "created_by": row.created_by,
            });
            let told = draft.told(Action::DatasetRegistered, &subject, &now).await?;
            let sources = manifest::sources(&row.manifest).map_err(|error| error.to_string());
            match sources {
                Ok(sources) => {
                    from.extend(sources::add(draft, sources).await?);
                    with_files(draft, told, &row.manifest).await
                }
                Err(what) => told.and(Err(what)),
            }
        }
        Ok(None) => Err("it is not there".to_owned()),
        Err(what) => Err(what),
    };
    let id = format!("dataset:{}", hash.short(12));
    Ok(Some(draft.add(Kind::Dataset, &id, Some(subject), checked, &from)))
}

/// The files a manifest names, each hashed again; all that are broken are told.
async fn with_files(draft: &Draft<'_>, told: Checked, manifest: &Value) -> Checked {
    told?;
    let mut broken = Vec::new();
    for (name, hash) in manifest::files(manifest).map_err(|error| error.to_string())? {
        if let Err(what) = draft.file(hash).await {
            broken.push(format!("{name}: {what}"));
        }
    }
    holds(broken.is_empty(), &broken.join("; "))
}

async fn norm_stats(draft: &mut Draft<'_>, from: &str) -> String {
    let model = draft.model;
    let checked = draft.file(model.norm_stats_artifact).await.and_then(|bytes| {
        let stats = NormStats::parse(&bytes).map_err(|error| error.to_string())?;
        holds(
            stats.hash() == model.norm_stats_hash,
            "the document has another hash",
        )
    });
    let id = format!("norm_stats:{}", model.norm_stats_hash.short(12));
    let hash = Some(model.norm_stats_hash.to_hex());
    draft.add(Kind::NormStats, &id, hash, checked, &[from.to_owned()])
}

async fn training(draft: &mut Draft<'_>, dataset: Option<&String>) -> Result<Option<String>, StoreError> {
    let Some(run) = draft.model.training_run.clone() else {
        return Ok(None);
    };
    let found = match run.parse() {
        Ok(run) => readable(draft.app.store.training(&run).await)?,
        Err(error) => Err(format!("{error}")),
    };
    let checked = match found {
        Ok(Some(row)) => {
            let now = json!({
                "contract_id": row.contract_id, "dataset_hash": row.dataset_hash,
                "manifest_hash": manifest_hash(&row.manifest).ok(), "launched_by": row.launched_by,
            });
            let told = draft.told(Action::TrainingRegistered, &run, &now).await?;
            with_files(draft, told, &row.manifest).await
        }
        Ok(None) => Err("it is not there".to_owned()),
        Err(what) => Err(what),
    };
    let from: Vec<String> = dataset.into_iter().cloned().collect();
    let id = format!("training:{run}");
    Ok(Some(draft.add(Kind::TrainingRun, &id, None, checked, &from)))
}

/// The row against its event, the bundle against its parts, the file against its name.
async fn model(draft: &mut Draft<'_>, origin: &[String]) -> Result<String, StoreError> {
    let row = draft.model;
    let parts = (row.model_hash, row.norm_stats_hash, row.feature_contract_hash);
    let bundle = bundle_hash(parts.0, parts.1, parts.2, &row.action);
    let subject = row.model_id.to_string();
    let config = match draft.event(Action::ModelRegistered, &subject).await? {
        Ok(event) => serde_json::from_value::<ArtifactHash>(event.event.body["config"].clone())
            .map_err(|error| error.to_string()),
        Err(what) => Err(what),
    };
    let mut checked = holds(
        bundle == Ok(row.bundle_hash),
        "bundle_hash is not that of its parts",
    );
    if checked.is_ok() {
        checked = match config {
            Ok(config) => {
                let told = draft
                    .told(Action::ModelRegistered, &subject, &identity(row, config))
                    .await?;
                match told {
                    Ok(()) => config_file(draft, config).await?,
                    broken => broken,
                }
            }
            Err(what) => Err(what),
        };
    }
    if checked.is_ok() {
        checked = draft.row("model_registry", &subject).await?;
    }
    if checked.is_ok() {
        let file = Digest::from_bytes(*row.model_hash.as_bytes());
        checked = draft.file(file).await.map(drop);
    }
    let id = format!("model:{subject}");
    let hash = Some(row.bundle_hash.to_hex());
    Ok(draft.add(Kind::Model, &id, hash, checked, origin))
}

/// The experiment's contract as a file, beside the row.
async fn config_file(draft: &Draft<'_>, config: ArtifactHash) -> Result<Checked, StoreError> {
    let bytes = match draft.file(config).await {
        Ok(bytes) => bytes,
        Err(what) => return Ok(Err(what)),
    };
    let row = match readable(draft.app.store.experiment(&draft.model.contract_id).await)? {
        Ok(row) => row,
        // The experiment's own node says so.
        Err(_) => return Ok(Ok(())),
    };
    let text = row.and_then(|row| jcs::to_canonical(&contract_of(&row)).ok());
    Ok(holds(
        text.is_none_or(|text| text.as_bytes() == bytes),
        "the experiment's contract is not the one it was registered under",
    ))
}

async fn files(draft: &mut Draft<'_>, model: &str) {
    let row = draft.model;
    let from = &[model.to_owned()];
    if let Some(exec) = row.exec_hash {
        let checked = draft.file(Digest::from_bytes(*exec.as_bytes())).await.map(drop);
        let id = format!("reduced:{}", exec.short(12));
        draft.add(Kind::ReducedModel, &id, Some(exec.to_hex()), checked, from);
    }
    let golden = draft.file(row.golden).await;
    let checked = golden.and_then(|bytes| Golden::parse(&bytes).map(drop).map_err(|error| error.to_string()));
    let id = format!("golden:{}", row.golden.short(12));
    draft.add(Kind::GoldenVectors, &id, Some(row.golden.to_hex()), checked, from);
}
