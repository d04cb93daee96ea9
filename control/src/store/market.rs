//! Revisions of market data, as ingests made them. Never changed.

use contracts::hash::ArtifactHash;
use contracts::ids::IngestId;
use contracts::time::UtcMillis;
use sqlx::any::AnyRow;

use super::text::{Columns, number, time};
use super::{Dialect, Store, StoreError, Tx};
use crate::market::label::{Label, Vendor};
use crate::market::{MarketKind, MarketName, Month};

const TABLE: &str = "market_revisions";

/// A revision of a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionRow {
    /// Of what.
    pub name: MarketName,
    /// Which month.
    pub month: Month,
    /// 1, 2, 3, … of the month.
    pub revision: u64,
    /// The file of all its rows.
    pub artifact: ArtifactHash,
    /// That of the revision before.
    pub previous: Option<ArtifactHash>,
    /// Rows in it.
    pub rows: u64,
    /// Rows of times or dates the revision before did not have.
    pub added: u64,
    /// Bars with other numbers, further versions of values.
    pub changed: u64,
    /// Time or date of the first row.
    pub first: String,
    /// Of the last.
    pub last: String,
    /// Whose data it is.
    pub vendor: Vendor,
    /// The id of the file that declares the source.
    pub source_id: Label,
    /// That file, in the artifact store.
    pub source_hash: ArtifactHash,
    /// The ingest that made it.
    pub ingest_id: IngestId,
    /// Who.
    pub created_by: String,
    /// When.
    pub created_at: UtcMillis,
}

/// What there is of an instrument or a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldingRow {
    /// Of what.
    pub name: MarketName,
    /// Whose data it is.
    pub vendor: Vendor,
    /// Months with rows.
    pub months: u64,
    /// Revisions of all months.
    pub revisions: u64,
    /// Rows of the current revisions.
    pub rows: u64,
    /// Time or date of the first row.
    pub first: String,
    /// Of the last.
    pub last: String,
    /// When the newest revision was made.
    pub revised_at: UtcMillis,
}

/// Which revisions are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevisionFilter {
    /// Only those that were there when this was the newest row number.
    pub through: u64,
    /// Only those made by then.
    pub at: Option<UtcMillis>,
    /// All of them, not only the newest of each month.
    pub all: bool,
}

impl RevisionFilter {
    /// The newest of each month.
    #[must_use]
    pub const fn current() -> Self {
        Self {
            through: u64::MAX,
            at: None,
            all: false,
        }
    }
}

/// Later than every time that is stored.
const FOR_EVER: &str = "9999-12-31T23:59:59.999Z";

/// Revisions after a month and a revision; the newest of each month among those that are meant.
const CURRENT: &str = "SELECT * FROM market_revisions AS r
    WHERE kind = $1 AND name = $2 AND id <= $3 AND created_at <= $4 AND (month > $5 OR (month = $5 AND revision > $6))
        AND NOT EXISTS (SELECT 1 FROM market_revisions AS n WHERE n.kind = r.kind AND n.name = r.name AND n.month = r.month
            AND n.revision > r.revision AND n.id <= $3 AND n.created_at <= $4)
    ORDER BY month, revision LIMIT $7";

/// The same, all of each month.
const EVERY: &str = "SELECT * FROM market_revisions
    WHERE kind = $1 AND name = $2 AND id <= $3 AND created_at <= $4 AND (month > $5 OR (month = $5 AND revision > $6))
    ORDER BY month, revision LIMIT $7";

const HOLDINGS: &str = "SELECT kind, name, COUNT(*) AS months, CAST(SUM(revision) AS BIGINT) AS revisions,
        CAST(SUM(rows_total) AS BIGINT) AS rows_total, MIN(first_at) AS first_at, MAX(last_at) AS last_at,
        MIN(vendor) AS vendor, MIN(vendor_id) AS vendor_id, MAX(created_at) AS revised_at
    FROM market_revisions AS r
    WHERE (kind > $1 OR (kind = $1 AND name > $2))
        AND NOT EXISTS (SELECT 1 FROM market_revisions AS n WHERE n.kind = r.kind AND n.name = r.name AND n.month = r.month
            AND n.revision > r.revision)
    GROUP BY kind, name ORDER BY kind, name LIMIT $3";

