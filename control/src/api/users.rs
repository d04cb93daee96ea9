//! Users, for admins.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use contracts::ids::PersonId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{ADMIN, Caller};
use super::extract::{Json, Path};
use super::problem::Problem;
use super::{Api, Route};
use crate::auth::{self, NewUser, Role};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/users", ADMIN, "All users", get(list)),
        Route::post("/api/users", ADMIN, "Makes a user", post(add))
            .takes::<UserBody>()
            .gives_nothing(201)
            .refuses(409, &["user_taken"])
            .refuses(422, &["password_length"]),
        Route::post(
            "/api/users/{username}/roles",
            ADMIN,
            "Gives other roles",
            post(roles),
        )
        .takes::<RolesBody>()
        .gives_nothing(204)
        .refuses(404, &["user_not_found"])
        .refuses(409, &["last_admin"]),
        Route::post(
            "/api/users/{username}/disable",
            ADMIN,
            "Disables a user for ever and ends their sessions",
            post(disable),
        )
        .gives_nothing(204)
        .refuses(404, &["user_not_found"])
        .refuses(409, &["last_admin"]),
    ]
}

async fn list(State(api): State<Api>) -> Result<axum::Json<Value>, Problem> {
    let rows = api.app.store.users().await?;
    let users: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "username": row.username, "email": row.email, "roles": row.roles, "created_at": row.created_at,
                "disabled_at": row.disabled_at,
            })
        })
        .collect();
    Ok(axum::Json(json!({"users": users})))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct UserBody {
    #[schema(value_type = String)]
    username: PersonId,
    email: Option<String>,
    password: String,
    #[schema(value_type = Vec<String>)]
    roles: Vec<Role>,
}

async fn add(
    State(api): State<Api>,
    caller: Caller,
    Json(body): Json<UserBody>,
) -> Result<StatusCode, Problem> {
    let new = NewUser {
        username: body.username,
        email: body.email,
        password: body.password,
        roles: body.roles,
    };
    auth::add_user(&api.app, &*api.random, &caller.actor, &new).await?;
    Ok(StatusCode::CREATED)
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct RolesBody {
    #[schema(value_type = Vec<String>)]
    roles: Vec<Role>,
}

async fn roles(
    State(api): State<Api>,
    caller: Caller,
    Path(who): Path<PersonId>,
    Json(body): Json<RolesBody>,
) -> Result<StatusCode, Problem> {
    auth::set_roles(&api.app, &caller.actor, &who, &body.roles).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn disable(
    State(api): State<Api>,
    caller: Caller,
    Path(who): Path<PersonId>,
) -> Result<StatusCode, Problem> {
    auth::disable_user(&api.app, &caller.actor, &who).await?;
    Ok(StatusCode::NO_CONTENT)
}
