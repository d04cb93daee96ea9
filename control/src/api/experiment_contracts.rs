//! Experiment contracts: registered from YAML, listed, shown.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{get, post};
use contracts::ids::{ContractId, ExperimentName};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Caller, RESEARCH_READ, RESEARCH_WRITE};
use super::extract::{Path, Query};
use super::problem::Problem;
use super::{Api, Route};
use crate::experiments::{self, Register, RegisterError, ShowError, contract_of};
use crate::limits::PAGE_ROWS_MAX;
use crate::store::ExperimentRow;

/// What the body is called in messages.
const FILE: &str = "experiment.yaml";
/// What a YAML body calls itself.
const YAML: [&str; 3] = ["application/yaml", "application/x-yaml", "text/yaml"];

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/api/contracts",
            RESEARCH_READ,
            "Experiment contracts, newest first: ?name&limit",
            get(list),
        ),
        Route::post(
            "/api/contracts",
            RESEARCH_WRITE,
            "Registers an experiment from its YAML; the same content again changes nothing",
            post(register),
        )
        .takes_text(YAML[0])
        .gives(&[201, 200])
        .refuses(409, &["experiment_differs"])
        .refuses(
            422,
            &[
                "experiment_too_large",
                "experiment_no_yaml",
                "experiment_invalid",
                "feature_contract_unusable",
                "reward_invalid",
                "unknown_slot",
                "instrument_not_in_slot",
            ],
        ),
        Route::get(
            "/api/contracts/{contract_id}",
            RESEARCH_READ,
            "An experiment contract with its frozen configuration",
            get(one),
        )
        .refuses(404, &["experiment_not_found"]),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    name: Option<ExperimentName>,
    limit: Option<u32>,
}

fn view(row: &ExperimentRow) -> Value {
    json!({
        "contract_id": row.contract_id, "name": row.name, "version": row.version, "slot": row.slot,
        "instrument": row.instrument, "config_hash": row.config_hash, "source_hash": row.source_hash,
        "feature_order_hash": row.feature_order_hash, "feature_contract_hash": row.feature_contract_hash,
        "reward_config_hash": row.reward_config_hash, "date_ranges_version": row.date_ranges_version,
        "created_by": row.created_by, "created_at": row.created_at,
    })
}

async fn list(State(api): State<Api>, Query(filter): Query<Filter>) -> Result<axum::Json<Value>, Problem> {
    let limit = filter.limit.unwrap_or(PAGE_ROWS_MAX);
    let rows = experiments::list(&api.app, filter.name.as_ref(), limit).await?;
    let contracts: Vec<Value> = rows.iter().map(view).collect();
    Ok(axum::Json(json!({"contracts": contracts})))
}

async fn one(State(api): State<Api>, Path(id): Path<ContractId>) -> Result<axum::Json<Value>, Problem> {
    let row = experiments::show(&api.app, &id).await?;
    let mut answer = view(&row);
    answer["contract"] = json!(contract_of(&row));
    Ok(axum::Json(answer))
}

async fn register(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<(StatusCode, axum::Json<Value>), Problem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if !YAML.iter().any(|yaml| kind.eq_ignore_ascii_case(yaml)) {
        return Err(Problem::new(
            415,
            "not_yaml",
            "Content-Type: application/yaml is expected",
        ));
    }
    let body = body.map_err(|error| match error.status().as_u16() {
        413 => Problem::new(413, "body_too_large", error),
        _ => Problem::new(400, "body_unreadable", error),
    })?;
    let request = Register {
        yaml: body.to_vec(),
        file: FILE.to_owned(),
    };
    let done = experiments::register(&api.app, &caller.actor, &request).await?;
    let status = if done.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let mut answer = view(&done.experiment);
    answer["created"] = json!(done.created);
    Ok((status, axum::Json(answer)))
}

impl From<ShowError> for Problem {
    fn from(error: ShowError) -> Self {
        match &error {
            ShowError::NotFound(_) => Self::new(404, error.code(), &error),
            ShowError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        use contracts::experiment::contract::ExperimentContractError;
        match &error {
            RegisterError::Forbidden => Self::new(403, error.code(), &error),
            RegisterError::Contract(ExperimentContractError::Experiment(fault)) => Self {
                path: fault.path().map(Box::from),
                line: fault.line().and_then(|line| u32::try_from(line).ok()),
                ..Self::new(422, error.code(), &error)
            },
            RegisterError::Contract(_)
            | RegisterError::Reward(_)
            | RegisterError::UnknownSlot(_)
            | RegisterError::Instrument { .. } => Self::new(422, error.code(), &error),
            RegisterError::Differs { changes, .. } => Self {
                changes: Some(changes.iter().map(|change| json!(change)).collect()),
                ..Self::new(409, error.code(), &error)
            },
            RegisterError::Audit(_) | RegisterError::Store(_) => Self::internal(&error),
        }
    }
}
