//! The market store: what there is, which file stands for a month, and ingests.

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use contracts::hash::ArtifactHash;
use contracts::ids::IngestId;
use contracts::time::UtcMillis;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Caller, RESEARCH_READ, RESEARCH_WRITE};
use super::extract::{Json, Path, Query};
use super::problem::Problem;
use super::{Api, Route};
use crate::limits::{INGEST_BYTES_MAX, MARKET_PAGE_ROWS_MAX, PAGE_ROWS, PAGE_ROWS_MAX};
use crate::market::label::{Label, Vendor};
use crate::market::{
    self, IngestError, MarketKind, MarketName, Month, NewIngest, NewPartition, Settled, SourceText,
};
use crate::store::{HoldingRow, RevisionFilter, RevisionRow};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/api/market",
            RESEARCH_READ,
            "Instruments and daily series with data, by kind and name: ?limit&cursor",
            get(list),
        ),
        Route::get(
            "/api/market/{kind}/{name}",
            RESEARCH_READ,
            "The newest revision of each month, by month: ?at&through&all&limit&cursor",
            get(one),
        )
        .refuses(404, &["no_such_market"]),
        Route::post(
            "/api/market/ingests",
            RESEARCH_WRITE,
            "Registers uploaded months, all or none; the same again changes nothing",
            post(ingest).layer(DefaultBodyLimit::max(INGEST_BYTES_MAX)),
        )
        .takes::<IngestBody>()
        .gives(&[201, 200])
        .refuses(
            409,
            &[
                "other_vendor_id",
                "market_changed",
                "market_altered",
                "ingest_id_taken",
            ],
        )
        .refuses(
            422,
            &[
                "partition_count",
                "partition_twice",
                "source_hash_mismatch",
                "note_too_long",
                "artifact_not_found",
                "partition_malformed",
                "rows_lost",
            ],
        ),
    ]
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct IngestBody {
    /// A name for it; without one it gets one.
    #[schema(value_type = Option<String>)]
    ingest_id: Option<IngestId>,
    #[schema(inline)]
    source: SourceBody,
    /// A word for the audit chain.
    note: Option<String>,
    #[schema(inline)]
    partitions: Vec<PartitionBody>,
}

/// The file that declares the source, kept as an artifact.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct SourceBody {
    #[schema(value_type = String)]
    id: Label,
    /// Of `text`.
    #[schema(value_type = String)]
    sha256: ArtifactHash,
    text: String,
}

/// A month as it is after the ingest.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PartitionBody {
    #[schema(inline)]
    kind: MarketKind,
    name: String,
    /// In UTC.
    #[schema(value_type = String)]
    month: Month,
    /// Who sells the data.
    #[schema(value_type = String)]
    vendor: Label,
    /// What they call it: one for a name, for ever.
    #[schema(value_type = String)]
    vendor_id: Label,
    /// The file of the revision it was made from; null for a month that has none.
    #[schema(value_type = Option<String>)]
    previous: Option<ArtifactHash>,
    /// Its file, uploaded before.
    #[schema(value_type = String)]
    artifact: ArtifactHash,
}

impl TryFrom<PartitionBody> for NewPartition {
    type Error = Problem;

    fn try_from(body: PartitionBody) -> Result<Self, Problem> {
        let name = MarketName::parse(body.kind, &body.name);
        Ok(Self {
            name: name.map_err(|error| Problem::new(400, "malformed_body", error))?,
            month: body.month,
            vendor: Vendor {
                vendor: body.vendor,
                vendor_id: body.vendor_id,
            },
            previous: body.previous,
            artifact: body.artifact,
        })
    }
}

fn of_settled(settled: &Settled) -> Value {
    json!({
        "kind": settled.name.kind(), "name": settled.name.as_str(), "month": settled.month, "revision": settled.revision,
        "sha256": settled.sha256, "rows": settled.rows, "added": settled.counts.added, "changed": settled.counts.changed,
        "new": !settled.counts.is_nothing(),
    })
}

