//! Datasets and training runs: registered once by whoever made them, which makes them an author of every model that comes from it.

use contracts::hash::{DatasetHash, Digest, NormStatsHash};
use contracts::ids::{ContractId, RunId};
use serde_json::{Value, json};

use super::manifest::{self, ManifestError, manifest_hash};
use crate::app::App;
use crate::artifacts::{self, NamedError};
use crate::audit::{self, Action, AppendError, Event};
use crate::auth::Actor;
use crate::market::{self, SourcePartition};
use crate::store::{DatasetRow, StoreError, TrainingRow, Tx};

/// A dataset to register.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDataset {
    /// The experiment it was built for.
    pub contract_id: ContractId,
    /// Of its rows.
    pub dataset_hash: DatasetHash,
    /// The scaler fitted on its train split.
    pub norm_stats_hash: NormStatsHash,
    /// A JSON object: what its builder says about it.
    pub manifest: Value,
}

/// A training run to register.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTraining {
    /// Its name.
    pub run_id: RunId,
    /// The experiment it trained for.
    pub contract_id: ContractId,
    /// On what; registered.
    pub dataset_hash: DatasetHash,
    /// A JSON object: what the trainer says about it.
    pub manifest: Value,
}

/// Why nothing was registered; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The role or the token's scope does not carry it.
    #[error("this needs the role researcher, and of a token the scope research:write")]
    Forbidden,
    /// No such experiment.
    #[error("experiment contract {0} is not registered")]
    NoExperiment(ContractId),
    /// No such dataset, or it was built for another experiment.
    #[error("dataset {dataset} is not registered for {contract}")]
    NoDataset {
        /// Which.
        dataset: DatasetHash,
        /// For which experiment.
        contract: ContractId,
    },
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A file the manifest names is not there.
    #[error(transparent)]
    File(#[from] NamedError),
    /// A month of market data the manifest names was not ingested so.
    #[error("{0} with that file is in no ingest: ingest it first")]
    NoSource(SourcePartition),
    /// The name is taken by other content.
    #[error("{0} is registered with other content")]
    Differs(String),
    /// The audit event was not stored.
    #[error("the registration was not audited")]
    Audit(#[from] AppendError),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

impl RecordError {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::NoExperiment(_) => "experiment_not_found",
            Self::NoDataset { .. } => "dataset_not_found",
            Self::Manifest(_) => "manifest_invalid",
            Self::File(_) => "artifact_not_found",
            Self::NoSource(_) => "source_not_found",
            Self::Differs(_) => "registered_differently",
            Self::Audit(_) | Self::Store(_) => "internal",
        }
    }
}

/// How the audit chain names a dataset: two experiments may be built of the same rows.
pub(super) fn dataset_subject(contract: &ContractId, hash: DatasetHash) -> String {
    format!("{contract}/{hash}")
}

/// Registers a dataset; true when it is new. The same again changes nothing: of a dataset with the same rows the first manifest stays.
///
/// # Errors
/// [`RecordError`].
pub async fn register_dataset(
    app: &App,
    actor: &Actor,
    new: NewDataset,
) -> Result<(DatasetRow, bool), RecordError> {
    let manifest_hash = admit(app, actor, &new.contract_id, &new.manifest).await?;
    let row = DatasetRow {
        dataset_hash: new.dataset_hash,
        contract_id: new.contract_id,
        norm_stats_hash: new.norm_stats_hash,
        manifest: new.manifest,
        created_by: actor.person.clone(),
        created_at: app.now(),
    };
    let mut tx = app.store.begin().await?;
    match tx.insert_dataset(&row).await {
        Ok(()) => {}
        Err(StoreError::Conflict { rule }) => {
            drop(tx);
            let found = app.store.dataset(&row.contract_id, row.dataset_hash).await?;
            let found = found.ok_or(StoreError::Conflict { rule })?;
            // Rows make a dataset: built again from later revisions of the market it is the same, and the first manifest stays.
            return if found.norm_stats_hash == row.norm_stats_hash {
                Ok((found, false))
            } else {
                Err(RecordError::Differs(format!("dataset {}", row.dataset_hash)))
            };
        }
        Err(error) => return Err(error.into()),
    }
    let body = json!({
        "contract_id": row.contract_id, "norm_stats_hash": row.norm_stats_hash, "manifest_hash": manifest_hash,
        "created_by": row.created_by,
    });
    let subject = dataset_subject(&row.contract_id, row.dataset_hash);
    note(app, tx, actor, Action::DatasetRegistered, subject, body).await?;
    Ok((row, true))
}

