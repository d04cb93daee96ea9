//! Proposals (`{proposal_id}` under `/api/experiments`, as the plan calls them) and the second vote.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use contracts::hash::EvidenceDigest;
use contracts::ids::ProposalId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Access, Caller, RESEARCH_READ};
use super::answers::Refusal;
use super::extract::{Json, Path, Query};
use super::problem::Problem;
use super::{Api, Route, note, note_refused};
use crate::audit::Action;
use crate::limits::{PAGE_ROWS, PAGE_ROWS_MAX};
use crate::store::{ProposalRow, ProposalStatus};
use crate::votes::{self, ALTERED, Approve, Reject, RequestMoreTests};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/api/experiments",
            RESEARCH_READ,
            "Proposals, newest first: ?status&limit&cursor",
            get(list),
        ),
        Route::get(
            "/api/experiments/pending",
            RESEARCH_READ,
            "Proposals whose second vote is open",
            get(pending),
        ),
        Route::get(
            "/api/experiments/{proposal_id}",
            RESEARCH_READ,
            "A proposal with its evidence; the ETag is the evidence's digest",
            get(one),
        )
        .refuses(404, &["not_found"]),
        Route::post(
            "/api/experiments/{proposal_id}/approve",
            Access::Anybody,
            "The second vote: yes. If-Match names the evidence",
            post(approve),
        )
        .takes::<ApproveBody>()
        .refuses_all(VOTE)
        .refuses(409, &["baseline_changed", "not_overridable"])
        .refuses(422, &["notes_required"]),
        Route::post(
            "/api/experiments/{proposal_id}/reject",
            Access::Anybody,
            "The second vote: no. If-Match names the evidence",
            post(reject),
        )
        .takes::<RejectBody>()
        .refuses_all(VOTE),
        Route::post(
            "/api/experiments/{proposal_id}/request-more-tests",
            Access::Anybody,
            "Neither yes nor no yet: tests of the catalogue. If-Match names the evidence",
            post(more_tests),
        )
        .takes::<MoreTestsBody>()
        .refuses_all(VOTE)
        .refuses(409, &["test_done"])
        .refuses(422, &["unknown_test"]),
    ]
}

/// How every second vote can be refused.
const VOTE: &[Refusal] = &[
    (400, &["malformed_if_match"]),
    (
        403,
        &[
            "not_approver",
            "person_required",
            "login_too_old",
            "author_may_not_vote",
        ],
    ),
    (404, &["not_found"]),
    (409, &["not_pending", "proposal_expired", ALTERED]),
    (412, &["evidence_changed"]),
    (422, &["notes_too_long"]),
    (428, &["if_match_required"]),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    status: Option<ProposalStatus>,
    limit: Option<u32>,
    cursor: Option<u64>,
}

async fn list(State(api): State<Api>, Query(filter): Query<Filter>) -> Result<axum::Json<Value>, Problem> {
    page(&api, filter).await
}

async fn pending(State(api): State<Api>) -> Result<axum::Json<Value>, Problem> {
    let filter = Filter {
        status: Some(ProposalStatus::PendingApproval),
        limit: Some(PAGE_ROWS_MAX),
        cursor: None,
    };
    page(&api, filter).await
}

async fn page(api: &Api, filter: Filter) -> Result<axum::Json<Value>, Problem> {
    let limit = filter.limit.unwrap_or(PAGE_ROWS);
    if !(1..=PAGE_ROWS_MAX).contains(&limit) {
        let detail = format!("limit is 1 to {PAGE_ROWS_MAX}");
        return Err(Problem::new(400, "malformed_query", detail));
    }
    let store = &api.app.store;
    let rows = store.proposals(filter.status, filter.cursor, limit).await?;
    let total = store.count_proposals(filter.status).await?;
    let full = rows.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    let next = rows.last().filter(|_| full).map(|(id, _)| *id);
    let experiments: Vec<Value> = rows.iter().map(|(_, row)| view(row)).collect();
    Ok(axum::Json(
        json!({"experiments": experiments, "total": total, "next_cursor": next}),
    ))
}

fn view(row: &ProposalRow) -> Value {
    json!({
        "proposal_id": row.proposal_id, "model_id": row.model_id, "experiment_name": row.experiment_name, "slot": row.slot,
        "revision": row.revision, "evidence_digest": row.evidence_digest, "recommendation": row.recommendation,
        "confidence": row.confidence, "reason": row.reason, "not_overridable": row.not_overridable, "metrics": row.metrics,
        "vs_baseline": row.vs_baseline, "baseline_model_id": row.baseline_model_id,
        "criteria_results": row.criteria_results, "lineage": row.lineage, "status": row.status, "reviewer": row.reviewer,
        "reviewer_notes": row.reviewer_notes, "reviewed_at": row.reviewed_at, "deploy_by": row.deploy_by,
        "created_at": row.created_at, "expires_at": row.expires_at, "requires_human_approval": true,
    })
}

