//! The log of notifications: what was told to whom, and what became of it.

use axum::extract::State;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::ADMIN;
use super::extract::Query;
use super::problem::Problem;
use super::{Api, Route};
use crate::limits::{PAGE_ROWS, PAGE_ROWS_MAX};
use crate::store::{DeliveryFilter, DeliveryState};

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get(
        "/api/deliveries",
        ADMIN,
        "Notifications and their deliveries, newest first: ?target&state&cursor&limit",
        get(list),
    )]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    target: Option<String>,
    state: Option<DeliveryState>,
    cursor: Option<u64>,
    limit: Option<u32>,
}

async fn list(State(api): State<Api>, Query(asked): Query<Filter>) -> Result<axum::Json<Value>, Problem> {
    let limit = asked.limit.unwrap_or(PAGE_ROWS).clamp(1, PAGE_ROWS_MAX);
    let filter = DeliveryFilter {
        below: asked.cursor,
        target: asked.target,
        state: asked.state,
    };
    let rows = api.app.store.deliveries(&filter, limit).await?;
    let next = rows
        .last()
        .filter(|_| rows.len() == limit as usize)
        .map(|row| row.id);
    let deliveries: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "id": row.id, "outbox_id": row.outbox_id, "event": row.event, "subject": row.subject,
                "created_at": row.created_at, "text": row.payload["text"], "target": row.target, "state": row.state,
                "attempts": row.attempts, "next_at": row.next_at, "last_status": row.last_status,
                "last_error": row.last_error, "delivered_at": row.delivered_at,
            })
        })
        .collect();
    Ok(axum::Json(json!({"deliveries": deliveries, "next": next})))
}
