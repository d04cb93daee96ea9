//! Looks at a holdout, and backtests: what `control backtest` tells before it shows a figure, and afterwards.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use contracts::evidence::{ExecutionSettings, Fingerprint, Metrics};
use contracts::hash::{ArtifactHash, BundleHash};
use contracts::ids::{ContractId, InstrumentId, ModelId};
use contracts::time::DayNumber;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Caller, RESEARCH_READ, RESEARCH_WRITE};
use super::extract::{Json, Path, Query};
use super::problem::Problem;
use super::{Api, Route};
use crate::backtests::{self, NewBacktest, RecordError, RunFiles};
use crate::limits::{PAGE_ROWS, PAGE_ROWS_MAX};
use crate::proposals::Look;
use crate::store::BacktestRow;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post(
            "/api/looks",
            RESEARCH_WRITE,
            "A look at sessions of an instrument, told before its figures are used; answers with how many there are",
            post(look),
        )
        .takes::<LookBody>()
        .refuses(422, &["window", "figure_implausible"]),
        Route::get(
            "/api/backtests",
            RESEARCH_READ,
            "Backtests, newest first: ?model_id&limit&cursor",
            get(list),
        ),
        Route::post(
            "/api/backtests",
            RESEARCH_WRITE,
            "The result of a backtest whose look was told",
            post(record),
        )
        .takes::<BacktestBody>()
        .gives(&[201, 200])
        .refuses(404, &["experiment_not_found"])
        .refuses(409, &["look_not_told"])
        .refuses(422, &["window", "artifact_not_found"]),
        Route::get(
            "/api/backtests/{backtest_id}",
            RESEARCH_READ,
            "A backtest: settings, figures, addresses of its files",
            get(one),
        )
        .refuses(404, &["not_found"]),
        Route::get(
            "/api/backtests/{backtest_id}/report",
            RESEARCH_READ,
            "Its page for people",
            get(report),
        )
        .gives_media("text/html")
        .refuses(404, &["not_found", "no_report", "no_such_artifact"])
        .refuses(500, &["artifact_altered"]),
    ]
}

/// Dates are local session dates, both inclusive; settings are those of the experiment.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct LookBody {
    #[schema(value_type = String)]
    instrument: InstrumentId,
    #[schema(value_type = String, format = Date)]
    first_session: DayNumber,
    #[schema(value_type = String, format = Date)]
    last_session: DayNumber,
    /// Listed sessions among them.
    sessions: u32,
    #[schema(value_type = String)]
    bundle_hash: BundleHash,
    #[schema(value_type = Object)]
    settings: ExecutionSettings,
    #[schema(value_type = String)]
    fingerprint: Fingerprint,
    /// From -3 to 3; null where it is undefined or beyond.
    sharpe_per_session: Option<f64>,
}

impl From<LookBody> for Look {
    fn from(body: LookBody) -> Self {
        Self {
            instrument: body.instrument,
            first_session: body.first_session,
            last_session: body.last_session,
            sessions: body.sessions,
            bundle_hash: body.bundle_hash,
            settings: body.settings,
            test: None,
            fingerprint: body.fingerprint,
            sharpe_per_session: body.sharpe_per_session,
        }
    }
}

