//! Whether it lives, whether it is ready, what it counts, and its description.

use std::sync::LazyLock;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use contracts::hash::Digest;
use serde_json::json;

use super::access::{Access, READERS};
use super::metrics::metrics;
use super::{Api, Route};
use crate::artifacts::ArtifactError;
use crate::audit::heads;
use crate::auth::Scope;

pub(super) fn routes() -> Vec<Route> {
    let metrics_access = Access::Only {
        roles: READERS,
        scopes: &[Scope::MetricsRead],
    };
    vec![
        Route::get("/healthz", Access::Open, "It lives", get(async || "ok\n"))
            .gives_media("text/plain")
            .stands_alone(),
        Route::get(
            "/readyz",
            Access::Open,
            "What is missing before it can work",
            get(ready),
        )
        .gives(&[200, 503])
        .stands_alone(),
        Route::get(
            "/metrics",
            metrics_access,
            "Counts, as Prometheus reads them",
            get(metrics),
        )
        .gives_media("text/plain"),
        Route::get("/api/openapi.json", Access::Open, "This document", get(openapi)).stands_alone(),
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
    let heads = api.app.config.audit_heads.clone();
    let read = tokio::task::spawn_blocking(move || heads::read(&heads)).await;
    if !matches!(read, Ok(Ok(_))) {
        missing.push("audit_heads");
    }
    if !api.app.config.features.is_dir() {
        missing.push("features");
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

/// The routes do not change while the program runs: made once.
static DOCUMENT: LazyLock<String> = LazyLock::new(super::document);

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}
