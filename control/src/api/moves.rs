//! Moves of production and the latches, over HTTP. Who may is decided by the operations themselves, so that a refusal is audited.

use axum::extract::State;
use axum::routing::post;
use contracts::ids::{ModelId, SlotId};
use contracts::reason::Latch;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Access, Caller};
use super::answers::Refusal;
use super::extract::{Json, Path};
use super::problem::Problem;
use super::{Api, Route, note, note_refused};
use crate::audit::Action;
use crate::promote::{self, MoveError, MoveRefused, Moved, PromoteLater, RollBack, Withdraw};
use crate::slots::{self, Halt, HaltError, ResumeError, ResumeRefused, ResumeRequest};
use crate::votes::ALTERED;

pub(super) fn routes() -> Vec<Route> {
    let anybody = Access::Anybody;
    vec![
        Route::post(
            "/api/models/{model_id}/promote",
            anybody,
            "Deploy an approved model later",
            post(promote_later),
        )
        .takes::<Nothing>()
        .refuses_all(MOVE)
        .refuses(403, &["author_may_not_deploy"])
        .refuses(409, &["not_approved", "approval_lapsed", "baseline_changed"]),
        Route::post(
            "/api/models/{model_id}/withdraw",
            anybody,
            "Forbid a model for ever",
            post(withdraw),
        )
        .takes::<Reason>()
        .refuses_all(MOVE)
        .refuses(422, &["reason_required"]),
        Route::post(
            "/api/slots/{slot}/rollback",
            anybody,
            "Put an earlier model back",
            post(rollback),
        )
        .takes::<RollbackBody>()
        .refuses_all(MOVE)
        .refuses(403, &["author_may_not_deploy"])
        .refuses(409, &["never_in_production", "contract_altered"])
        .refuses(422, &["reason_required"]),
        Route::post("/api/slots/{slot}/halt", anybody, "Stop a slot", post(halt))
            .takes::<Reason>()
            .refuses(403, &["not_operator", "person_required"])
            .refuses(404, &["not_found"])
            .refuses(422, &["reason_too_long"]),
        Route::post(
            "/api/slots/{slot}/resume",
            anybody,
            "Ask to go on; another operator confirms",
            post(request_resume),
        )
        .takes::<ResumeBody>()
        .refuses_all(RESUME)
        .refuses(409, &["resume_open", "no_production_model"])
        .refuses(422, &["resume_incomplete"]),
        Route::post(
            "/api/slots/{slot}/resume/confirm",
            anybody,
            "Confirm another operator's request to go on",
            post(confirm_resume),
        )
        .takes::<Nothing>()
        .refuses_all(RESUME)
        .refuses(403, &["second_person_required"])
        .refuses(409, &["resume_not_requested", "no_production_model"]),
    ]
}

/// How every move can be refused.
const MOVE: &[Refusal] = &[
    (403, &["not_allowed", "person_required", "login_too_old"]),
    (404, &["not_found"]),
    (409, &["wrong_stage", ALTERED]),
];

