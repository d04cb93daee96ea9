//! Registering a model: the files become artifacts, a row in `staging`, its authors and an audit event, all of it or nothing.
//!
//! What a model is is its bundle: the same file with another scaler is another model, the same bundle again is the same one.

use contracts::hash::{ArtifactHash, DatasetHash, Digest};
use contracts::ids::{ContractId, ModelId, PersonId, RunId};
use contracts::jcs;
use serde_json::json;
use tokio::sync::Semaphore;

use super::Stage;
use super::bundle::{self, Bundle, BundleError, Files};
use crate::app::{App, Changed};
use crate::artifacts::ArtifactError;
use crate::audit::{self, Action, AppendError, Event};
use crate::auth::{Actor, Via};
use crate::experiments::contract_of;
use crate::jobs::{self, NewJob, Task};
use crate::limits::INSPECTIONS_AT_ONCE;
use crate::markets;
use crate::store::{Authorship, DatasetRow, ExperimentRow, ModelRow, StoreError, TrainingRow, Tx};

static AT_ONCE: Semaphore = Semaphore::const_new(INSPECTIONS_AT_ONCE);

/// What somebody hands in.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// The experiment.
    pub contract_id: ContractId,
    /// The ONNX file.
    pub model: Vec<u8>,
    /// `norm_stats.json`.
    pub norm_stats: Vec<u8>,
    /// What it was trained on; without it what the training run or the scaler names, where that is registered.
    pub dataset_hash: Option<DatasetHash>,
    /// Which run trained it.
    pub training_run: Option<RunId>,
    /// Trials made elsewhere to come to this model, as declared.
    pub declared_trials: u32,
    /// The output to act on.
    pub action_output: Option<String>,
}

/// What is registered now.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// As stored; of an earlier registration its author and time.
    pub model: ModelRow,
    /// False when the same bundle was there already.
    pub created: bool,
}

/// Why nothing was registered; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RegisterModelError {
    /// The role or the token's scope does not carry it.
    #[error("registering a model needs the role researcher, and of a token the scope research:write")]
    Forbidden,
    /// No such experiment.
    #[error("experiment contract {0} is not registered")]
    NoExperiment(ContractId),
    /// No such dataset, or it was built for another experiment.
    #[error("dataset {0} is not registered for this experiment")]
    NoDataset(DatasetHash),
    /// No such training run, or it trained for another experiment.
    #[error("training run {0} is not registered for this experiment")]
    NoTraining(RunId),
    /// Run, dataset and scaler contradict each other.
    #[error("{0}")]
    Origin(&'static str),
    /// The files.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The same bundle belongs to another experiment.
    #[error("the same bundle is registered as {model_id} under {contract_id}")]
    Elsewhere {
        /// Its name there.
        model_id: ModelId,
        /// Under which experiment.
        contract_id: ContractId,
    },
    /// The same bundle with another origin or another number of trials.
    #[error("{model_id} is registered already, with another {what}: a registration never changes")]
    Differs {
        /// Which.
        model_id: ModelId,
        /// What differs.
        what: &'static str,
    },
    /// A file cannot be stored.
    #[error("the artifacts were not stored")]
    Artifacts(#[from] ArtifactError),
    /// The audit event was not stored.
    #[error("the registration was not audited")]
    Audit(#[from] AppendError),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

impl RegisterModelError {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Forbidden => "forbidden",
            Self::NoExperiment(_) => "experiment_not_found",
            Self::NoDataset(_) => "dataset_not_found",
            Self::NoTraining(_) => "training_run_not_found",
            Self::Origin(_) => "origin_contradicts",
            Self::Bundle(error) => error.code(),
            Self::Elsewhere { .. } => "bundle_registered_elsewhere",
            Self::Differs { .. } => "registered_differently",
            Self::Artifacts(_) | Self::Audit(_) | Self::Store(_) => "internal",
        }
    }
}

/// Registers a model.
///
/// # Errors
/// [`RegisterModelError`].
pub async fn register(
    app: &App,
    actor: &Actor,
    request: Registration,
) -> Result<Registered, RegisterModelError> {
    if !actor.may_research() {
        return Err(RegisterModelError::Forbidden);
    }
    let experiment = app.store.experiment(&request.contract_id).await?;
    let experiment =
        experiment.ok_or_else(|| RegisterModelError::NoExperiment(request.contract_id.clone()))?;
    let (bundle, request, experiment) = compute(app, request, experiment).await?;
    let origin = origin(app, &experiment, &request, &bundle).await?;
    let row = row(app, actor, &experiment, &request, &bundle, &origin);
    if let Some(found) = app.store.model_of_bundle(row.bundle_hash).await? {
        return same(found, &row);
    }
    let config = store_files(app, request, bundle, &experiment).await?;

    let mut tx = app.store.begin().await?;
    let lineage = json!({"config": config, "dataset": row.dataset_hash, "training_run": row.training_run});
    match tx.insert_model(&row, &lineage).await {
        Ok(()) => {}
        // Somebody registered it between the look and the insert: theirs counts.
        Err(StoreError::Conflict { rule }) => {
            drop(tx);
            let found = app.store.model_of_bundle(row.bundle_hash).await?;
            return same(found.ok_or(StoreError::Conflict { rule })?, &row);
        }
        Err(error) => return Err(error.into()),
    }
    for (who, why) in authors(actor, &experiment, &origin) {
        tx.insert_author(&row.model_id, who, why).await?;
    }
    note(app, &mut tx, actor, &row, config).await?;
    // The first vote comes by itself.
    let job = NewJob {
        task: Task::FirstVote {
            model_id: row.model_id.clone(),
        },
        created_by: actor.audit_name(),
        at: row.created_at,
    };
    let job_id = jobs::enqueue(&mut tx, job).await?;
    tx.commit().await?;
    app.tell(Changed::Job { job_id });
    Ok(Registered {
        model: row,
        created: true,
    })
}

/// Computes the bundle off the async threads, a few at a time.
async fn compute(
    app: &App,
    request: Registration,
    experiment: ExperimentRow,
) -> Result<(Bundle, Registration, ExperimentRow), RegisterModelError> {
    let source = markets::find(app, &experiment.instrument, &experiment.feature_contract).await;
    let source = source.map_err(BundleError::Market)?;
    let one = AT_ONCE.acquire().await.expect("it is never closed");
    let (artifacts, inspector) = (app.artifacts.clone(), app.inspector.clone());
    let work = move || {
        // Held until it is done, also when nobody waits for the answer any more.
        let _one = one;
        let files = Files {
            model: &request.model,
            norm_stats: &request.norm_stats,
            action_output: request.action_output.as_deref(),
        };
        bundle::make((source, &artifacts), &inspector, &experiment, files)
            .map(|bundle| (bundle, request, experiment))
    };
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.expect("making a bundle does not panic, and is waited for")?)
}

