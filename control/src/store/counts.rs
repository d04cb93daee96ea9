//! Counts for `/metrics`: each is one statement.

use contracts::time::UtcMillis;

use super::text::Columns;
use super::{Store, StoreError};

/// How many rows have these words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The words: one of each column that is counted by.
    pub words: [String; 2],
    /// How many.
    pub rows: u64,
}

impl Store {
    /// Jobs by kind and state.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count_jobs(&self) -> Result<Vec<Counted>, StoreError> {
        self.counted(
            "SELECT kind AS a, state AS b, COUNT(*) AS n FROM jobs GROUP BY kind, state ORDER BY kind, state",
        )
        .await
    }

    /// Deliveries by target and state.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count_deliveries(&self) -> Result<Vec<Counted>, StoreError> {
        self.counted(
            "SELECT target AS a, state AS b, COUNT(*) AS n FROM deliveries GROUP BY target, state ORDER BY target, state",
        )
        .await
    }

    /// Models by slot and stage.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count_models(&self) -> Result<Vec<Counted>, StoreError> {
        self.counted(
            "SELECT slot AS a, stage AS b, COUNT(*) AS n FROM model_registry GROUP BY slot, stage ORDER BY slot, stage",
        )
        .await
    }

    async fn counted(&self, sql: &'static str) -> Result<Vec<Counted>, StoreError> {
        let rows = sqlx::query(sql).fetch_all(self.pool()).await?;
        rows.iter()
            .map(|row| {
                let row = Columns::of("counts", row);
                Ok(Counted {
                    words: [row.text("a")?, row.text("b")?],
                    rows: row.count("n")?,
                })
            })
            .collect()
    }

    /// When the oldest notice that still waits was written.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn oldest_waiting_notice(&self) -> Result<Option<UtcMillis>, StoreError> {
        self.moment(
            "SELECT MIN(outbox.created_at) AS at FROM outbox JOIN deliveries ON deliveries.outbox_id = outbox.id
             WHERE deliveries.state = 'waiting'",
        )
        .await
    }

    /// When the first open proposal runs out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn next_expiry(&self) -> Result<Option<UtcMillis>, StoreError> {
        self.moment("SELECT MIN(expires_at) AS at FROM promotion_proposals WHERE status = 'PENDING_APPROVAL'")
            .await
    }

    async fn moment(&self, sql: &'static str) -> Result<Option<UtcMillis>, StoreError> {
        let row = sqlx::query(sql).fetch_one(self.pool()).await?;
        Columns::of("counts", &row).time_or_null("at")
    }
}