async fn ingest(
    State(api): State<Api>,
    caller: Caller,
    Json(body): Json<IngestBody>,
) -> Result<(StatusCode, axum::Json<Value>), Problem> {
    let partitions: Result<Vec<NewPartition>, Problem> =
        body.partitions.into_iter().map(NewPartition::try_from).collect();
    let new = NewIngest {
        ingest_id: body.ingest_id,
        source: SourceText {
            id: body.source.id,
            sha256: body.source.sha256,
            text: body.source.text,
        },
        note: body.note,
        partitions: partitions?,
    };
    let done = market::ingest(&api.app, &caller.actor, new).await?;
    let created = done.ingest_id.is_some();
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let partitions: Vec<Value> = done.partitions.iter().map(of_settled).collect();
    let told = json!({"ingest_id": done.ingest_id, "created": created, "partitions": partitions});
    Ok((status, axum::Json(told)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    limit: Option<u32>,
    cursor: Option<String>,
}

fn bounded(limit: Option<u32>, default: u32, most: u32) -> Result<u32, Problem> {
    let limit = limit.unwrap_or(default);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(malformed(format!("limit is 1 to {most}")))
}

fn malformed(detail: impl std::fmt::Display) -> Problem {
    Problem::new(400, "malformed_query", detail)
}

/// The last row's cursor when there may be more.
fn next<T>(rows: &[T], limit: u32, cursor: impl Fn(&T) -> String) -> Option<String> {
    let full = rows.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    rows.last().filter(|_| full).map(cursor)
}

fn of_holding(row: &HoldingRow) -> Value {
    json!({
        "kind": row.name.kind(), "name": row.name.as_str(), "vendor": row.vendor.vendor,
        "vendor_id": row.vendor.vendor_id, "months": row.months, "revisions": row.revisions, "rows": row.rows,
        "first": row.first, "last": row.last, "revised_at": row.revised_at,
    })
}

async fn list(State(api): State<Api>, Query(asked): Query<Listing>) -> Result<axum::Json<Value>, Problem> {
    let limit = bounded(asked.limit, PAGE_ROWS, PAGE_ROWS_MAX)?;
    let after = asked.cursor.as_deref().map(|cursor| {
        let (kind, name) = cursor.split_once(':')?;
        MarketName::parse(kind.parse().ok()?, name).ok()
    });
    let after = after
        .map(|after| after.ok_or_else(|| malformed("the cursor is none that was given")))
        .transpose()?;
    let rows = api.app.store.holdings(after.as_ref(), limit).await?;
    let cursor = next(&rows, limit, |row| {
        format!("{}:{}", row.name.kind().word(), row.name.as_str())
    });
    let market: Vec<Value> = rows.iter().map(of_holding).collect();
    Ok(axum::Json(json!({"market": market, "next_cursor": cursor})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// As it was then.
    at: Option<UtcMillis>,
    /// As it was when this was the newest row, which every answer names.
    through: Option<u64>,
    /// Every revision.
    all: Option<bool>,
    limit: Option<u32>,
    cursor: Option<String>,
}

fn of_revision(row: &RevisionRow) -> Value {
    json!({
        "month": row.month, "revision": row.revision, "sha256": row.artifact, "previous": row.previous,
        "rows": row.rows, "added": row.added, "changed": row.changed, "first": row.first, "last": row.last,
        "source": {"id": row.source_id, "sha256": row.source_hash}, "ingest_id": row.ingest_id,
        "created_by": row.created_by, "created_at": row.created_at,
    })
}

async fn one(
    State(api): State<Api>,
    Path((kind, name)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<axum::Json<Value>, Problem> {
    let path = |detail: String| Problem::new(400, "malformed_path", detail);
    let kind: MarketKind = kind.parse().map_err(|error| path(format!("{error}")))?;
    let name = MarketName::parse(kind, &name).map_err(|error| path(error.to_string()))?;
    let limit = bounded(asked.limit, MARKET_PAGE_ROWS_MAX, MARKET_PAGE_ROWS_MAX)?;
    let after = asked.cursor.as_deref().map(|cursor| {
        let (month, revision) = cursor.split_once(':')?;
        Some((month.parse::<Month>().ok()?, revision.parse::<u64>().ok()?))
    });
    let after = after
        .map(|after| after.ok_or_else(|| malformed("the cursor is none that was given")))
        .transpose()?;
    let store = &api.app.store;
    let newest = store.newest_revision().await?;
    let filter = RevisionFilter {
        through: asked.through.unwrap_or(newest).min(newest),
        at: asked.at,
        all: asked.all.unwrap_or(false),
    };
    let rows = store.revisions(&name, filter, after, Some(limit)).await?;
    // Something of it that was there at no time asked for is not the same as nothing at all.
    let any = RevisionFilter::current();
    let known = match rows.first() {
        Some(row) => Some(row.vendor.clone()),
        None => {
            let rows = store.revisions(&name, any, None, Some(1)).await?;
            rows.into_iter().next().map(|row| row.vendor)
        }
    };
    let Some(vendor) = known else {
        let detail = format!("the market store holds no {name}");
        return Err(Problem::new(404, "no_such_market", detail));
    };
    let cursor = next(&rows, limit, |row| format!("{}:{}", row.month, row.revision));
    let partitions: Vec<Value> = rows.iter().map(of_revision).collect();
    Ok(axum::Json(json!({
        "kind": kind, "name": name.as_str(), "vendor": vendor.vendor, "vendor_id": vendor.vendor_id,
        "through": filter.through, "partitions": partitions, "next_cursor": cursor,
    })))
}

impl From<IngestError> for Problem {
    fn from(error: IngestError) -> Self {
        let status = match &error {
            IngestError::Forbidden => 403,
            IngestError::Number(_)
            | IngestError::Twice(_)
            | IngestError::Source { .. }
            | IngestError::Note(_)
            | IngestError::NotThere { .. }
            | IngestError::Malformed { .. }
            | IngestError::Lost { .. } => 422,
            IngestError::OtherVendorId { .. }
            | IngestError::Changed { .. }
            | IngestError::Altered { .. }
            | IngestError::Taken(_) => 409,
            IngestError::Artifacts(_)
            | IngestError::Jcs(_)
            | IngestError::Audit(_)
            | IngestError::Store(_) => return Self::internal(&error),
        };
        Self::new(status, error.code(), &error)
    }
}