impl Tx {
    /// Nobody else makes revisions before this transaction ends.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lock_market(&mut self) -> Result<(), StoreError> {
        // A writing transaction of SQLite is alone from its beginning.
        if self.dialect() == Dialect::Postgres {
            sqlx::query("LOCK TABLE market_revisions IN EXCLUSIVE MODE")
                .execute(self.statement()?)
                .await?;
        }
        Ok(())
    }

    /// The newest revision of each month.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn current_revisions(&mut self, name: &MarketName) -> Result<Vec<RevisionRow>, StoreError> {
        let rows = sqlx::query(CURRENT)
            .bind(name.kind().word())
            .bind(name.as_str())
            .bind(i64::MAX)
            .bind(FOR_EVER)
            .bind("")
            .bind(0_i64)
            .bind(i64::MAX)
            .fetch_all(self.statement()?)
            .await?;
        rows.iter().map(read).collect()
    }

    /// True when an ingest of that id made a revision.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ingest_is_known(&mut self, id: &IngestId) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT 1 FROM market_revisions WHERE ingest_id = $1 LIMIT 1")
            .bind(id.to_string())
            .fetch_optional(self.statement()?)
            .await?;
        Ok(row.is_some())
    }

    /// Stores a revision.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is there already.
    pub async fn insert_revision(&mut self, row: &RevisionRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO market_revisions (kind, name, month, revision, artifact, previous, rows_total, rows_added,
                rows_changed, first_at, last_at, vendor, vendor_id, source_id, source_hash, ingest_id, created_by, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        )
        .bind(row.name.kind().word())
        .bind(row.name.as_str())
        .bind(row.month.to_string())
        .bind(number(row.revision))
        .bind(row.artifact.to_hex())
        .bind(row.previous.map(ArtifactHash::to_hex))
        .bind(number(row.rows))
        .bind(number(row.added))
        .bind(number(row.changed))
        .bind(row.first.as_str())
        .bind(row.last.as_str())
        .bind(row.vendor.vendor.as_str())
        .bind(row.vendor.vendor_id.as_str())
        .bind(row.source_id.as_str())
        .bind(row.source_hash.to_hex())
        .bind(row.ingest_id.to_string())
        .bind(row.created_by.as_str())
        .bind(time(row.created_at))
        .execute(self.statement()?)
        .await?;
        let month = row.month.to_string();
        let key = vec![
            row.name.kind().word().into(),
            row.name.as_str().into(),
            month.into(),
            row.revision.into(),
        ];
        self.changed(TABLE, key);
        Ok(())
    }
}

impl Store {
    /// The newest row's number: with it as `through`, later reads see what is there now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest_revision(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT COALESCE(MAX(id), 0) AS newest FROM market_revisions")
            .fetch_one(self.pool())
            .await?;
        Columns::of(TABLE, &row).count("newest")
    }

    /// Instruments and series after this one, by kind and name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn holdings(
        &self,
        after: Option<&MarketName>,
        limit: u32,
    ) -> Result<Vec<HoldingRow>, StoreError> {
        let rows = sqlx::query(HOLDINGS)
            .bind(after.map_or("", |name| name.kind().word()))
            .bind(after.map_or("", MarketName::as_str))
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(holding).collect()
    }

    /// Revisions of an instrument or series, by month, after a month and a revision of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revisions(
        &self,
        name: &MarketName,
        filter: RevisionFilter,
        after: Option<(Month, u64)>,
        limit: Option<u32>,
    ) -> Result<Vec<RevisionRow>, StoreError> {
        let (month, revision) = after.map_or((String::new(), 0), |(month, revision)| {
            (month.to_string(), number(revision))
        });
        let rows = sqlx::query(if filter.all { EVERY } else { CURRENT })
            .bind(name.kind().word())
            .bind(name.as_str())
            .bind(number(filter.through))
            .bind(filter.at.map_or_else(|| FOR_EVER.to_owned(), time))
            .bind(month)
            .bind(revision)
            .bind(limit.map_or(i64::MAX, i64::from))
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(read).collect()
    }
}

fn name(row: &Columns<'_>) -> Result<MarketName, StoreError> {
    let kind: MarketKind = row.parsed("kind")?;
    let corrupt = |error| StoreError::Corrupt {
        table: TABLE,
        detail: format!("name: {error}"),
    };
    MarketName::parse(kind, &row.text("name")?).map_err(corrupt)
}

fn vendor(row: &Columns<'_>) -> Result<Vendor, StoreError> {
    Ok(Vendor {
        vendor: row.parsed("vendor")?,
        vendor_id: row.parsed("vendor_id")?,
    })
}

fn holding(row: &AnyRow) -> Result<HoldingRow, StoreError> {
    let row = Columns::of(TABLE, row);
    Ok(HoldingRow {
        name: name(&row)?,
        vendor: vendor(&row)?,
        months: row.count("months")?,
        revisions: row.count("revisions")?,
        rows: row.count("rows_total")?,
        first: row.text("first_at")?,
        last: row.text("last_at")?,
        revised_at: row.time("revised_at")?,
    })
}

fn read(row: &AnyRow) -> Result<RevisionRow, StoreError> {
    let row = Columns::of(TABLE, row);
    Ok(RevisionRow {
        name: name(&row)?,
        month: row.parsed("month")?,
        revision: row.count("revision")?,
        artifact: row.parsed("artifact")?,
        previous: row.parsed_or_null("previous")?,
        rows: row.count("rows_total")?,
        added: row.count("rows_added")?,
        changed: row.count("rows_changed")?,
        first: row.text("first_at")?,
        last: row.text("last_at")?,
        vendor: vendor(&row)?,
        source_id: row.parsed("source_id")?,
        source_hash: row.parsed("source_hash")?,
        ingest_id: row.parsed("ingest_id")?,
        created_by: row.text("created_by")?,
        created_at: row.time("created_at")?,
    })
}
