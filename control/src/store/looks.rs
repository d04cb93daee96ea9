//! The holdout ledger: who looked at which sessions of an instrument with what.

use contracts::evidence::Fingerprint;
use contracts::hash::BundleHash;
use contracts::ids::InstrumentId;
use contracts::time::{DayNumber, UtcMillis};
use sqlx::any::AnyRow;

use super::text::{Columns, number, time, with_null_real};
use super::{StoreError, Tx};

const TABLE: &str = "holdout_looks";

/// A look.
#[derive(Debug, Clone, PartialEq)]
pub struct LookRow {
    /// At which instrument.
    pub instrument: InstrumentId,
    /// First session, a local date.
    pub first_session: DayNumber,
    /// Last session.
    pub last_session: DayNumber,
    /// With which model and scaler.
    pub bundle_hash: BundleHash,
    /// Canonical JSON of costs and fill, and of what a test changed.
    pub costs: String,
    /// The run.
    pub fingerprint: Fingerprint,
    /// What it earned per session; none where that is undefined.
    pub sharpe_per_session: Option<f64>,
    /// Listed sessions.
    pub sessions: u32,
    /// Who looked.
    pub created_by: String,
    /// When.
    pub created_at: UtcMillis,
}

impl Tx {
    /// Notes a look; false when the same was noted before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_look(&mut self, row: &LookRow) -> Result<bool, StoreError> {
        let noted = with_null_real(
            "INSERT INTO holdout_looks (instrument, first_session, last_session, bundle_hash, costs, fingerprint,
                sharpe_per_session, sessions, created_by, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING
             RETURNING id",
        )
        .bind(row.instrument.to_string())
        .bind(row.first_session.to_string())
        .bind(row.last_session.to_string())
        .bind(row.bundle_hash.to_hex())
        .bind(row.costs.as_str())
        .bind(row.fingerprint.to_hex())
        .bind(row.sharpe_per_session)
        .bind(number(u64::from(row.sessions)))
        .bind(row.created_by.as_str())
        .bind(time(row.created_at))
        .fetch_optional(self.statement()?)
        .await?;
        let Some(noted) = noted else { return Ok(false) };
        let id = Columns::of(TABLE, &noted).count("id")?;
        self.changed(TABLE, vec![id.into()]);
        Ok(true)
    }

    /// Every look at a session from `first` to `last`, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn looks(
        &mut self,
        instrument: &InstrumentId,
        first: DayNumber,
        last: DayNumber,
    ) -> Result<Vec<LookRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM holdout_looks WHERE instrument = $1 AND first_session <= $3 AND last_session >= $2 ORDER BY id",
        )
        .bind(instrument.to_string())
        .bind(first.to_string())
        .bind(last.to_string())
        .fetch_all(self.statement()?)
        .await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<LookRow, StoreError> {
    let row = Columns::of(TABLE, row);
    Ok(LookRow {
        instrument: row.parsed("instrument")?,
        first_session: row.date("first_session")?,
        last_session: row.date("last_session")?,
        bundle_hash: row.parsed("bundle_hash")?,
        costs: row.text("costs")?,
        fingerprint: row.parsed("fingerprint")?,
        sharpe_per_session: row.real_or_null("sharpe_per_session")?,
        sessions: row.count32("sessions")?,
        created_by: row.text("created_by")?,
        created_at: row.time("created_at")?,
    })
}
