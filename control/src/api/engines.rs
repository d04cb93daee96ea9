//! What engines report: heartbeats and receipts.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use contracts::hash::ContractDigest;
use contracts::ids::{EngineId, SlotId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::access::{Caller, ENGINE, READ};
use super::extract::{Json, Path};
use super::problem::Problem;
use super::slots::{OTHER_SLOT, bound};
use super::{Api, Route};
use crate::app::Changed;
use crate::audit::{self, Action, Event};
use crate::limits::PAGE_ROWS;

use crate::notify::{self, Notice};
use crate::slots::{self, HeardError};
use crate::store::{EngineRow, ReceiptRow};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/api/engines",
            READ,
            "Engines and their newest heartbeats",
            get(list),
        ),
        Route::post(
            "/api/engines/heartbeats",
            ENGINE,
            "An engine lives",
            post(heartbeat),
        )
        .takes::<Heartbeat>()
        .gives_nothing(204)
        .refuses(403, OTHER_SLOT)
        .refuses(422, &["numbers_out_of_range"]),
        Route::post(
            "/api/engines/receipts",
            ENGINE,
            "What became of a contract",
            post(receipt),
        )
        .takes::<Receipt>()
        .gives_nothing(201)
        .refuses(403, OTHER_SLOT),
        Route::get(
            "/api/slots/{slot}/receipts",
            READ,
            "What became of contracts at the slot's engines, newest first",
            get(receipts),
        )
        .refuses(404, &["not_found"]),
    ]
}

#[derive(Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Heartbeat {
    #[schema(value_type = String)]
    engine_id: EngineId,
    #[schema(value_type = String)]
    slot: SlotId,
    /// Highest generation in its journal.
    generation_highest: u64,
    /// Highest directive number in its journal.
    directive_highest: u64,
    /// The rest, for people.
    #[serde(default)]
    #[schema(value_type = Object)]
    state: serde_json::Map<String, Value>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    Serving,
    Superseded,
    Refused,
}

#[derive(Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Receipt {
    #[schema(value_type = String)]
    engine_id: EngineId,
    #[schema(value_type = String)]
    slot: SlotId,
    /// Absent where what was refused could not be read.
    #[serde(default)]
    generation: Option<u64>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    contract: Option<ContractDigest>,
    status: Status,
    /// Why it was refused: a stable word.
    #[serde(default)]
    code: Option<String>,
    /// The same for people.
    #[serde(default)]
    detail: Option<String>,
    /// Sequence number of the swap's message.
    #[serde(default)]
    seq: Option<u64>,
}

async fn list(State(api): State<Api>) -> Result<axum::Json<Value>, Problem> {
    let rows = api.app.store.engines().await?;
    let engines: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "engine_id": row.engine_id, "slot": row.slot, "heartbeat": row.heartbeat,
                "generation_highest": row.generation_highest, "directive_highest": row.directive_highest,
                "seen_at": row.seen_at,
            })
        })
        .collect();
    Ok(axum::Json(json!({"engines": engines})))
}

/// Numbers without an exact form in JSON are nobody's generation.
fn in_range(numbers: &[u64]) -> Result<(), Problem> {
    if numbers.iter().all(|number| *number <= 1 << 53) {
        return Ok(());
    }
    Err(Problem::new(400, "malformed_body", "a number is out of range"))
}

async fn heartbeat(
    State(api): State<Api>,
    caller: Caller,
    Json(beat): Json<Heartbeat>,
) -> Result<StatusCode, Problem> {
    bound(&caller.actor, &beat.slot)?;
    in_range(&[beat.generation_highest, beat.directive_highest])?;
    let row = EngineRow {
        engine_id: beat.engine_id,
        slot: beat.slot,
        heartbeat: Value::Object(beat.state),
        generation_highest: beat.generation_highest,
        directive_highest: beat.directive_highest,
        seen_at: api.app.now(),
    };
    let slot = slots::heard(&api.app, &caller.actor, row)
        .await
        .map_err(|error| match &error {
            HeardError::TooFar(_) => Problem::new(422, "numbers_out_of_range", &error),
            HeardError::Audit(_) | HeardError::Store(_) => Problem::internal(&error),
        })?;
    api.app.tell(Changed::Engine { slot });
    Ok(StatusCode::NO_CONTENT)
}

async fn receipts(State(api): State<Api>, Path(slot): Path<SlotId>) -> Result<axum::Json<Value>, Problem> {
    if api.app.store.slot(&slot).await?.is_none() {
        return Err(Problem::new(404, "not_found", format!("there is no slot {slot}")));
    }
    let rows = api.app.store.receipts(&slot, PAGE_ROWS).await?;
    let receipts: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "engine_id": row.engine_id, "status": row.status, "generation": row.generation, "contract": row.contract,
                "code": row.receipt["code"], "detail": row.receipt["detail"], "seq": row.receipt["seq"],
                "at": row.created_at,
            })
        })
        .collect();
    Ok(axum::Json(json!({"slot": slot, "receipts": receipts})))
}

async fn receipt(
    State(api): State<Api>,
    caller: Caller,
    Json(receipt): Json<Receipt>,
) -> Result<StatusCode, Problem> {
    bound(&caller.actor, &receipt.slot)?;
    in_range(&[
        receipt.generation.unwrap_or_default(),
        receipt.seq.unwrap_or_default(),
    ])?;
    let named = receipt.generation.is_some() && receipt.contract.is_some();
    if receipt.status != Status::Refused && !named {
        let detail = "a contract that was not refused has a generation and a digest";
        return Err(Problem::new(400, "malformed_body", detail));
    }
    let now = api.app.now();
    let body = json!(receipt);
    let row = ReceiptRow {
        engine_id: receipt.engine_id,
        slot: receipt.slot,
        contract: receipt.contract,
        generation: receipt.generation,
        status: body["status"].as_str().unwrap_or_default().to_owned(),
        receipt: body.clone(),
        created_at: now,
    };
    let mut tx = api.app.store.begin().await?;
    tx.insert_receipt(&row).await?;
    let event = Event {
        actor: caller.actor.audit_name(),
        action: Action::EngineReceipt,
        subject: row.slot.to_string(),
        body,
    };
    audit::append(&mut tx, api.app.keys.audit(), now, event)
        .await
        .map_err(|error| Problem::internal(&error))?;
    if receipt.status == Status::Refused {
        let notice = Notice::EngineRefused {
            receipt: &row,
            code: receipt.code.as_deref(),
            detail: receipt.detail.as_deref(),
        };
        notify::post(&api.app, &mut tx, &notice).await?;
    }
    tx.commit().await?;
    api.app.tell(Changed::Engine { slot: row.slot });
    Ok(StatusCode::CREATED)
}
