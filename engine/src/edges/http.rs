//! The HTTP beside the stream: `/v1/bars`, `/metrics`, `/healthz`, `/readyz`. One request per connection.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use contracts::bar::Bar;
use contracts::ids::InstrumentId;
use contracts::time::UtcMillis;
use contracts::wire::FaultCode;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::hub::Life;
use super::server::Shared;
use super::tokens::{AuthError, Grant};
use super::transport::{Prefixed, SIGNALS_PATH};
use crate::config::Scope;
use crate::limits::{BARS_PER_ANSWER_MAX, HTTP_ANSWER_WITHIN_MS};
use crate::metrics::{CONTENT_TYPE, count};

/// All routes.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/bars", get(bars))
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route(SIGNALS_PATH, get(not_upgraded))
        .fallback(|| async {
            problem(
                StatusCode::NOT_FOUND,
                "not_found",
                "see docs/PROTOCOL.md for what is here",
            )
        })
        .with_state(shared)
}

/// Serves the one request whose first bytes have been read.
pub(super) async fn serve(stream: TcpStream, bytes: Vec<u8>, router: Router) -> io::Result<()> {
    let connection = hyper::server::conn::http1::Builder::new()
        .keep_alive(false)
        .serve_connection(
            TokioIo::new(Prefixed::new(bytes, stream)),
            TowerToHyperService::new(router),
        );
    timeout(Duration::from_millis(HTTP_ANSWER_WITHIN_MS), connection)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
        .map_err(io::Error::other)
}

/// RFC 9457, as a whole HTTP response: for the upgrade, which no router sees.
pub(super) fn raw_problem(status: u16, code: &str, detail: &str) -> Vec<u8> {
    let title = StatusCode::from_u16(status)
        .ok()
        .and_then(|s| s.canonical_reason())
        .unwrap_or("Error");
    let body = problem_body(status, title, code, detail);
    let challenge = if status == 401 {
        "WWW-Authenticate: Bearer\r\n"
    } else {
        ""
    };
    format!(
        "HTTP/1.1 {status} {title}\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n{challenge}Connection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The stable word of a refusal.
pub(super) const fn auth_code(refused: &AuthError) -> &'static str {
    match refused {
        AuthError::Missing => "token_missing",
        AuthError::Unknown => "token_unknown",
        AuthError::Expired => "token_expired",
        AuthError::Scope(_) => "scope_missing",
    }
}

fn problem_body(status: u16, title: &str, code: &str, detail: &str) -> String {
    json!({"title": title, "status": status, "code": code, "detail": detail}).to_string()
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let body = problem_body(
        status.as_u16(),
        status.canonical_reason().unwrap_or("Error"),
        code,
        detail,
    );
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
}

#[expect(
    clippy::result_large_err,
    reason = "the error is the response itself, made once per refused request"
)]
fn authorise(shared: &Shared, headers: &HeaderMap, scope: Scope) -> Result<Grant, Response> {
    let header = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    shared
        .tokens
        .authorise(header, scope, shared.clock.now().to_millis())
        .map_err(|refused| {
            count(&shared.metrics.auth_refused);
            let status = StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::UNAUTHORIZED);
            let mut response = problem(status, auth_code(&refused), &refused.to_string());
            if status == StatusCode::UNAUTHORIZED {
                response.headers_mut().insert(
                    header::WWW_AUTHENTICATE,
                    header::HeaderValue::from_static("Bearer"),
                );
            }
            response
        })
}

async fn not_upgraded() -> Response {
    problem(
        StatusCode::UPGRADE_REQUIRED,
        "no_upgrade",
        "this is a WebSocket: open it with an upgrade, for example with `engine tail`",
    )
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BarsQuery {
    instrument: InstrumentId,
    from: UtcMillis,
    to: UtcMillis,
}

#[derive(Serialize)]
struct BarRow {
    close_time: UtcMillis,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
}

#[derive(Serialize)]
struct BarsAnswer {
    instrument: InstrumentId,
    bars: Vec<BarRow>,
    next_from: Option<UtcMillis>,
}

async fn bars(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    query: Result<Query<BarsQuery>, QueryRejection>,
) -> Response {
    let grant = match authorise(&shared, &headers, Scope::SignalsRead) {
        Ok(grant) => grant,
        Err(refusal) => return refusal,
    };
    let query = match query {
        Ok(Query(query)) => query,
        Err(error) => return problem(StatusCode::BAD_REQUEST, "bad_query", &error.body_text()),
    };
    if grant
        .instruments
        .as_ref()
        .is_some_and(|allowed| !allowed.contains(&query.instrument))
    {
        return problem(
            StatusCode::FORBIDDEN,
            "forbidden",
            "this token does not cover the instrument",
        );
    }
    if shared.hub.index_of(query.instrument.as_str()).is_none() {
        return problem(
            StatusCode::NOT_FOUND,
            "unknown_instrument",
            "not an instrument of this slot",
        );
    }
    let (history, name) = (Arc::clone(&shared.history), query.instrument.clone());
    let read = tokio::task::spawn_blocking(move || {
        let mut bars = Vec::new();
        // One more than is given tells whether anything is left.
        history
            .bars(
                name.as_str(),
                query.from,
                query.to,
                BARS_PER_ANSWER_MAX + 1,
                &mut bars,
            )
            .map(|()| bars)
    });
    match read.await {
        Ok(Ok(mut bars)) => {
            let next_from = bars.get(BARS_PER_ANSWER_MAX).map(|bar| bar.close_time);
            bars.truncate(BARS_PER_ANSWER_MAX);
            axum::Json(BarsAnswer {
                instrument: query.instrument,
                bars: bars.iter().map(row).collect(),
                next_from,
            })
            .into_response()
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "bars cannot be read from the journal");
            problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "history_failed",
                "the journal cannot be read; see the log",
            )
        }
        Err(_) => problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "shutdown",
            "the engine is shutting down",
        ),
    }
}

const fn row(bar: &Bar) -> BarRow {
    BarRow {
        close_time: bar.close_time,
        open: bar.open,
        high: bar.high,
        low: bar.low,
        close: bar.close,
        volume: bar.volume,
    }
}

async fn metrics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    match authorise(&shared, &headers, Scope::MetricsRead) {
        Ok(_) => {
            shared
                .metrics
                .next_seq
                .store(shared.hub.ring().next_seq(), Ordering::Relaxed);
            ([(header::CONTENT_TYPE, CONTENT_TYPE)], shared.metrics.render()).into_response()
        }
        Err(refusal) => refusal,
    }
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let mut missing = Vec::new();
    match shared.hub.life() {
        Life::Running => {}
        Life::Stopping => missing.push("the engine is shutting down"),
        Life::Faulted(FaultCode::JournalFailed) => missing.push("the journal cannot be written"),
        Life::Faulted(FaultCode::FeedMode) => missing.push("the feed is live, the clock is for a replay"),
        Life::Faulted(FaultCode::EngineFailed) => missing.push("the engine has failed"),
    }
    if shared.hub.serving().model_id.is_none() {
        missing.push("no contract has been adopted");
    }
    if shared.metrics.feed_connected.load(Ordering::Relaxed) == 0 {
        missing.push("the feed is not connected");
    }
    if missing.is_empty() {
        (StatusCode::OK, "ready\n").into_response()
    } else {
        problem(StatusCode::SERVICE_UNAVAILABLE, "not_ready", &missing.join("; "))
    }
}
