//! What `control audit verify` reads beside the told tables.

use contracts::ids::SlotId;
use serde_json::{Value, json};

use super::text::Columns;
use super::{Store, StoreError};

/// A row of the plan's log, as its event should say it.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRow {
    /// Its number.
    pub id: u64,
    /// Its event.
    pub audit_seq: u64,
    /// The rest, by column.
    pub said: Value,
}

/// Columns that hold the address of an artifact, with what names the row.
const ARTIFACTS: [(&str, &str, &[&str]); 3] = [
    (
        "model_registry",
        "model_id",
        &["model_hash", "exec_hash", "norm_stats_path", "golden_hash"],
    ),
    (
        "backtests",
        "backtest_id",
        &["trades_hash", "equity_hash", "summary_hash", "report_hash"],
    ),
    (
        "market_revisions",
        "kind || ' ' || name || ' ' || month || ' ' || CAST(revision AS TEXT)",
        &["artifact", "source_hash"],
    ),
];

impl Store {
    /// The plan's log of decisions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn approval_log(&self) -> Result<Vec<LogRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM approval_audit_log ORDER BY id")
            .fetch_all(self.pool())
            .await?;
        rows.iter()
            .map(|row| {
                let row = Columns::of("approval_audit_log", row);
                Ok(LogRow {
                    id: row.count("id")?,
                    audit_seq: row.count("audit_seq")?,
                    said: json!({
                        "action": row.text("action")?, "model_id": row.text("model_id")?,
                        "proposal_id": row.text_or_null("proposal_id")?, "reviewer": row.text("reviewer")?,
                        "reviewer_email": row.text_or_null("reviewer_email")?, "notes": row.text_or_null("notes")?,
                        "previous_production_model": row.text_or_null("previous_production_model")?,
                        "client_ip": row.text_or_null("client_ip")?, "user_agent": row.text_or_null("user_agent")?,
                        "created_at": row.text("created_at")?,
                    }),
                })
            })
            .collect()
    }

    /// All directives of a slot: number and document.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn directives_of(&self, slot: &SlotId) -> Result<Vec<(u64, String)>, StoreError> {
        let rows = sqlx::query("SELECT number, directive FROM directives WHERE slot = $1 ORDER BY number")
            .bind(slot.to_string())
            .fetch_all(self.pool())
            .await?;
        rows.iter()
            .map(|row| {
                let row = Columns::of("directives", row);
                Ok((row.count("number")?, row.text("directive")?))
            })
            .collect()
    }

    /// Every artifact a row names: the row, the column, the address.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn named_artifacts(&self) -> Result<Vec<(String, &'static str, String)>, StoreError> {
        let mut found = Vec::new();
        for (table, key, columns) in ARTIFACTS {
            let sql = format!(
                "SELECT {key} AS place, {} FROM {table} ORDER BY 1",
                columns.join(", ")
            );
            let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
                .fetch_all(self.pool())
                .await?;
            for row in &rows {
                let row = Columns::of(table, row);
                let place = format!("{table} {}", row.text("place")?);
                for column in columns {
                    if let Some(hash) = row.text_or_null(column)? {
                        found.push((place.clone(), *column, hash));
                    }
                }
            }
        }
        Ok(found)
    }
}
