//! Jobs: what is being computed, how far it is, what became of it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use contracts::ids::ModelId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Caller, RESEARCH_READ, RESEARCH_WRITE};
use super::extract::{Path, Query};
use super::problem::Problem;
use super::{Api, Route};
use crate::jobs::{JobId, JobKind, JobState};
use crate::limits::{PAGE_ROWS, PAGE_ROWS_MAX};
use crate::proposals::{self, AskError};
use crate::store::{JobFilter, JobRow};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/api/jobs",
            RESEARCH_READ,
            "Jobs, newest first: ?state&kind&limit&cursor",
            get(list),
        ),
        Route::get(
            "/api/jobs/{job_id}",
            RESEARCH_READ,
            "A job: its state, its progress, its result or its error",
            get(one),
        )
        .refuses(404, &["not_found"]),
        Route::post(
            "/api/models/{model_id}/propose",
            RESEARCH_WRITE,
            "The first vote about a model without an open proposal, as a job",
            post(propose),
        )
        .gives(&[202])
        .refuses(404, &["not_found"])
        .refuses(409, &["wrong_stage", "proposal_open"]),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    state: Option<JobState>,
    kind: Option<JobKind>,
    limit: Option<u32>,
    cursor: Option<u64>,
}

fn view(row: &JobRow) -> Value {
    json!({
        "job_id": row.id, "kind": row.task.kind(), "subject": row.subject, "task": row.task, "state": row.state,
        "progress": row.progress, "progress_note": row.progress_note, "attempts": row.attempts, "run_after": row.run_after,
        "lease_until": row.lease_until, "result": row.result, "error": row.error, "created_by": row.created_by,
        "created_at": row.created_at, "finished_at": row.finished_at,
    })
}

async fn list(State(api): State<Api>, Query(filter): Query<Filter>) -> Result<axum::Json<Value>, Problem> {
    let limit = filter.limit.unwrap_or(PAGE_ROWS);
    if !(1..=PAGE_ROWS_MAX).contains(&limit) {
        let detail = format!("limit is 1 to {PAGE_ROWS_MAX}");
        return Err(Problem::new(400, "malformed_query", detail));
    }
    let wanted = JobFilter {
        state: filter.state,
        kind: filter.kind,
        below: filter.cursor,
    };
    let rows = api.app.store.jobs(&wanted, limit).await?;
    let full = rows.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    let next = rows.last().filter(|_| full).map(|row| row.id);
    let jobs: Vec<Value> = rows.iter().map(view).collect();
    Ok(axum::Json(json!({"jobs": jobs, "next_cursor": next})))
}

async fn one(State(api): State<Api>, Path(id): Path<JobId>) -> Result<axum::Json<Value>, Problem> {
    let row = api.app.store.job(id).await?;
    let row = row.ok_or_else(|| Problem::new(404, "not_found", format!("there is no job {id}")))?;
    Ok(axum::Json(view(&row)))
}

async fn propose(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<ModelId>,
) -> Result<Response, Problem> {
    let job = proposals::ask(&api.app, &caller.actor, &id).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(json!({"job_id": job}))).into_response())
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        let status = match &error {
            AskError::NotFound(_) => 404,
            AskError::WrongStage(_) | AskError::Open(_) => 409,
            AskError::Store(_) => return Self::internal(&error),
        };
        Self::new(status, error.code(), &error)
    }
}