/// Registers a training run; true when it is new. The same again changes nothing.
///
/// # Errors
/// [`RecordError`].
pub async fn register_training(
    app: &App,
    actor: &Actor,
    new: NewTraining,
) -> Result<(TrainingRow, bool), RecordError> {
    let manifest_hash = admit(app, actor, &new.contract_id, &new.manifest).await?;
    let dataset = app.store.dataset(&new.contract_id, new.dataset_hash).await?;
    if dataset.is_none() {
        return Err(RecordError::NoDataset {
            dataset: new.dataset_hash,
            contract: new.contract_id,
        });
    }
    let row = TrainingRow {
        run_id: new.run_id,
        contract_id: new.contract_id,
        dataset_hash: new.dataset_hash,
        manifest: new.manifest,
        launched_by: actor.person.clone(),
        created_at: app.now(),
    };
    let mut tx = app.store.begin().await?;
    match tx.insert_training(&row).await {
        Ok(()) => {}
        Err(StoreError::Conflict { rule }) => {
            drop(tx);
            let found = app.store.training(&row.run_id).await?;
            let found = found.ok_or(StoreError::Conflict { rule })?;
            let asked = TrainingRow {
                launched_by: found.launched_by.clone(),
                created_at: found.created_at,
                ..row
            };
            return same(found, &asked, || format!("training run {}", asked.run_id));
        }
        Err(error) => return Err(error.into()),
    }
    let body = json!({
        "contract_id": row.contract_id, "dataset_hash": row.dataset_hash, "manifest_hash": manifest_hash,
        "launched_by": row.launched_by,
    });
    let subject = row.run_id.to_string();
    note(app, tx, actor, Action::TrainingRegistered, subject, body).await?;
    Ok((row, true))
}

/// Who may, for an experiment there is, with a manifest that has a hash and whose files and sources are there.
async fn admit(
    app: &App,
    actor: &Actor,
    contract: &ContractId,
    manifest: &Value,
) -> Result<Digest<()>, RecordError> {
    if !actor.may_research() {
        return Err(RecordError::Forbidden);
    }
    let hash = manifest_hash(manifest)?;
    let files = manifest::files(manifest)?;
    let sources = manifest::sources(manifest)?;
    if app.store.experiment(contract).await?.is_none() {
        return Err(RecordError::NoExperiment(contract.clone()));
    }
    artifacts::require(&app.artifacts, files).await?;
    if let Some(source) = market::unknown(&app.store, &sources).await?.into_iter().next() {
        return Err(RecordError::NoSource(source));
    }
    Ok(hash)
}

fn same<T: PartialEq>(found: T, asked: &T, what: impl Fn() -> String) -> Result<(T, bool), RecordError> {
    if found == *asked {
        Ok((found, false))
    } else {
        Err(RecordError::Differs(what()))
    }
}

/// Appends the event and commits.
async fn note(
    app: &App,
    mut tx: Tx,
    actor: &Actor,
    action: Action,
    subject: String,
    body: Value,
) -> Result<(), RecordError> {
    let event = Event {
        actor: actor.audit_name(),
        action,
        subject,
        body,
    };
    audit::append(&mut tx, app.keys.audit(), app.now(), event).await?;
    tx.commit().await?;
    Ok(())
}