async fn look(
    State(api): State<Api>,
    caller: Caller,
    Json(body): Json<LookBody>,
) -> Result<axum::Json<Value>, Problem> {
    let noted = backtests::note_look(&api.app, &caller.actor, &body.into()).await?;
    Ok(axum::Json(json!({
        "new": noted.new, "number": noted.counted.number, "sharpes": noted.counted.sharpes,
        "declared": noted.declared,
    })))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct BacktestBody {
    /// The experiment's, which must be registered.
    #[schema(value_type = String)]
    contract_id: ContractId,
    /// The look's instrument, sessions, bundle, settings and fingerprint.
    #[schema(inline)]
    look: LookBody,
    #[schema(value_type = Object)]
    metrics: Metrics,
    /// Its files, uploaded before.
    #[serde(default)]
    #[schema(inline)]
    files: FilesBody,
}

/// Hashes of files in the artifact store.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
struct FilesBody {
    #[schema(value_type = Option<String>)]
    trades: Option<ArtifactHash>,
    #[schema(value_type = Option<String>)]
    equity: Option<ArtifactHash>,
    #[schema(value_type = Option<String>)]
    summary: Option<ArtifactHash>,
    #[schema(value_type = Option<String>)]
    report: Option<ArtifactHash>,
}

async fn record(
    State(api): State<Api>,
    caller: Caller,
    Json(body): Json<BacktestBody>,
) -> Result<Response, Problem> {
    let told = NewBacktest {
        contract_id: body.contract_id,
        look: body.look.into(),
        metrics: body.metrics,
        files: RunFiles {
            trades: body.files.trades,
            equity: body.files.equity,
            summary: body.files.summary,
            report: body.files.report,
        },
    };
    let (id, new) = backtests::record(&api.app, &caller.actor, told).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, axum::Json(json!({"backtest_id": id}))).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    model_id: Option<ModelId>,
    limit: Option<u32>,
    cursor: Option<u64>,
}

fn view(row: &BacktestRow) -> Value {
    json!({
        "backtest_id": row.backtest_id, "purpose": row.purpose, "model_id": row.model_id, "bundle_hash": row.bundle_hash,
        "contract_id": row.contract_id, "instrument": row.instrument, "first_session": row.first_session,
        "last_session": row.last_session, "fingerprint": row.fingerprint, "settings": row.settings,
        "metrics": row.metrics, "trades": row.trades, "equity": row.equity, "summary": row.summary,
        "report": row.report, "created_by": row.created_by, "created_at": row.created_at,
    })
}

async fn list(State(api): State<Api>, Query(filter): Query<Filter>) -> Result<axum::Json<Value>, Problem> {
    let limit = filter.limit.unwrap_or(PAGE_ROWS);
    if !(1..=PAGE_ROWS_MAX).contains(&limit) {
        let detail = format!("limit is 1 to {PAGE_ROWS_MAX}");
        return Err(Problem::new(400, "malformed_query", detail));
    }
    let rows = api
        .app
        .store
        .backtests(filter.model_id.as_ref(), filter.cursor, limit)
        .await?;
    let full = rows.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    let next = rows.last().filter(|_| full).map(|(id, _)| *id);
    let backtests: Vec<Value> = rows.iter().map(|(_, row)| view(row)).collect();
    Ok(axum::Json(json!({"backtests": backtests, "next_cursor": next})))
}

async fn found(api: &Api, id: &str) -> Result<BacktestRow, Problem> {
    let missing = || Problem::new(404, "not_found", "there is no such backtest");
    // What no id looks like is not asked for: a database need not take every text.
    if !id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return Err(missing());
    }
    api.app.store.backtest(id).await?.ok_or_else(missing)
}

async fn one(State(api): State<Api>, Path(id): Path<String>) -> Result<axum::Json<Value>, Problem> {
    Ok(axum::Json(view(&found(&api, &id).await?)))
}

async fn report(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, Problem> {
    let page = found(&api, &id).await?.report;
    let page = page.ok_or_else(|| {
        Problem::new(
            404,
            "no_report",
            "this backtest was run elsewhere, and its page was not handed in",
        )
    })?;
    let store = api.app.artifacts.clone();
    let bytes = tokio::task::spawn_blocking(move || store.get(page))
        .await
        .map_err(|error| Problem::internal(&error))??;
    let policy = HeaderValue::from_static(
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
    );
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    Ok((headers, bytes).into_response())
}

impl From<RecordError> for Problem {
    fn from(error: RecordError) -> Self {
        let status = match &error {
            RecordError::Window | RecordError::Implausible(_) => 422,
            RecordError::UnknownExperiment(_) => 404,
            RecordError::NotTold => 409,
            RecordError::File(error) => return error.into(),
            RecordError::Look(_) | RecordError::Audit(_) | RecordError::Store(_) => {
                return Self::internal(&error);
            }
        };
        Self::new(status, error.code(), &error)
    }
}
