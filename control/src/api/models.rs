//! Models, and what is in production.

use axum::extract::State;
use axum::routing::get;
use contracts::ids::{ModelId, SlotId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::RESEARCH_READ;
use super::extract::{Path, Query};
use super::problem::Problem;
use super::{Api, Route};
use crate::limits::PAGE_ROWS_MAX;
use crate::registry::{self, Stage};
use crate::store::{ContractRow, ModelRow};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/api/models",
            RESEARCH_READ,
            "Models, newest first: ?stage&slot",
            get(list),
        ),
        Route::get("/api/models/{model_id}", RESEARCH_READ, "A model", get(one)).refuses(404, &["not_found"]),
        Route::get(
            "/api/models/{model_id}/lineage",
            RESEARCH_READ,
            "Where a model comes from and what became of it, every piece hashed again",
            get(lineage),
        )
        .refuses(404, &["not_found"]),
        Route::get(
            "/api/models/production",
            RESEARCH_READ,
            "Production contracts; with ?slot= that slot's",
            get(production),
        )
        .refuses(404, &["no_production_model"]),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    stage: Option<Stage>,
    slot: Option<SlotId>,
}

pub(super) fn view(row: &ModelRow) -> Value {
    json!({
        "model_id": row.model_id, "experiment_name": row.experiment_name, "contract_id": row.contract_id, "slot": row.slot,
        "stage": row.stage, "model_hash": row.model_hash, "exec_hash": row.exec_hash,
        "norm_stats_hash": row.norm_stats_hash, "golden": row.golden, "bundle_hash": row.bundle_hash,
        "feature_contract_hash": row.feature_contract_hash, "feature_order_hash": row.feature_order_hash,
        "config_hash": row.config_hash, "dataset_hash": row.dataset_hash, "training_run": row.training_run,
        "action": row.action, "numerics": row.numerics, "admission": row.admission,
        "declared_trials": row.declared_trials, "l4_proposal_id": row.l4_proposal_id, "approved_by": row.approved_by,
        "approved_at": row.approved_at, "registered_by": row.registered_by, "created_at": row.created_at,
        "promoted_at": row.promoted_at, "archived_at": row.archived_at, "withdrawn_at": row.withdrawn_at,
    })
}

async fn list(State(api): State<Api>, Query(filter): Query<Filter>) -> Result<axum::Json<Value>, Problem> {
    let rows = api
        .app
        .store
        .models(filter.stage, filter.slot.as_ref(), PAGE_ROWS_MAX)
        .await?;
    let models: Vec<Value> = rows.iter().map(view).collect();
    Ok(axum::Json(json!({"models": models})))
}

async fn one(State(api): State<Api>, Path(id): Path<ModelId>) -> Result<axum::Json<Value>, Problem> {
    let row = api.app.store.model(&id).await?;
    let row = row.ok_or_else(|| Problem::new(404, "not_found", format!("there is no model {id}")))?;
    Ok(axum::Json(view(&row)))
}

async fn lineage(
    State(api): State<Api>,
    Path(id): Path<ModelId>,
) -> Result<axum::Json<registry::lineage::Lineage>, Problem> {
    let found = Box::pin(registry::lineage::lineage(&api.app, &id)).await?;
    found
        .map(axum::Json)
        .ok_or_else(|| Problem::new(404, "not_found", format!("there is no model {id}")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfSlot {
    slot: Option<SlotId>,
}

async fn production(State(api): State<Api>, Query(of): Query<OfSlot>) -> Result<axum::Json<Value>, Problem> {
    let models = api
        .app
        .store
        .models(Some(Stage::Production), of.slot.as_ref(), PAGE_ROWS_MAX)
        .await?;
    let mut contracts = Vec::new();
    for model in models {
        let contract = api.app.store.newest_contract(&model.slot).await?;
        contracts.extend(contract.filter(|contract| contract.model_id == model.model_id));
    }
    let Some(slot) = of.slot else {
        let contracts: Result<Vec<_>, _> = contracts.iter().map(document).collect();
        return Ok(axum::Json(json!({"contracts": contracts?})));
    };
    let contract = contracts.first().ok_or_else(|| {
        Problem::new(
            404,
            "no_production_model",
            format!("no model is in production in {slot}"),
        )
    })?;
    document(contract).map(axum::Json)
}

fn document(row: &ContractRow) -> Result<Value, Problem> {
    serde_json::from_str(&row.contract).map_err(|error| Problem::internal(&error))
}
