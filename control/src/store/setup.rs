//! One-time links for the first admin.

use contracts::time::UtcMillis;

use super::text::time;
use super::{StoreError, Tx};
use crate::auth::SecretHash;

impl Tx {
    /// Stores a link; those before it are spent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_setup_link(
        &mut self,
        hash: SecretHash,
        at: UtcMillis,
        until: UtcMillis,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE setup_links SET used_at = $1 WHERE used_at IS NULL")
            .bind(time(at))
            .execute(self.statement()?)
            .await?;
        sqlx::query("INSERT INTO setup_links (link_hash, created_at, expires_at) VALUES ($1, $2, $3)")
            .bind(hash.to_hex())
            .bind(time(at))
            .bind(time(until))
            .execute(self.statement()?)
            .await?;
        Ok(())
    }

    /// Spends a link; false when it is unknown, spent or too old.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_setup_link(&mut self, hash: SecretHash, at: UtcMillis) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE setup_links SET used_at = $2 WHERE link_hash = $1 AND used_at IS NULL AND expires_at > $2",
        )
        .bind(hash.to_hex())
        .bind(time(at))
        .execute(self.statement()?)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}
