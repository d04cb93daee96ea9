//! Sessions, by the hash of their cookie's secret.

use contracts::ids::PersonId;
use contracts::time::UtcMillis;

use super::text::{Columns, time};
use super::tx::exactly_one;
use super::{Store, StoreError, Tx};
use crate::auth::SecretHash;

const TABLE: &str = "sessions";

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Of the cookie's secret.
    pub session_hash: SecretHash,
    /// Whose.
    pub username: PersonId,
    /// What every change must carry in a header.
    pub csrf: String,
    /// When it began.
    pub created_at: UtcMillis,
    /// When the password was last given.
    pub authenticated_at: UtcMillis,
    /// When it was last used, to the minute.
    pub last_seen_at: UtcMillis,
    /// When it ends at the latest.
    pub expires_at: UtcMillis,
    /// When it was ended.
    pub ended_at: Option<UtcMillis>,
    /// From where.
    pub address: Option<String>,
    /// With what.
    pub user_agent: Option<String>,
}

impl Tx {
    /// Stores a new session.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_session(&mut self, row: &SessionRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO sessions (session_hash, username, csrf, created_at, authenticated_at, last_seen_at, expires_at,
                address, user_agent)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(row.session_hash.to_hex())
        .bind(row.username.to_string())
        .bind(row.csrf.as_str())
        .bind(time(row.created_at))
        .bind(time(row.authenticated_at))
        .bind(time(row.last_seen_at))
        .bind(time(row.expires_at))
        .bind(row.address.clone())
        .bind(row.user_agent.clone())
        .execute(self.statement()?)
        .await?;
        Ok(())
    }

    /// Notes that it is used.
    ///
    /// # Errors
    /// [`StoreError::RowCount`] when it is gone.
    pub async fn touch_session(&mut self, hash: SecretHash, at: UtcMillis) -> Result<(), StoreError> {
        let done = sqlx::query("UPDATE sessions SET last_seen_at = $2 WHERE session_hash = $1")
            .bind(hash.to_hex())
            .bind(time(at))
            .execute(self.statement()?)
            .await?;
        exactly_one(TABLE, done.rows_affected())
    }

    /// Ends it; done again, it changes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_session(&mut self, hash: SecretHash, at: UtcMillis) -> Result<(), StoreError> {
        sqlx::query("UPDATE sessions SET ended_at = $2 WHERE session_hash = $1 AND ended_at IS NULL")
            .bind(hash.to_hex())
            .bind(time(at))
            .execute(self.statement()?)
            .await?;
        Ok(())
    }

    /// Ends all of somebody's; returns how many there were.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_sessions_of(&mut self, who: &PersonId, at: UtcMillis) -> Result<u64, StoreError> {
        let done = sqlx::query("UPDATE sessions SET ended_at = $2 WHERE username = $1 AND ended_at IS NULL")
            .bind(who.to_string())
            .bind(time(at))
            .execute(self.statement()?)
            .await?;
        Ok(done.rows_affected())
    }
}

impl Store {
    /// The session.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn session(&self, hash: SecretHash) -> Result<Option<SessionRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM sessions WHERE session_hash = $1")
            .bind(hash.to_hex())
            .fetch_optional(self.pool())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let row = Columns::of(TABLE, &row);
        Ok(Some(SessionRow {
            session_hash: row.parsed("session_hash")?,
            username: row.parsed("username")?,
            csrf: row.text("csrf")?,
            created_at: row.time("created_at")?,
            authenticated_at: row.time("authenticated_at")?,
            last_seen_at: row.time("last_seen_at")?,
            expires_at: row.time("expires_at")?,
            ended_at: row.time_or_null("ended_at")?,
            address: row.text_or_null("address")?,
            user_agent: row.text_or_null("user_agent")?,
        }))
    }
}
