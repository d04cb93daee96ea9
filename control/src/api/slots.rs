//! Slots: what runs in them and ran before, and what their engines fetch.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use contracts::ids::SlotId;
use contracts::time::UtcMillis;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Caller, ENGINE_OR_READ, READ};
use super::extract::{Path, Query};
use super::problem::Problem;
use super::{Api, Route};
use crate::auth::{Actor, Via};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/slots", READ, "The slots", get(list)),
        Route::get(
            "/api/slots/{slot}/history",
            READ,
            "What ran, newest first; ?as_of= what ran then",
            get(history),
        )
        .refuses(404, &["not_found"]),
        Route::get(
            "/api/slots/{slot}/contract",
            ENGINE_OR_READ,
            "The newest contract, as signed",
            get(contract),
        )
        .refuses(403, OTHER_SLOT)
        .refuses(404, &["no_contract"]),
        Route::get(
            "/api/slots/{slot}/directive",
            ENGINE_OR_READ,
            "The newest directive, as signed",
            get(directive),
        )
        .refuses(403, OTHER_SLOT)
        .refuses(404, &["no_directive"]),
    ]
}

/// How [`bound`] refuses.
pub(super) const OTHER_SLOT: &[&str] = &["other_slot"];

/// A token is good for its own slot only; people read all.
pub(super) fn bound(actor: &Actor, slot: &SlotId) -> Result<(), Problem> {
    match &actor.via {
        Via::Token { slot: own, .. } if own.as_ref() != Some(slot) => Err(Problem::new(
            403,
            OTHER_SLOT[0],
            format!("this token is not for slot {slot}"),
        )),
        _ => Ok(()),
    }
}

async fn list(State(api): State<Api>) -> Result<axum::Json<Value>, Problem> {
    let rows = api.app.store.slots().await?;
    let slots: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "slot": row.slot, "environment": row.environment, "generation": row.generation,
                "directive_number": row.directive_number, "halted": row.halted, "halted_by": row.halted_by,
                "halted_at": row.halted_at,
            })
        })
        .collect();
    Ok(axum::Json(json!({"slots": slots})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AsOf {
    as_of: Option<UtcMillis>,
}

async fn history(
    State(api): State<Api>,
    Path(slot): Path<SlotId>,
    Query(at): Query<AsOf>,
) -> Result<axum::Json<Value>, Problem> {
    if api.app.store.slot(&slot).await?.is_none() {
        return Err(Problem::new(404, "not_found", format!("there is no slot {slot}")));
    }
    let rows = api.app.store.periods(&slot, at.as_of).await?;
    let periods: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "slot": row.slot, "generation": row.generation, "model_id": row.model_id, "contract": row.contract_digest,
                "proposal_id": row.proposal_id, "cause": row.cause, "allowed_by": row.allowed_by,
                "started_at": row.started_at, "ended_at": row.ended_at,
            })
        })
        .collect();
    Ok(axum::Json(json!({"slot": slot, "periods": periods})))
}

fn exact(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

async fn contract(
    State(api): State<Api>,
    caller: Caller,
    Path(slot): Path<SlotId>,
) -> Result<Response, Problem> {
    bound(&caller.actor, &slot)?;
    let row = api.app.store.newest_contract(&slot).await?;
    let row =
        row.ok_or_else(|| Problem::new(404, "no_contract", format!("slot {slot} has no contract yet")))?;
    Ok(exact(row.contract))
}

async fn directive(
    State(api): State<Api>,
    caller: Caller,
    Path(slot): Path<SlotId>,
) -> Result<Response, Problem> {
    bound(&caller.actor, &slot)?;
    let text = api.app.store.newest_directive(&slot).await?;
    let text =
        text.ok_or_else(|| Problem::new(404, "no_directive", format!("slot {slot} has no directive yet")))?;
    Ok(exact(text))
}