async fn one(State(api): State<Api>, Path(id): Path<ProposalId>) -> Result<Response, Problem> {
    let missing = || Problem::new(404, "not_found", format!("there is no proposal {id}"));
    let row = api.app.store.proposal(&id).await?.ok_or_else(missing)?;
    let evidence = api.app.store.evidence(&id, row.revision).await?;
    let evidence = evidence.ok_or_else(missing)?;
    let mut answer = view(&row);
    answer["evidence"] = json!(evidence.evidence);
    answer["first_vote"] = json!(evidence.first_vote);
    let tag = format!("\"{}\"", row.evidence_digest);
    Ok(([(header::ETAG, tag)], axum::Json(answer)).into_response())
}

/// The evidence the voter saw. A vote without is refused, and that is an event as well.
async fn if_match(
    api: &Api,
    caller: &Caller,
    attempted: Action,
    proposal: &ProposalId,
    headers: &HeaderMap,
) -> Result<EvidenceDigest, Problem> {
    let named = named_evidence(headers);
    if let Err((_, code, detail)) = named {
        note(api, caller, attempted, proposal.as_str(), code, &detail).await?;
    }
    named.map_err(|(status, code, detail)| Problem::new(status, code, detail))
}

/// Status, code and words of a header that names no evidence.
fn named_evidence(headers: &HeaderMap) -> Result<EvidenceDigest, (u16, &'static str, &'static str)> {
    let value = headers.get(header::IF_MATCH).ok_or((
        428,
        "if_match_required",
        "name the evidence you saw: If-Match: \"<evidence_digest>\"",
    ))?;
    let quoted = value
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix('"')?.strip_suffix('"'));
    quoted.and_then(|hex| EvidenceDigest::parse(hex).ok()).ok_or((
        400,
        "malformed_if_match",
        "If-Match: \"<64 hex digits>\" is expected",
    ))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct ApproveBody {
    notes: Option<String>,
    #[serde(default)]
    promote_to_production: bool,
}

async fn approve(
    State(api): State<Api>,
    caller: Caller,
    Path(proposal_id): Path<ProposalId>,
    headers: HeaderMap,
    Json(body): Json<ApproveBody>,
) -> Result<axum::Json<Value>, Problem> {
    let evidence_digest = if_match(&api, &caller, Action::Approve, &proposal_id, &headers).await?;
    let request = Approve {
        evidence_digest,
        notes: body.notes,
        promote_to_production: body.promote_to_production,
        proposal_id,
    };
    let done = Box::pin(votes::approve(&api.app, &caller.actor, &request)).await;
    if let Err(why) = &done {
        let subject = request.proposal_id.as_str();
        note_refused(&api, &caller, Action::Approve, subject, why.code(), why).await?;
    }
    let done = done?;
    Ok(axum::Json(json!({
        "success": true, "model_id": done.model_id, "new_stage": done.new_stage,
        "previous_model_archived": done.previous_model_archived, "approved_by": done.approved_by,
        "generation": done.contract.map(|(generation, _)| generation),
        "contract": done.contract.map(|(_, digest)| digest), "deploy_by": done.deploy_by,
    })))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct RejectBody {
    notes: Option<String>,
}

async fn reject(
    State(api): State<Api>,
    caller: Caller,
    Path(proposal_id): Path<ProposalId>,
    headers: HeaderMap,
    Json(body): Json<RejectBody>,
) -> Result<axum::Json<Value>, Problem> {
    let evidence_digest = if_match(&api, &caller, Action::Reject, &proposal_id, &headers).await?;
    let request = Reject {
        evidence_digest,
        notes: body.notes,
        proposal_id,
    };
    let done = votes::reject(&api.app, &caller.actor, &request).await;
    if let Err(why) = &done {
        let subject = request.proposal_id.as_str();
        note_refused(&api, &caller, Action::Reject, subject, why.code(), why).await?;
    }
    done?;
    Ok(axum::Json(
        json!({"success": true, "rejected_by": caller.actor.person}),
    ))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct MoreTestsBody {
    /// Of costs_x2, latency_1_bar, other_window, noise, block_shuffled_null, worst_regime.
    tests: Vec<String>,
    notes: Option<String>,
}

async fn more_tests(
    State(api): State<Api>,
    caller: Caller,
    Path(proposal_id): Path<ProposalId>,
    headers: HeaderMap,
    Json(body): Json<MoreTestsBody>,
) -> Result<axum::Json<Value>, Problem> {
    let evidence_digest = if_match(&api, &caller, Action::RequestMoreTests, &proposal_id, &headers).await?;
    let request = RequestMoreTests {
        evidence_digest,
        tests: body.tests,
        notes: body.notes,
        proposal_id,
    };
    let done = votes::request_more_tests(&api.app, &caller.actor, &request).await;
    if let Err(why) = &done {
        let subject = request.proposal_id.as_str();
        note_refused(&api, &caller, Action::RequestMoreTests, subject, why.code(), why).await?;
    }
    let jobs: Vec<Value> = done?
        .iter()
        .map(|(test, job)| json!({"test": test, "job_id": job}))
        .collect();
    Ok(axum::Json(json!({"success": true, "jobs": jobs})))
}
