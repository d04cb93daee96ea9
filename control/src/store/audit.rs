//! The audit chain's rows.

use contracts::jcs;
use contracts::signing::Signature;
use sqlx::any::AnyRow;

use super::text::{Columns, number, time};
use super::{Dialect, Store, StoreError, Tx};
use crate::audit::{Chained, EventHash, Stored};

const TABLE: &str = "audit_events";

/// What to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only after this number.
    pub after: u64,
    /// Only of this actor.
    pub actor: Option<String>,
    /// Only on this subject.
    pub subject: Option<String>,
    /// Only this action.
    pub action: Option<String>,
    /// Only events whose body holds this text between quotes, such as the name of a row it tells of.
    pub mentions: Option<String>,
}

impl Tx {
    /// Number and hash of the last event, which nobody else can append to before this transaction ends.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn last_audit_event(&mut self) -> Result<Option<(u64, EventHash)>, StoreError> {
        if self.dialect() == Dialect::Postgres {
            sqlx::query("LOCK TABLE audit_events IN EXCLUSIVE MODE")
                .execute(self.statement()?)
                .await?;
        }
        let row = sqlx::query("SELECT seq, hash FROM audit_events ORDER BY seq DESC LIMIT 1")
            .fetch_optional(self.statement()?)
            .await?;
        row.map(|row| {
            let row = Columns::of(TABLE, &row);
            Ok((row.count("seq")?, row.parsed("hash")?))
        })
        .transpose()
    }

    /// Events in order, at most `limit` of them, as this transaction sees them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_events(
        &mut self,
        filter: &AuditFilter,
        limit: u32,
    ) -> Result<Vec<Stored>, StoreError> {
        events(self.statement()?, filter, limit).await
    }

    /// Stores the next event.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_audit_event(&mut self, stored: &Stored) -> Result<(), StoreError> {
        let corrupt = |detail: String| StoreError::Corrupt { table: TABLE, detail };
        let body = jcs::to_canonical(&stored.event.body).map_err(|error| corrupt(error.to_string()))?;
        let signature = jcs::to_canonical(&stored.signature).map_err(|error| corrupt(error.to_string()))?;
        sqlx::query(
            "INSERT INTO audit_events (seq, prev_hash, hash, created_at, actor, action, subject, body, signature)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(number(stored.event.seq))
        .bind(stored.event.prev_hash.to_hex())
        .bind(stored.hash.to_hex())
        .bind(time(stored.event.created_at))
        .bind(stored.event.actor.as_str())
        .bind(stored.event.action.word())
        .bind(stored.event.subject.as_str())
        .bind(body)
        .bind(signature)
        .execute(self.statement()?)
        .await?;
        Ok(())
    }
}

impl Store {
    /// Number and hash of the newest event.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest_audit_event(&self) -> Result<Option<(u64, EventHash)>, StoreError> {
        let row = sqlx::query("SELECT seq, hash FROM audit_events ORDER BY seq DESC LIMIT 1")
            .fetch_optional(self.pool())
            .await?;
        row.map(|row| {
            let row = Columns::of(TABLE, &row);
            Ok((row.count("seq")?, row.parsed("hash")?))
        })
        .transpose()
    }

    /// The number of the event after `after`, readable or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_event_after(&self, after: u64) -> Result<Option<u64>, StoreError> {
        let row = sqlx::query("SELECT seq FROM audit_events WHERE seq > $1 ORDER BY seq LIMIT 1")
            .bind(number(after))
            .fetch_optional(self.pool())
            .await?;
        row.map(|row| Columns::of(TABLE, &row).count("seq")).transpose()
    }

    /// Events in order, at most `limit` of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_events(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<Stored>, StoreError> {
        events(self.pool(), filter, limit).await
    }
}

async fn events<'c>(
    executor: impl sqlx::Executor<'c, Database = sqlx::Any>,
    filter: &AuditFilter,
    limit: u32,
) -> Result<Vec<Stored>, StoreError> {
    let rows = sqlx::query(
        "SELECT seq, prev_hash, hash, created_at, actor, action, subject, body, signature FROM audit_events
         WHERE seq > $1 AND ($2 IS NULL OR actor = $2) AND ($3 IS NULL OR subject = $3)
           AND ($4 IS NULL OR action = $4) AND ($5 IS NULL OR body LIKE $5)
         ORDER BY seq LIMIT $6",
    )
    .bind(number(filter.after))
    .bind(filter.actor.clone())
    .bind(filter.subject.clone())
    .bind(filter.action.clone())
    .bind(filter.mentions.as_ref().map(|text| format!("%\"{text}\"%")))
    .bind(i64::from(limit))
    .fetch_all(executor)
    .await?;
    rows.iter().map(read).collect()
}

fn read(row: &AnyRow) -> Result<Stored, StoreError> {
    let row = Columns::of(TABLE, row);
    Ok(Stored {
        event: Chained {
            seq: row.count("seq")?,
            prev_hash: row.parsed("prev_hash")?,
            created_at: row.time("created_at")?,
            actor: row.text("actor")?,
            action: row.parsed("action")?,
            subject: row.text("subject")?,
            body: row.json("body")?,
        },
        hash: row.parsed("hash")?,
        signature: row.json::<Signature>("signature")?,
    })
}
