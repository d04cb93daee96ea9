//! Tokens, by the hash of their secret.

use contracts::ids::{PersonId, SlotId};
use contracts::time::UtcMillis;
use sqlx::any::AnyRow;

use super::text::{Columns, json, time};
use super::tx::exactly_one;
use super::{Store, StoreError, Tx};
use crate::auth::{Scope, SecretHash};

const TABLE: &str = "api_tokens";

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Its public name.
    pub token_id: String,
    /// Of its secret.
    pub token_hash: SecretHash,
    /// Whose.
    pub owner: PersonId,
    /// What for, in words.
    pub name: String,
    /// What for.
    pub scopes: Vec<Scope>,
    /// The one slot of an engine's token.
    pub slot: Option<SlotId>,
    /// When it was made.
    pub created_at: UtcMillis,
    /// When it ends.
    pub expires_at: UtcMillis,
    /// When it was revoked.
    pub revoked_at: Option<UtcMillis>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<UtcMillis>,
}

impl Tx {
    /// Stores a new token.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_token(&mut self, row: &TokenRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO api_tokens (token_id, token_hash, owner, name, scopes, slot, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(row.token_id.as_str())
        .bind(row.token_hash.to_hex())
        .bind(row.owner.to_string())
        .bind(row.name.as_str())
        .bind(json(&row.scopes))
        .bind(row.slot.as_ref().map(SlotId::to_string))
        .bind(time(row.created_at))
        .bind(time(row.expires_at))
        .execute(self.statement()?)
        .await?;
        self.changed(TABLE, vec![row.token_id.as_str().into()]);
        Ok(())
    }

    /// Revokes it.
    ///
    /// # Errors
    /// [`StoreError::RowCount`] when there is none, or it is revoked already.
    pub async fn revoke_token(&mut self, id: &str, at: UtcMillis) -> Result<(), StoreError> {
        let done =
            sqlx::query("UPDATE api_tokens SET revoked_at = $2 WHERE token_id = $1 AND revoked_at IS NULL")
                .bind(id)
                .bind(time(at))
                .execute(self.statement()?)
                .await?;
        self.changed(TABLE, vec![id.into()]);
        exactly_one(TABLE, done.rows_affected())
    }

    /// Notes that it is used.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn touch_token(&mut self, id: &str, at: UtcMillis) -> Result<(), StoreError> {
        let done = sqlx::query("UPDATE api_tokens SET last_used_at = $2 WHERE token_id = $1")
            .bind(id)
            .bind(time(at))
            .execute(self.statement()?)
            .await?;
        exactly_one(TABLE, done.rows_affected())
    }
}

impl Store {
    /// The token with this secret.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn token(&self, hash: SecretHash) -> Result<Option<TokenRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM api_tokens WHERE token_hash = $1")
            .bind(hash.to_hex())
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// All tokens, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM api_tokens ORDER BY id DESC")
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<TokenRow, StoreError> {
    let row = Columns::of(TABLE, row);
    Ok(TokenRow {
        token_id: row.text("token_id")?,
        token_hash: row.parsed("token_hash")?,
        owner: row.parsed("owner")?,
        name: row.text("name")?,
        scopes: row.json("scopes")?,
        slot: row.parsed_or_null("slot")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        revoked_at: row.time_or_null("revoked_at")?,
        last_used_at: row.time_or_null("last_used_at")?,
    })
}
