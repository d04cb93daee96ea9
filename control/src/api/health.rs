//! Whether it lives, whether it is ready, what it counts, and its description.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use contracts::hash::Digest;
use serde_json::json;

use super::access::{Access, READERS};
use super::problem::Problem;
use super::{Api, Route};
use crate::artifacts::ArtifactError;
use crate::auth::Scope;
use crate::store::ProposalStatus;

pub(super) fn routes() -> Vec<Route> {
    let metrics_access = Access::Only {
        roles: READERS,
        scope: Some(Scope::MetricsRead),
    };
    vec![
        Route::get("/healthz", Access::Open, "It lives", get(async || "ok\n")),
        Route::get(
            "/readyz",
            Access::Open,
            "What is missing before it can work",
            get(ready),
        ),
        Route::get(
            "/metrics",
            metrics_access,
            "Counts, as Prometheus reads them",
            get(metrics),
        ),
        Route::get("/api/openapi.json", Access::Open, "This document", get(openapi)),
    ]
}

async fn ready(State(api): State<Api>) -> Response {
    let mut missing = Vec::new();
    match api.app.store.has_users().await {
        Ok(true) => {}
        Ok(false) => missing.push("first_admin"),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            missing.push("database");
        }
    }
    let artifacts = api.app.artifacts.clone();
    let probe = Digest::of(b"whether the folder can be read");
    let probed = tokio::task::spawn_blocking(move || artifacts.get(probe)).await;
    if !matches!(probed, Ok(Ok(_) | Err(ArtifactError::Missing(_)))) {
        missing.push("artifacts");
    }
    if api.app.config.slots.is_empty() {
        missing.push("slots");
    }
    let status = if missing.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        axum::Json(json!({"ready": missing.is_empty(), "missing": missing})),
    )
        .into_response()
}

async fn metrics(State(api): State<Api>) -> Result<Response, Problem> {
    let store = &api.app.store;
    let mut text = String::from("# TYPE twovote_proposals gauge\n");
    for &status in ProposalStatus::ALL {
        let count = store.count_proposals(Some(status)).await?;
        let word = status.word();
        writeln!(text, "twovote_proposals{{status=\"{word}\"}} {count}").ok();
    }
    text.push_str("# TYPE twovote_slot_generation gauge\n# TYPE twovote_slot_halted gauge\n");
    for slot in store.slots().await? {
        let (name, halted) = (&slot.slot, u8::from(slot.halted));
        writeln!(
            text,
            "twovote_slot_generation{{slot=\"{name}\"}} {}",
            slot.generation
        )
        .ok();
        writeln!(text, "twovote_slot_halted{{slot=\"{name}\"}} {halted}").ok();
    }
    text.push_str("# TYPE twovote_engine_seen_timestamp_ms gauge\n");
    for engine in store.engines().await? {
        let (id, slot, at) = (engine.engine_id, engine.slot, engine.seen_at.0);
        writeln!(
            text,
            "twovote_engine_seen_timestamp_ms{{engine=\"{id}\",slot=\"{slot}\"}} {at}"
        )
        .ok();
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

/// The routes do not change while the program runs: made once.
static DOCUMENT: LazyLock<String> = LazyLock::new(super::document);

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}