/// How asking to go on, and confirming it, can be refused.
const RESUME: &[Refusal] = &[
    (403, &["not_operator", "person_required", "login_too_old"]),
    (404, &["not_found"]),
];

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: String,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct RollbackBody {
    #[schema(value_type = String)]
    to_model_id: ModelId,
    reason: String,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct ResumeBody {
    #[schema(value_type = Vec<String>)]
    latches: Vec<Latch>,
    reason: String,
}

async fn promote_later(
    State(api): State<Api>,
    caller: Caller,
    Path(model_id): Path<ModelId>,
    Json(_): Json<Nothing>,
) -> Result<axum::Json<Value>, Problem> {
    let subject = model_id.to_string();
    let done = Box::pin(promote::promote(
        &api.app,
        &caller.actor,
        &PromoteLater { model_id },
    ))
    .await;
    moved(&api, &caller, Action::Promoted, &subject, done).await
}

async fn rollback(
    State(api): State<Api>,
    caller: Caller,
    Path(slot): Path<SlotId>,
    Json(body): Json<RollbackBody>,
) -> Result<axum::Json<Value>, Problem> {
    let subject = slot.to_string();
    let request = RollBack {
        slot,
        to_model_id: body.to_model_id,
        reason: body.reason,
    };
    let done = Box::pin(promote::rollback(&api.app, &caller.actor, &request)).await;
    moved(&api, &caller, Action::RolledBack, &subject, done).await
}

async fn withdraw(
    State(api): State<Api>,
    caller: Caller,
    Path(model_id): Path<ModelId>,
    Json(body): Json<Reason>,
) -> Result<axum::Json<Value>, Problem> {
    let request = Withdraw {
        model_id,
        reason: body.reason,
    };
    let done = Box::pin(promote::withdraw(&api.app, &caller.actor, &request)).await;
    if let Err(why) = &done {
        let subject = request.model_id.as_str();
        note_refused(&api, &caller, Action::ModelWithdrawn, subject, why.code(), why).await?;
    }
    let halted = done?;
    Ok(axum::Json(
        json!({"success": true, "model_id": request.model_id, "halted": halted}),
    ))
}

/// The answer to a move, its refusal audited.
async fn moved(
    api: &Api,
    caller: &Caller,
    what: Action,
    subject: &str,
    done: Result<Moved, MoveError>,
) -> Result<axum::Json<Value>, Problem> {
    if let Err(why) = &done {
        note_refused(api, caller, what, subject, why.code(), why).await?;
    }
    let done = done?;
    Ok(axum::Json(json!({
        "success": true, "slot": done.slot, "model_id": done.model_id, "generation": done.generation,
        "contract": done.contract, "previous_model_archived": done.previous_model_archived,
    })))
}

async fn halt(
    State(api): State<Api>,
    caller: Caller,
    Path(slot): Path<SlotId>,
    Json(body): Json<Reason>,
) -> Result<axum::Json<Value>, Problem> {
    let request = Halt {
        slot,
        reason: body.reason,
    };
    let done = Box::pin(slots::halt(&api.app, &caller.actor, &request)).await;
    if let Err(why @ (HaltError::NotOperator | HaltError::NoPerson | HaltError::ReasonTooLong)) = &done {
        let code = why.code().unwrap_or_default();
        note(&api, &caller, Action::Halted, request.slot.as_str(), code, why).await?;
    }
    let number = done?;
    Ok(axum::Json(
        json!({"success": true, "slot": request.slot, "halted": true, "directive": number}),
    ))
}

async fn request_resume(
    State(api): State<Api>,
    caller: Caller,
    Path(slot): Path<SlotId>,
    Json(body): Json<ResumeBody>,
) -> Result<axum::Json<Value>, Problem> {
    let request = ResumeRequest {
        slot,
        latches: body.latches,
        reason: body.reason,
    };
    let done = Box::pin(slots::request_resume(&api.app, &caller.actor, &request)).await;
    if let Err(ResumeError::Refused(why)) = &done {
        note(
            &api,
            &caller,
            Action::ResumeRequested,
            request.slot.as_str(),
            why.code(),
            why,
        )
        .await?;
    }
    done?;
    Ok(axum::Json(
        json!({"success": true, "slot": request.slot, "requested_by": caller.actor.person}),
    ))
}

async fn confirm_resume(
    State(api): State<Api>,
    caller: Caller,
    Path(slot): Path<SlotId>,
    Json(_): Json<Nothing>,
) -> Result<axum::Json<Value>, Problem> {
    let done = Box::pin(slots::confirm_resume(&api.app, &caller.actor, &slot)).await;
    if let Err(ResumeError::Refused(why)) = &done {
        note(&api, &caller, Action::Resumed, slot.as_str(), why.code(), why).await?;
    }
    let directive = done?;
    Ok(axum::Json(json!({
        "success": true, "slot": slot, "halted": directive.halted, "clears": directive.clears,
        "directive": directive.number,
    })))
}

impl From<MoveError> for Problem {
    fn from(error: MoveError) -> Self {
        let MoveError::Refused(refused) = &error else {
            return Self::of_edited(&error, error.code());
        };
        let status = match refused {
            MoveRefused::NotFound(_) | MoveRefused::NoSlot(_) => 404,
            MoveRefused::NotAllowed(_) | MoveRefused::NotFresh(_) | MoveRefused::Author(_) => 403,
            MoveRefused::NotApproved
            | MoveRefused::Lapsed(_)
            | MoveRefused::BaselineChanged
            | MoveRefused::WrongStage(_)
            | MoveRefused::NeverHere
            | MoveRefused::ContractAltered => 409,
            MoveRefused::ReasonRequired => 422,
        };
        Self::new(status, refused.code(), refused)
    }
}

impl From<HaltError> for Problem {
    fn from(error: HaltError) -> Self {
        let Some(code) = error.code() else {
            return Self::internal(&error);
        };
        let status = match error {
            HaltError::NoSlot(_) => 404,
            HaltError::ReasonTooLong => 422,
            _ => 403,
        };
        Self::new(status, code, &error)
    }
}

impl From<ResumeError> for Problem {
    fn from(error: ResumeError) -> Self {
        let ResumeError::Refused(refused) = &error else {
            return Self::internal(&error);
        };
        let status = match refused {
            ResumeRefused::NoSlot(_) => 404,
            ResumeRefused::NotOperator(_) | ResumeRefused::NotFresh(_) | ResumeRefused::SamePerson(_) => 403,
            ResumeRefused::Open(_) | ResumeRefused::NothingOpen(_) | ResumeRefused::NoProductionModel(_) => {
                409
            }
            ResumeRefused::Incomplete => 422,
        };
        Self::new(status, refused.code(), refused)
    }
}
