//! Requests to resume a slot.

use contracts::ids::{PersonId, SlotId};
use contracts::reason::Latch;
use contracts::time::UtcMillis;
use sqlx::any::AnyRow;

use super::text::{Columns, json, number, time};
use super::tx::exactly_one;
use super::{StoreError, Tx};

const TABLE: &str = "resume_requests";

/// A request that waits for its confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeRow {
    /// The slot.
    pub slot: SlotId,
    /// What shall be cleared.
    pub latches: Vec<Latch>,
    /// Why it is safe.
    pub reason: String,
    /// Who asked.
    pub requested_by: PersonId,
    /// When.
    pub requested_at: UtcMillis,
    /// Until when it can be confirmed.
    pub expires_at: UtcMillis,
}

impl Tx {
    /// The slot's open request. The slot's row must be locked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_resume(&mut self, slot: &SlotId) -> Result<Option<ResumeRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM resume_requests WHERE slot = $1 AND confirmed_at IS NULL")
            .bind(slot.to_string())
            .fetch_optional(self.statement()?)
            .await?;
        row.map(|row| {
            let row = Columns::of(TABLE, &row);
            Ok(ResumeRow {
                slot: row.parsed("slot")?,
                latches: row.json("latches")?,
                reason: row.text("reason")?,
                requested_by: row.parsed("requested_by")?,
                requested_at: row.time("requested_at")?,
                expires_at: row.time("expires_at")?,
            })
        })
        .transpose()
    }

    /// Stores a request.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the slot has an open one.
    pub async fn insert_resume(&mut self, row: &ResumeRow) -> Result<(), StoreError> {
        let stored = sqlx::query(
            "INSERT INTO resume_requests (slot, latches, reason, requested_by, requested_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
        )
        .bind(row.slot.to_string())
        .bind(json(&row.latches))
        .bind(row.reason.as_str())
        .bind(row.requested_by.to_string())
        .bind(time(row.requested_at))
        .bind(time(row.expires_at))
        .fetch_one(self.statement()?)
        .await?;
        self.changed_requests(&[stored])
    }

    /// Removes the open request that has run out; the audit chain keeps that it was made.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn drop_resume(&mut self, slot: &SlotId) -> Result<(), StoreError> {
        let dropped =
            sqlx::query("DELETE FROM resume_requests WHERE slot = $1 AND confirmed_at IS NULL RETURNING id")
                .bind(slot.to_string())
                .fetch_all(self.statement()?)
                .await?;
        self.changed_requests(&dropped)
    }

    /// Notes the confirmation.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when it is the person who asked; [`StoreError::RowCount`] when nothing is open.
    pub async fn confirm_resume(
        &mut self,
        slot: &SlotId,
        by: &PersonId,
        at: UtcMillis,
        directive: u64,
    ) -> Result<(), StoreError> {
        let confirmed = sqlx::query(
            "UPDATE resume_requests SET confirmed_by = $2, confirmed_at = $3, directive_number = $4
             WHERE slot = $1 AND confirmed_at IS NULL RETURNING id",
        )
        .bind(slot.to_string())
        .bind(by.to_string())
        .bind(time(at))
        .bind(number(directive))
        .fetch_all(self.statement()?)
        .await?;
        exactly_one(TABLE, confirmed.len() as u64)?;
        self.changed_requests(&confirmed)
    }

    fn changed_requests(&mut self, rows: &[AnyRow]) -> Result<(), StoreError> {
        for row in rows {
            let id = Columns::of(TABLE, row).count("id")?;
            self.changed(TABLE, vec![id.into()]);
        }
        Ok(())
    }
}
