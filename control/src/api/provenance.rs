//! Datasets and training runs.

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use contracts::hash::{DatasetHash, NormStatsHash};
use contracts::ids::{ContractId, RunId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Caller, RESEARCH_READ, RESEARCH_WRITE};
use super::extract::{Json, Path, Query};
use super::problem::Problem;
use super::{Api, Route};
use crate::limits::{MANIFEST_BYTES_MAX, PAGE_ROWS_MAX};
use crate::registry::{self, NewDataset, NewTraining, RecordError};
use crate::store::{DatasetRow, TrainingRow};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/api/datasets",
            RESEARCH_READ,
            "Datasets, newest first: ?contract_id",
            get(datasets),
        ),
        Route::post(
            "/api/datasets",
            RESEARCH_WRITE,
            "Registers a dataset; the same again changes nothing",
            post(add_dataset).layer(DefaultBodyLimit::max(MANIFEST_BYTES_MAX)),
        )
        .takes::<DatasetBody>()
        .gives(&[201, 200])
        .refuses(409, &["registered_differently"])
        .refuses(
            422,
            &[
                "experiment_not_found",
                "manifest_invalid",
                "artifact_not_found",
                "source_not_found",
            ],
        ),
        Route::get(
            "/api/datasets/{contract_id}/{dataset_hash}",
            RESEARCH_READ,
            "The dataset of an experiment",
            get(dataset),
        )
        .refuses(404, &["not_found"]),
        Route::get(
            "/api/training-runs",
            RESEARCH_READ,
            "Training runs, newest first: ?contract_id",
            get(trainings),
        ),
        Route::post(
            "/api/training-runs",
            RESEARCH_WRITE,
            "Registers a training run; the same again changes nothing",
            post(add_training).layer(DefaultBodyLimit::max(MANIFEST_BYTES_MAX)),
        )
        .takes::<TrainingBody>()
        .gives(&[201, 200])
        .refuses(409, &["registered_differently"])
        .refuses(
            422,
            &[
                "experiment_not_found",
                "dataset_not_found",
                "manifest_invalid",
                "artifact_not_found",
                "source_not_found",
            ],
        ),
        Route::get(
            "/api/training-runs/{run_id}",
            RESEARCH_READ,
            "A training run",
            get(training),
        )
        .refuses(404, &["not_found"]),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    contract_id: Option<ContractId>,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct DatasetBody {
    #[schema(value_type = String)]
    contract_id: ContractId,
    #[schema(value_type = String)]
    dataset_hash: DatasetHash,
    #[schema(value_type = String)]
    norm_stats_hash: NormStatsHash,
    #[schema(value_type = Object)]
    manifest: Value,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct TrainingBody {
    #[schema(value_type = String)]
    run_id: RunId,
    #[schema(value_type = String)]
    contract_id: ContractId,
    #[schema(value_type = String)]
    dataset_hash: DatasetHash,
    #[schema(value_type = Object)]
    manifest: Value,
}

fn of_dataset(row: &DatasetRow) -> Value {
    json!({
        "dataset_hash": row.dataset_hash, "contract_id": row.contract_id, "norm_stats_hash": row.norm_stats_hash,
        "manifest": row.manifest, "created_by": row.created_by, "created_at": row.created_at,
    })
}

fn of_training(row: &TrainingRow) -> Value {
    json!({
        "run_id": row.run_id, "contract_id": row.contract_id, "dataset_hash": row.dataset_hash,
        "manifest": row.manifest, "launched_by": row.launched_by, "created_at": row.created_at,
    })
}

async fn datasets(State(api): State<Api>, Query(of): Query<Filter>) -> Result<axum::Json<Value>, Problem> {
    let rows = api
        .app
        .store
        .datasets(of.contract_id.as_ref(), PAGE_ROWS_MAX)
        .await?;
    let rows: Vec<Value> = rows.iter().map(of_dataset).collect();
    Ok(axum::Json(json!({"datasets": rows})))
}

async fn dataset(
    State(api): State<Api>,
    Path((contract, hash)): Path<(ContractId, DatasetHash)>,
) -> Result<axum::Json<Value>, Problem> {
    let row = api.app.store.dataset(&contract, hash).await?;
    let none = || {
        Problem::new(
            404,
            "not_found",
            format!("there is no dataset {hash} of {contract}"),
        )
    };
    let row = row.ok_or_else(none)?;
    Ok(axum::Json(of_dataset(&row)))
}

async fn trainings(State(api): State<Api>, Query(of): Query<Filter>) -> Result<axum::Json<Value>, Problem> {
    let rows = api
        .app
        .store
        .trainings(of.contract_id.as_ref(), PAGE_ROWS_MAX)
        .await?;
    let rows: Vec<Value> = rows.iter().map(of_training).collect();
    Ok(axum::Json(json!({"training_runs": rows})))
}

async fn training(State(api): State<Api>, Path(id): Path<RunId>) -> Result<axum::Json<Value>, Problem> {
    let row = api.app.store.training(&id).await?;
    let row = row.ok_or_else(|| Problem::new(404, "not_found", format!("there is no training run {id}")))?;
    Ok(axum::Json(of_training(&row)))
}

fn answer(mut document: Value, created: bool) -> (StatusCode, axum::Json<Value>) {
    document["created"] = json!(created);
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    (status, axum::Json(document))
}

async fn add_dataset(
    State(api): State<Api>,
    caller: Caller,
    Json(body): Json<DatasetBody>,
) -> Result<(StatusCode, axum::Json<Value>), Problem> {
    let new = NewDataset {
        contract_id: body.contract_id,
        dataset_hash: body.dataset_hash,
        norm_stats_hash: body.norm_stats_hash,
        manifest: body.manifest,
    };
    let (row, created) = registry::register_dataset(&api.app, &caller.actor, new).await?;
    Ok(answer(of_dataset(&row), created))
}

async fn add_training(
    State(api): State<Api>,
    caller: Caller,
    Json(body): Json<TrainingBody>,
) -> Result<(StatusCode, axum::Json<Value>), Problem> {
    let new = NewTraining {
        run_id: body.run_id,
        contract_id: body.contract_id,
        dataset_hash: body.dataset_hash,
        manifest: body.manifest,
    };
    let (row, created) = registry::register_training(&api.app, &caller.actor, new).await?;
    Ok(answer(of_training(&row), created))
}

impl From<RecordError> for Problem {
    fn from(error: RecordError) -> Self {
        let status = match &error {
            RecordError::Forbidden => 403,
            RecordError::NoExperiment(_)
            | RecordError::NoDataset { .. }
            | RecordError::Manifest(_)
            | RecordError::NoSource(_) => 422,
            RecordError::File(error) => return error.into(),
            RecordError::Differs(_) => 409,
            RecordError::Audit(_) | RecordError::Store(_) => return Self::internal(&error),
        };
        Self::new(status, error.code(), &error)
    }
}
