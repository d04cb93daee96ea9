//! Registered models that an engine can run.

use contracts::hash::Digest;
use contracts::numerics::Executor;
use contracts::production::{bundle_hash, model_id};
use control::app::App;
use control::registry::Stage;
use control::store::{Authorship, ExperimentRow, ModelRow};
use testkit::live::{MakeSpec, made};

/// A model of its own per `seed`, registered by `author` as a registration does it: its artifacts are what an engine checks.
pub async fn model(app: &App, experiment: &ExperimentRow, author: &str, seed: u64) -> ModelRow {
    let made = made(&MakeSpec {
        features: &experiment.feature_contract,
        seed,
        executor: Executor::Dense,
        generation: 1,
        hidden: 64,
    });
    for bytes in made.artifacts.values() {
        app.artifacts.put(bytes).unwrap();
    }
    let found = made.contract;
    let (hashes, artifacts) = (&found.hashes, &found.artifacts);
    let bundle = bundle_hash(
        hashes.model_hash,
        hashes.norm_stats_hash,
        experiment.feature_contract_hash,
        &found.action,
    )
    .unwrap();
    let row = ModelRow {
        model_id: model_id(Some(&experiment.name), bundle).unwrap(),
        experiment_name: experiment.name.clone(),
        contract_id: experiment.contract_id.clone(),
        slot: experiment.slot.clone(),
        model_hash: hashes.model_hash,
        exec_hash: artifacts.exec.map(|exec| Digest::from_bytes(*exec.as_bytes())),
        norm_stats_artifact: artifacts.norm_stats,
        norm_stats_hash: hashes.norm_stats_hash,
        golden: artifacts.golden,
        bundle_hash: bundle,
        feature_contract_hash: experiment.feature_contract_hash,
        config_hash: experiment.config_hash,
        feature_order_hash: experiment.feature_order_hash,
        dataset_hash: None,
        training_run: None,
        action: found.action.clone(),
        numerics: found.numerics,
        admission: serde_json::json!({}),
        declared_trials: 0,
        stage: Stage::Staging,
        l4_proposal_id: None,
        approved_by: None,
        approved_at: None,
        registered_by: author.parse().unwrap(),
        created_at: app.now(),
        promoted_at: None,
        archived_at: None,
        withdrawn_at: None,
    };
    let mut tx = app.store.begin().await.unwrap();
    tx.insert_model(&row, &serde_json::json!({})).await.unwrap();
    tx.insert_author(&row.model_id, &row.registered_by, Authorship::Registration)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    row
}
