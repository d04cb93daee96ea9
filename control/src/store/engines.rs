//! What engines say of themselves: heartbeats (the newest counts) and receipts (all are kept).

use contracts::hash::ContractDigest;
use contracts::ids::{EngineId, SlotId};
use contracts::time::UtcMillis;

use super::text::{Columns, json, number, time};
use super::{Store, StoreError, Tx};

/// An engine's newest heartbeat.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineRow {
    /// Which.
    pub engine_id: EngineId,
    /// Following which slot.
    pub slot: SlotId,
    /// What it said.
    pub heartbeat: serde_json::Value,
    /// Highest generation it has journaled.
    pub generation_highest: u64,
    /// Highest directive number it has journaled.
    pub directive_highest: u64,
    /// When.
    pub seen_at: UtcMillis,
}

/// What became of a contract at an engine.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceiptRow {
    /// Which engine.
    pub engine_id: EngineId,
    /// Which slot.
    pub slot: SlotId,
    /// Which contract; `None` where what was refused could not be read.
    pub contract: Option<ContractDigest>,
    /// Its generation.
    pub generation: Option<u64>,
    /// `serving`, `superseded` or `refused`.
    pub status: String,
    /// All it said.
    pub receipt: serde_json::Value,
    /// When.
    pub created_at: UtcMillis,
}

impl Tx {
    /// Keeps the newest heartbeat. The two highest numbers never go back: an engine that reports less was set back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_heartbeat(&mut self, row: &EngineRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO engines (engine_id, slot, heartbeat, generation_highest, directive_highest, seen_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (engine_id, slot) DO UPDATE SET heartbeat = excluded.heartbeat, seen_at = excluded.seen_at,
                generation_highest = CASE WHEN excluded.generation_highest > engines.generation_highest
                    THEN excluded.generation_highest ELSE engines.generation_highest END,
                directive_highest = CASE WHEN excluded.directive_highest > engines.directive_highest
                    THEN excluded.directive_highest ELSE engines.directive_highest END",
        )
        .bind(row.engine_id.to_string())
        .bind(row.slot.to_string())
        .bind(json(&row.heartbeat))
        .bind(number(row.generation_highest))
        .bind(number(row.directive_highest))
        .bind(time(row.seen_at))
        .execute(self.statement()?)
        .await?;
        Ok(())
    }

    /// Keeps a receipt.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_receipt(&mut self, row: &ReceiptRow) -> Result<(), StoreError> {
        let stored = sqlx::query(
            "INSERT INTO engine_receipts (engine_id, slot, contract_digest, generation, status, receipt, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
        )
        .bind(row.engine_id.to_string())
        .bind(row.slot.to_string())
        .bind(row.contract.map(|contract| contract.to_hex()))
        .bind(row.generation.map(number))
        .bind(row.status.as_str())
        .bind(json(&row.receipt))
        .bind(time(row.created_at))
        .fetch_one(self.statement()?)
        .await?;
        let id = Columns::of("engine_receipts", &stored).count("id")?;
        self.changed("engine_receipts", vec![id.into()]);
        Ok(())
    }
}

impl Store {
    /// All engines that were ever heard of.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn engines(&self) -> Result<Vec<EngineRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM engines ORDER BY slot, engine_id")
            .fetch_all(self.pool())
            .await?;
        rows.iter()
            .map(|row| {
                let row = Columns::of("engines", row);
                Ok(EngineRow {
                    engine_id: row.parsed("engine_id")?,
                    slot: row.parsed("slot")?,
                    heartbeat: row.json("heartbeat")?,
                    generation_highest: row.count("generation_highest")?,
                    directive_highest: row.count("directive_highest")?,
                    seen_at: row.time("seen_at")?,
                })
            })
            .collect()
    }

    /// Receipts, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn receipts(&self, slot: &SlotId, limit: u32) -> Result<Vec<ReceiptRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM engine_receipts WHERE slot = $1 ORDER BY id DESC LIMIT $2")
            .bind(slot.to_string())
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await?;
        rows.iter()
            .map(|row| {
                let row = Columns::of("engine_receipts", row);
                Ok(ReceiptRow {
                    engine_id: row.parsed("engine_id")?,
                    slot: row.parsed("slot")?,
                    contract: row.parsed_or_null("contract_digest")?,
                    generation: row.count_or_null("generation")?,
                    status: row.text("status")?,
                    receipt: row.json("receipt")?,
                    created_at: row.time("created_at")?,
                })
            })
            .collect()
    }
}
