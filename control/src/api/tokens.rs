//! Tokens, for admins.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use contracts::ids::{PersonId, SlotId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{ADMIN, Caller};
use super::extract::{Json, Path};
use super::problem::Problem;
use super::{Api, Route};
use crate::auth::{self, NewToken, Scope};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/api/tokens",
            ADMIN,
            "All tokens, without their secrets",
            get(list),
        ),
        Route::post(
            "/api/tokens",
            ADMIN,
            "Makes a token; its secret is shown once",
            post(create),
        )
        .takes::<TokenBody>()
        .gives(&[201])
        .refuses(
            422,
            &["user_not_found", "owner_lacks_role", "token_slot", "token_shape"],
        ),
        Route::post(
            "/api/tokens/{token_id}/revoke",
            ADMIN,
            "Revokes a token",
            post(revoke),
        )
        .gives_nothing(204)
        .refuses(404, &["token_not_found"]),
    ]
}

async fn list(State(api): State<Api>) -> Result<axum::Json<Value>, Problem> {
    let rows = api.app.store.tokens().await?;
    let tokens: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "token_id": row.token_id, "owner": row.owner, "name": row.name, "scopes": row.scopes, "slot": row.slot,
                "created_at": row.created_at, "expires_at": row.expires_at, "revoked_at": row.revoked_at,
                "last_used_at": row.last_used_at,
            })
        })
        .collect();
    Ok(axum::Json(json!({"tokens": tokens})))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    #[schema(value_type = String)]
    owner: PersonId,
    name: String,
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Scope>,
    #[schema(value_type = Option<String>)]
    slot: Option<SlotId>,
    days: u32,
}

async fn create(
    State(api): State<Api>,
    caller: Caller,
    Json(body): Json<TokenBody>,
) -> Result<(StatusCode, axum::Json<Value>), Problem> {
    let new = NewToken {
        owner: body.owner,
        name: body.name,
        scopes: body.scopes,
        slot: body.slot,
        days: body.days,
    };
    let (secret, token_id, expires_at) =
        auth::create_token(&api.app, &*api.random, &caller.actor, &new).await?;
    let answer = json!({"token_id": token_id, "token": secret.reveal(), "expires_at": expires_at});
    Ok((StatusCode::CREATED, axum::Json(answer)))
}

async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let known = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !known {
        return Err(Problem::new(400, "malformed_path", "this is no token's id"));
    }
    auth::revoke_token(&api.app, &caller.actor, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
