//! Notifications that wait to be sent: written in the transaction they tell of, delivered after it.

use contracts::time::UtcMillis;

use super::text::{json, number, time};
use super::{StoreError, Tx};

impl Tx {
    /// Enqueues a notification for every target.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn enqueue(
        &mut self,
        event: &str,
        payload: &serde_json::Value,
        targets: &[String],
        at: UtcMillis,
    ) -> Result<(), StoreError> {
        use sqlx::Row as _;
        if targets.is_empty() {
            return Ok(());
        }
        let row =
            sqlx::query("INSERT INTO outbox (event, payload, created_at) VALUES ($1, $2, $3) RETURNING id")
                .bind(event)
                .bind(json(payload))
                .bind(time(at))
                .fetch_one(self.statement()?)
                .await?;
        let id: i64 = row.try_get("id")?;
        for target in targets {
            sqlx::query("INSERT INTO deliveries (outbox_id, target, next_at) VALUES ($1, $2, $3)")
                .bind(number(id.unsigned_abs()))
                .bind(target.as_str())
                .bind(time(at))
                .execute(self.statement()?)
                .await?;
        }
        Ok(())
    }
}