/// Where a model comes from, as far as that is registered.
struct Origin {
    dataset: Option<DatasetRow>,
    run: Option<TrainingRow>,
}

/// A dataset that nobody named is taken from the run or the scaler: leaving its name out makes nobody less of an author.
async fn origin(
    app: &App,
    experiment: &ExperimentRow,
    request: &Registration,
    bundle: &Bundle,
) -> Result<Origin, RegisterModelError> {
    let contract = &experiment.contract_id;
    let run = match &request.training_run {
        None => None,
        Some(id) => {
            let run = app.store.training(id).await?;
            let run = run.filter(|run| run.contract_id == *contract);
            Some(run.ok_or_else(|| RegisterModelError::NoTraining(id.clone()))?)
        }
    };
    let fitted_on = bundle.stats.metadata.dataset_hash;
    let of_run = run.as_ref().map(|run| run.dataset_hash);
    let named = request.dataset_hash.or(of_run);
    if run.as_ref().is_some_and(|run| Some(run.dataset_hash) != named) {
        let what = "the training run was on another dataset than the one named";
        return Err(RegisterModelError::Origin(what));
    }
    let found = app.store.dataset(contract, named.unwrap_or(fitted_on)).await?;
    let Some(hash) = named else {
        return Ok(Origin {
            dataset: found.filter(|dataset| dataset.norm_stats_hash == bundle.stats.hash()),
            run,
        });
    };
    let dataset = found.ok_or(RegisterModelError::NoDataset(hash))?;
    if fitted_on != hash || dataset.norm_stats_hash != bundle.stats.hash() {
        let what = "the norm stats are not those fitted on the dataset named";
        return Err(RegisterModelError::Origin(what));
    }
    Ok(Origin {
        dataset: Some(dataset),
        run,
    })
}

fn authors<'a>(
    actor: &'a Actor,
    experiment: &'a ExperimentRow,
    origin: &'a Origin,
) -> Vec<(&'a PersonId, Authorship)> {
    let mut all = vec![
        (&experiment.created_by, Authorship::Experiment),
        (&actor.person, Authorship::Registration),
    ];
    all.extend(
        origin
            .dataset
            .iter()
            .map(|dataset| (&dataset.created_by, Authorship::Dataset)),
    );
    all.extend(
        origin
            .run
            .iter()
            .map(|run| (&run.launched_by, Authorship::Training)),
    );
    if matches!(actor.via, Via::Token { .. }) {
        all.push((&actor.person, Authorship::Token));
    }
    all
}

