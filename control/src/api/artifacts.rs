//! Files by their hash, verified at every read. Whoever hands one in names its hash first; that it is here says nothing yet: what names it,
//! a registration, is what is audited.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, put};
use contracts::hash::{ArtifactHash, Digest};
use contracts::production::ProductionContract;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::access::{Caller, FILES_READ, RESEARCH_WRITE};
use super::extract::Path;
use super::problem::Problem;
use super::{Api, Route};
use crate::artifacts::ArtifactError;
use crate::auth::{Actor, Scope, Via};
use crate::limits::{ARTIFACT_BYTES_MAX, ENGINE_CONTRACTS};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/api/artifacts/{sha256}",
            FILES_READ,
            "A file by its SHA-256",
            get(one),
        )
        .gives_media(super::answers::BYTES)
        .refuses(404, &["no_such_artifact"])
        .refuses(500, &["artifact_altered"]),
        Route::put(
            "/api/artifacts/{sha256}",
            RESEARCH_WRITE,
            "Stores a file under its SHA-256; the same again changes nothing",
            put(keep),
        )
        .takes_bytes()
        .gives(&[201, 200])
        .refuses(422, &["hash_mismatch"]),
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

async fn keep(
    State(api): State<Api>,
    caller: Caller,
    Path(hash): Path<ArtifactHash>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, axum::Json<Value>), Problem> {
    if !caller.actor.may_research() {
        let detail = "this needs the role researcher, and of a token the scope research:write";
        return Err(Problem::new(403, "forbidden", detail));
    }
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    // Before the first byte of it is read.
    if announced.is_some_and(|bytes| bytes > ARTIFACT_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let bytes = bounded(body).await?;
    let found: ArtifactHash = Digest::of(&bytes);
    if found != hash {
        let detail = format!("the bytes have the hash {found}, the path says {hash}: nothing was stored");
        return Err(Problem::new(422, "hash_mismatch", detail));
    }
    let (store, size) = (api.app.artifacts.clone(), bytes.len());
    let stored = tokio::task::spawn_blocking(move || {
        let known = store.get(hash).is_ok();
        if !known {
            store.put(&bytes)?;
        }
        Ok::<_, ArtifactError>(!known)
    });
    let created = stored.await.map_err(|error| Problem::internal(&error))??;
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let told = json!({"sha256": hash, "bytes": size, "created": created});
    Ok((status, axum::Json(told)))
}

/// The body, unless it is longer than an artifact may be: then it is not read to its end.
async fn bounded(body: Body) -> Result<Vec<u8>, Problem> {
    let (mut pieces, mut all) = (body.into_data_stream(), Vec::new());
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| Problem::new(400, "body_unreadable", error))?;
        if all.len() + piece.len() > ARTIFACT_BYTES_MAX {
            return Err(too_large());
        }
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

fn too_large() -> Problem {
    let detail = format!("an artifact has at most {ARTIFACT_BYTES_MAX} bytes");
    Problem::new(413, "body_too_large", detail)
}

/// An engine fetches what the contracts of its slot name, nothing else; a researcher's program fetches what it likes.
async fn may_fetch(api: &Api, actor: &Actor, hash: ArtifactHash) -> Result<bool, Problem> {
    let Via::Token { slot, scopes, .. } = &actor.via else {
        return Ok(true);
    };
    if scopes.contains(&Scope::ResearchWrite) {
        return Ok(true);
    }
    let Some(slot) = slot else { return Ok(false) };
    let rows = api.app.store.contracts_of(slot, ENGINE_CONTRACTS).await?;
    let named = rows.iter().any(|row| {
        ProductionContract::parse(row.contract.as_bytes())
            .is_ok_and(|contract| contract.artifacts.all().any(|artifact| artifact == hash))
    });
    Ok(named)
}
