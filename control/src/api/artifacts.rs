//! Files by their hash, verified at every read.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use contracts::hash::ArtifactHash;
use contracts::production::ProductionContract;

use super::access::{Caller, ENGINE_OR_READ};
use super::extract::Path;
use super::problem::Problem;
use super::{Api, Route};
use crate::auth::{Actor, Via};
use crate::limits::ENGINE_CONTRACTS;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/api/artifacts/{sha256}",
            ENGINE_OR_READ,
            "A file by its SHA-256",
            get(one),
        )
        .gives_media("application/octet-stream")
        .refuses(404, &["no_such_artifact"])
        .refuses(500, &["artifact_altered"]),
    ]
}

async fn one(
    State(api): State<Api>,
    caller: Caller,
    Path(hash): Path<ArtifactHash>,
) -> Result<Response, Problem> {
    if !may_fetch(&api, &caller.actor, hash).await? {
        return Err(Problem::new(
            404,
            "no_such_artifact",
            format!("no contract of this token's slot names {hash}"),
        ));
    }
    let store = api.app.artifacts.clone();
    let bytes = tokio::task::spawn_blocking(move || store.get(hash))
        .await
        .map_err(|error| Problem::internal(&error))??;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

/// An engine fetches what the contracts of its slot name, nothing else.
async fn may_fetch(api: &Api, actor: &Actor, hash: ArtifactHash) -> Result<bool, Problem> {
    let Via::Token { slot, .. } = &actor.via else {
        return Ok(true);
    };
    let Some(slot) = slot else { return Ok(false) };
    let rows = api.app.store.contracts_of(slot, ENGINE_CONTRACTS).await?;
    let named = rows.iter().any(|row| {
        ProductionContract::parse(row.contract.as_bytes())
            .is_ok_and(|contract| contract.artifacts.all().any(|artifact| artifact == hash))
    });
    Ok(named)
}
