//! Rows of an experiment and a model, as a registration writes them, and the events that tell of them.

use contracts::experiment::Experiment;
use contracts::features::FeatureContract;
use contracts::hash::{ArtifactHash, Digest, ModelHash, NormStatsHash};
use contracts::ids::ContractId;
use contracts::numerics::Numerics;
use contracts::production::{ActionBinding, bundle_hash, model_id};
use control::app::App;
use control::audit::{self, Action, Event};
use control::registry::Stage;
use control::store::{Authorship, ExperimentRow, ModelRow, Tx};
use serde_json::json;

use super::app::START;

/// The event that tells of what the transaction stored.
pub async fn note(app: &App, tx: &mut Tx, action: Action, subject: &impl std::fmt::Display) {
    let event = Event {
        actor: "tests".to_owned(),
        action,
        subject: subject.to_string(),
        body: json!({}),
    };
    audit::append(tx, app.keys.audit(), app.now(), event)
        .await
        .unwrap();
}

/// Stores version 1.0.0 of an experiment, registered by `author`, and its slot.
pub async fn keep_experiment(
    app: &App,
    frozen: Experiment,
    features: FeatureContract,
    author: &str,
) -> ExperimentRow {
    let name = frozen.experiment.name.clone();
    let row = ExperimentRow {
        contract_id: ContractId::parse(&format!("CTR-EXP-{name}-1.0.0")).unwrap(),
        version: "1.0.0".to_owned(),
        config_hash: Digest::of(name.as_str().as_bytes()),
        source_hash: Digest::of(b"source"),
        feature_order_hash: features.order_hash(),
        feature_contract_hash: features.hash(),
        reward_config_hash: Digest::of(b"reward"),
        date_ranges_version: "0".repeat(16),
        slot: frozen.slot.clone(),
        instrument: frozen.data.instrument.clone(),
        name,
        frozen,
        feature_contract: features,
        created_by: author.parse().unwrap(),
        created_at: START,
    };
    let mut tx = app.store.begin().await.unwrap();
    tx.insert_experiment(&row).await.unwrap();
    tx.ensure_slot(&row.slot, &"paper".parse().unwrap(), START)
        .await
        .unwrap();
    note(app, &mut tx, Action::ExperimentRegistered, &row.contract_id).await;
    tx.commit().await.unwrap();
    row
}

/// What a model consists of, its files in the artifact store.
pub struct Pieces {
    pub model_hash: ModelHash,
    pub exec: ArtifactHash,
    pub norm_stats_artifact: ArtifactHash,
    pub norm_stats_hash: NormStatsHash,
    pub golden: ArtifactHash,
    pub action: ActionBinding,
    pub declared_trials: u32,
}

/// Stores a model in staging, registered by `author`.
pub async fn keep_model(app: &App, experiment: &ExperimentRow, pieces: Pieces, author: &str) -> ModelRow {
    let bundle = bundle_hash(
        pieces.model_hash,
        pieces.norm_stats_hash,
        experiment.feature_contract_hash,
        &pieces.action,
    )
    .unwrap();
    let row = ModelRow {
        model_id: model_id(Some(&experiment.name), bundle).unwrap(),
        experiment_name: experiment.name.clone(),
        contract_id: experiment.contract_id.clone(),
        slot: experiment.slot.clone(),
        model_hash: pieces.model_hash,
        exec_hash: Some(Digest::from_bytes(*pieces.exec.as_bytes())),
        norm_stats_artifact: pieces.norm_stats_artifact,
        norm_stats_hash: pieces.norm_stats_hash,
        golden: pieces.golden,
        bundle_hash: bundle,
        feature_contract_hash: experiment.feature_contract_hash,
        config_hash: experiment.config_hash,
        feature_order_hash: experiment.feature_order_hash,
        dataset_hash: None,
        training_run: None,
        action: pieces.action,
        numerics: Numerics::dense(),
        admission: json!({}),
        declared_trials: pieces.declared_trials,
        stage: Stage::Staging,
        l4_proposal_id: None,
        approved_by: None,
        approved_at: None,
        registered_by: author.parse().unwrap(),
        created_at: START,
        promoted_at: None,
        archived_at: None,
        withdrawn_at: None,
    };
    let mut tx = app.store.begin().await.unwrap();
    tx.insert_model(&row, &json!({})).await.unwrap();
    tx.insert_author(&row.model_id, &row.registered_by, Authorship::Registration)
        .await
        .unwrap();
    tx.insert_author(&row.model_id, &experiment.created_by, Authorship::Experiment)
        .await
        .unwrap();
    note(app, &mut tx, Action::ModelRegistered, &row.model_id).await;
    tx.commit().await.unwrap();
    row
}