fn row(
    app: &App,
    actor: &Actor,
    experiment: &ExperimentRow,
    request: &Registration,
    bundle: &Bundle,
    origin: &Origin,
) -> ModelRow {
    ModelRow {
        model_id: bundle.model_id.clone(),
        experiment_name: experiment.name.clone(),
        contract_id: experiment.contract_id.clone(),
        slot: experiment.slot.clone(),
        model_hash: bundle.model_hash,
        exec_hash: bundle.exec_hash,
        norm_stats_artifact: Digest::of(&request.norm_stats),
        norm_stats_hash: bundle.stats.hash(),
        golden: Digest::of(&bundle.golden),
        bundle_hash: bundle.bundle_hash,
        feature_contract_hash: experiment.feature_contract_hash,
        config_hash: experiment.config_hash,
        feature_order_hash: experiment.feature_order_hash,
        dataset_hash: origin.dataset.as_ref().map(|dataset| dataset.dataset_hash),
        training_run: origin.run.as_ref().map(|run| run.run_id.to_string()),
        action: bundle.action.clone(),
        numerics: bundle.numerics,
        admission: bundle::admission(&bundle.inspected),
        declared_trials: request.declared_trials,
        stage: Stage::Staging,
        l4_proposal_id: None,
        approved_by: None,
        approved_at: None,
        registered_by: actor.person.clone(),
        created_at: app.now(),
        promoted_at: None,
        archived_at: None,
        withdrawn_at: None,
    }
}

/// The same bundle again: the same model, if everything said about it is the same.
fn same(found: ModelRow, asked: &ModelRow) -> Result<Registered, RegisterModelError> {
    if found.contract_id != asked.contract_id {
        return Err(RegisterModelError::Elsewhere {
            model_id: found.model_id,
            contract_id: found.contract_id,
        });
    }
    let differs = [
        ("dataset", found.dataset_hash != asked.dataset_hash),
        ("training run", found.training_run != asked.training_run),
        (
            "number of declared trials",
            found.declared_trials != asked.declared_trials,
        ),
    ];
    if let Some((what, _)) = differs.iter().find(|(_, differs)| *differs) {
        return Err(RegisterModelError::Differs {
            model_id: found.model_id,
            what,
        });
    }
    Ok(Registered {
        model: found,
        created: false,
    })
}

/// Stores all files; the answer is the address of the experiment's contract. Files without a row are nobody's and do no harm.
async fn store_files(
    app: &App,
    request: Registration,
    bundle: Bundle,
    experiment: &ExperimentRow,
) -> Result<ArtifactHash, RegisterModelError> {
    let config = jcs::to_canonical(&contract_of(experiment)).map_err(BundleError::Jcs)?;
    let store = app.artifacts.clone();
    let write = move || -> Result<ArtifactHash, ArtifactError> {
        store.put(&request.model)?;
        if !bundle.inspected.graph.is_empty() {
            store.put(&bundle.inspected.graph)?;
        }
        store.put(&request.norm_stats)?;
        store.put(&bundle.golden)?;
        store.put(config.as_bytes())
    };
    let written = tokio::task::spawn_blocking(write).await;
    Ok(written.expect("writing files does not panic, and is waited for")?)
}

/// What the row then holds, so that a row edited later contradicts it.
async fn note(
    app: &App,
    tx: &mut Tx,
    actor: &Actor,
    row: &ModelRow,
    config: ArtifactHash,
) -> Result<(), AppendError> {
    let event = Event {
        actor: actor.audit_name(),
        action: Action::ModelRegistered,
        subject: row.model_id.to_string(),
        body: identity(row, config),
    };
    audit::append(tx, app.keys.audit(), row.created_at, event)
        .await
        .map(drop)
}

/// What a model is, as its event tells it.
#[must_use]
pub(super) fn identity(row: &ModelRow, config: ArtifactHash) -> serde_json::Value {
    json!({
        "contract_id": row.contract_id, "slot": row.slot, "bundle_hash": row.bundle_hash, "model_hash": row.model_hash,
        "exec_hash": row.exec_hash, "norm_stats_hash": row.norm_stats_hash, "norm_stats_artifact": row.norm_stats_artifact,
        "golden": row.golden, "feature_contract_hash": row.feature_contract_hash, "config_hash": row.config_hash,
        "dataset_hash": row.dataset_hash, "training_run": row.training_run, "action": row.action,
        "numerics": row.numerics, "declared_trials": row.declared_trials, "registered_by": row.registered_by,
        "config": config,
    })
}
