//! The audit chain, to read.

use axum::extract::State;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::READ;
use super::extract::Query;
use super::problem::Problem;
use super::{Api, Route};
use crate::audit::Action;
use crate::limits::{PAGE_ROWS, PAGE_ROWS_MAX};
use crate::store::AuditFilter;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get(
        "/api/audit",
        READ,
        "The audit chain in order: ?after&actor&subject&action&limit",
        get(list),
    )]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    #[serde(default)]
    after: u64,
    actor: Option<String>,
    subject: Option<String>,
    action: Option<Action>,
    limit: Option<u32>,
}

async fn list(State(api): State<Api>, Query(asked): Query<Filter>) -> Result<axum::Json<Value>, Problem> {
    let limit = asked.limit.unwrap_or(PAGE_ROWS).clamp(1, PAGE_ROWS_MAX);
    let filter = AuditFilter {
        after: asked.after,
        actor: asked.actor,
        subject: asked.subject,
        action: asked.action.map(|action| action.word().to_owned()),
        mentions: None,
    };
    let events = api.app.store.audit_events(&filter, limit).await?;
    Ok(axum::Json(json!({"events": events})))
}
