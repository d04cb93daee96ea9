//! The outbox: notices, and what became of each at each target.

use contracts::ids::ProposalId;
use contracts::time::UtcMillis;
use sqlx::any::AnyRow;

use super::text::{Columns, json, number, time};
use super::tx::exactly_one;
use super::{Store, StoreError, Tx};
use crate::notify::NoticeKind;
use crate::words::words;

const TABLE: &str = "deliveries";

words! {
    /// Where a delivery stands.
    DeliveryState {
        /// It will be tried.
        Waiting = "waiting",
        /// The target took it.
        Delivered = "delivered",
        /// It was tried often enough.
        GivenUp = "given_up",
    }
}

/// A notice for one target.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryRow {
    /// Its number.
    pub id: u64,
    /// The notice's.
    pub outbox_id: u64,
    /// The target's name.
    pub target: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Tries so far.
    pub attempts: u64,
    /// When it is tried next.
    pub next_at: UtcMillis,
    /// The last answer's status.
    pub last_status: Option<u64>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it was taken.
    pub delivered_at: Option<UtcMillis>,
    /// What it tells of.
    pub event: NoticeKind,
    /// On what.
    pub subject: String,
    /// The words.
    pub payload: serde_json::Value,
    /// When it happened.
    pub created_at: UtcMillis,
}

/// What a try came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryOutcome<'a> {
    /// Taken.
    Delivered {
        /// The answer's status.
        status: u16,
        /// When.
        at: UtcMillis,
    },
    /// To be tried again.
    Again {
        /// The answer's status, if there was one.
        status: Option<u16>,
        /// What went wrong.
        error: &'a str,
        /// When.
        next_at: UtcMillis,
    },
    /// Not to be tried again.
    GivenUp {
        /// The answer's status, if there was one.
        status: Option<u16>,
        /// What went wrong.
        error: &'a str,
    },
}

/// What the delivery log lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only below this number.
    pub below: Option<u64>,
    /// Only of this target.
    pub target: Option<String>,
    /// Only in this state.
    pub state: Option<DeliveryState>,
}

impl Tx {
    /// Stores a notice; returns its number.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for a second notice that a proposal runs out.
    pub async fn insert_notice(
        &mut self,
        event: NoticeKind,
        subject: &str,
        payload: &serde_json::Value,
        at: UtcMillis,
    ) -> Result<u64, StoreError> {
        let row = sqlx::query(
            "INSERT INTO outbox (event, subject, payload, created_at) VALUES ($1, $2, $3, $4) RETURNING id",
        )
        .bind(event.word())
        .bind(subject)
        .bind(json(payload))
        .bind(time(at))
        .fetch_one(self.statement()?)
        .await?;
        Columns::of("outbox", &row).count("id")
    }

    /// Stores a delivery, due at once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_delivery(
        &mut self,
        outbox: u64,
        target: &str,
        at: UtcMillis,
    ) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO deliveries (outbox_id, target, next_at) VALUES ($1, $2, $3)")
            .bind(number(outbox))
            .bind(target)
            .bind(time(at))
            .execute(self.statement()?)
            .await?;
        Ok(())
    }

    /// Takes a delivery for one try; false when somebody else has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim_delivery(&mut self, row: &DeliveryRow, lease: UtcMillis) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE deliveries SET attempts = attempts + 1, next_at = $3
             WHERE id = $1 AND attempts = $2 AND state = 'waiting'",
        )
        .bind(number(row.id))
        .bind(number(row.attempts))
        .bind(time(lease))
        .execute(self.statement()?)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Notes what a try came to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note_delivery(&mut self, id: u64, outcome: &DeliveryOutcome<'_>) -> Result<(), StoreError> {
        let (state, status, error, next_at, delivered_at) = match *outcome {
            DeliveryOutcome::Delivered { status, at } => {
                (DeliveryState::Delivered, Some(status), None, None, Some(at))
            }
            DeliveryOutcome::Again {
                status,
                error,
                next_at,
            } => (DeliveryState::Waiting, status, Some(error), Some(next_at), None),
            DeliveryOutcome::GivenUp { status, error } => {
                (DeliveryState::GivenUp, status, Some(error), None, None)
            }
        };
        let done = sqlx::query(
            "UPDATE deliveries SET state = $2, last_status = $3, last_error = $4, next_at = COALESCE($5, next_at),
                delivered_at = $6
             WHERE id = $1 AND state = 'waiting'",
        )
        .bind(number(id))
        .bind(state.word())
        .bind(status.map(i64::from))
        .bind(error)
        .bind(next_at.map(time))
        .bind(delivered_at.map(time))
        .execute(self.statement()?)
        .await?;
        exactly_one(TABLE, done.rows_affected())
    }
}

const JOINED: &str = "deliveries.id, outbox_id, target, state, attempts, next_at, last_status, last_error, delivered_at, event,
    subject, payload, outbox.created_at AS created_at
    FROM deliveries JOIN outbox ON outbox.id = deliveries.outbox_id";

impl Store {
    /// Deliveries to try now, the longest due first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due_deliveries(&self, now: UtcMillis, limit: u32) -> Result<Vec<DeliveryRow>, StoreError> {
        let sql = format!(
            "SELECT {JOINED} WHERE state = 'waiting' AND next_at <= $1 ORDER BY next_at, deliveries.id LIMIT $2"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(time(now))
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(read).collect()
    }

    /// The delivery log, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        let sql = format!(
            "SELECT {JOINED} WHERE ($1 IS NULL OR deliveries.id < $1) AND ($2 IS NULL OR target = $2)
                AND ($3 IS NULL OR state = $3)
             ORDER BY deliveries.id DESC LIMIT $4"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(filter.below.map(number))
            .bind(filter.target.clone())
            .bind(filter.state.map(DeliveryState::word))
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(read).collect()
    }

    /// Open proposals that run out before `before` and of which nobody was told.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn untold_expiring(&self, before: UtcMillis) -> Result<Vec<ProposalId>, StoreError> {
        let rows = sqlx::query(
            "SELECT proposal_id FROM promotion_proposals WHERE status = 'PENDING_APPROVAL' AND expires_at <= $1
                AND NOT EXISTS (SELECT 1 FROM outbox WHERE event = 'expiring_soon' AND subject = proposal_id)
             ORDER BY id",
        )
        .bind(time(before))
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| Columns::of("promotion_proposals", row).parsed("proposal_id"))
            .collect()
    }
}

fn read(row: &AnyRow) -> Result<DeliveryRow, StoreError> {
    let row = Columns::of(TABLE, row);
    Ok(DeliveryRow {
        id: row.count("id")?,
        outbox_id: row.count("outbox_id")?,
        target: row.text("target")?,
        state: row.parsed("state")?,
        attempts: row.count("attempts")?,
        next_at: row.time("next_at")?,
        last_status: row.count_or_null("last_status")?,
        last_error: row.text_or_null("last_error")?,
        delivered_at: row.time_or_null("delivered_at")?,
        event: row.parsed("event")?,
        subject: row.text("subject")?,
        payload: row.json("payload")?,
        created_at: row.time("created_at")?,
    })
}
