//! Login, logout, who I am, and the first admin.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use contracts::ids::PersonId;
use serde::Deserialize;
use serde_json::json;

use super::access::{Access, Caller, Source};
use super::extract::Json;
use super::problem::Problem;
use super::{Api, Route};
use crate::auth::{self, FirstAdmin, Login, Secret, Via};
use crate::config::Config;
use crate::limits::SESSION_MS;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/login", Access::Open, "Begins a session", post(login))
            .takes::<LoginBody>()
            .refuses(401, &["wrong_login"])
            .refuses(429, &["too_many_logins"]),
        Route::post("/api/logout", Access::Anybody, "Ends the session", post(logout))
            .gives_nothing(204)
            .refuses(403, NO_SESSION),
        Route::get("/api/session", Access::Anybody, "Who I am", get(session)),
        Route::post(
            "/api/session/password",
            Access::Anybody,
            "Changes one's own password; all one's sessions end",
            post(password),
        )
        .takes::<PasswordBody>()
        .gives_nothing(204)
        .refuses(403, NO_SESSION)
        .refuses_all(&[
            (403, &["wrong_password"]),
            (422, &["password_length"]),
            (429, &["too_many_logins"]),
        ]),
        Route::post(
            "/api/setup",
            Access::Open,
            "Makes the first admin, once",
            post(setup),
        )
        .takes::<SetupBody>()
        .gives_nothing(201)
        .refuses(403, &["setup_link"])
        .refuses(422, &["password_length"]),
    ]
}

/// The cookie needs TLS wherever somebody else could listen.
fn secure(config: &Config) -> bool {
    config.behind_tls_proxy || !config.listen.ip().is_loopback()
}

fn cookie_name(config: &Config) -> &'static str {
    if secure(config) {
        "__Host-twovote"
    } else {
        "twovote"
    }
}

fn set_cookie(config: &Config, value: &str, seconds: i64) -> String {
    let name = cookie_name(config);
    let secure = if secure(config) { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}

/// The session's secret.
pub(super) fn cookie(config: &Config, headers: &HeaderMap) -> Option<Secret> {
    let all = headers.get_all(header::COOKIE).iter();
    let mut pairs = all
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    pairs.find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == cookie_name(config)).then(|| Secret::presented(value))
    })
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct LoginBody {
    username: String,
    password: String,
}

async fn login(
    State(api): State<Api>,
    Source(from): Source,
    headers: HeaderMap,
    Json(body): Json<LoginBody>,
) -> Result<Response, Problem> {
    let given = Login {
        username: &body.username,
        password: &body.password,
    };
    let new = auth::login(&api.app, &*api.random, &from, given).await?;
    // Whoever logs in again leaves no old session behind.
    if let Some(old) = cookie(&api.app.config, &headers) {
        let mut tx = api.app.store.begin().await?;
        tx.end_session(old.hash(), api.app.now()).await?;
        tx.commit().await?;
    }
    let answer = json!({"username": new.user.username, "roles": new.user.roles, "csrf": new.csrf, "expires_at": new.expires_at});
    let cookie = set_cookie(&api.app.config, new.secret.reveal(), SESSION_MS / 1000);
    Ok(([(header::SET_COOKIE, cookie)], axum::Json(answer)).into_response())
}

async fn logout(State(api): State<Api>, Source(from): Source, caller: Caller) -> Result<Response, Problem> {
    let (session, _) = caller.session.ok_or_else(no_session)?;
    auth::logout(&api.app, &from, &caller.actor.person, session).await?;
    let gone = set_cookie(&api.app.config, "", 0);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}

const NO_SESSION: &[&str] = &["person_required"];

fn no_session() -> Problem {
    Problem::new(403, NO_SESSION[0], "this needs a session, not a token")
}

async fn session(caller: Caller) -> axum::Json<serde_json::Value> {
    let actor = caller.actor;
    let mut answer = json!({"username": actor.person, "email": actor.email, "roles": actor.roles});
    match actor.via {
        Via::Password { authenticated_at } => answer["authenticated_at"] = json!(authenticated_at),
        Via::Token {
            token_id,
            scopes,
            slot,
        } => answer["token"] = json!({"token_id": token_id, "scopes": scopes, "slot": slot}),
        Via::Control => {}
    }
    if let Some((_, csrf)) = caller.session {
        answer["csrf"] = json!(csrf);
    }
    axum::Json(answer)
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    present: String,
    next: String,
}

async fn password(
    State(api): State<Api>,
    caller: Caller,
    Json(body): Json<PasswordBody>,
) -> Result<StatusCode, Problem> {
    caller.session.as_ref().ok_or_else(no_session)?;
    auth::change_password(&api.app, &*api.random, &caller.actor, &body.present, &body.next).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct SetupBody {
    link: String,
    #[schema(value_type = String)]
    username: PersonId,
    email: Option<String>,
    password: String,
}

async fn setup(State(api): State<Api>, Json(body): Json<SetupBody>) -> Result<StatusCode, Problem> {
    let first = FirstAdmin {
        link: Secret::presented(&body.link),
        username: body.username,
        email: body.email,
        password: body.password,
    };
    auth::set_up(&api.app, &*api.random, &first).await?;
    Ok(StatusCode::CREATED)
}
