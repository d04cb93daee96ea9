//! Users.

use contracts::ids::PersonId;
use contracts::time::UtcMillis;
use sqlx::any::AnyRow;

use super::text::{Columns, json, time};
use super::tx::exactly_one;
use super::{Dialect, Store, StoreError, Tx};
use crate::auth::Role;

const TABLE: &str = "users";
const BY_NAME: &str = "SELECT * FROM users WHERE username = $1";

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Their name, for ever.
    pub username: PersonId,
    /// Their address.
    pub email: Option<String>,
    /// Argon2id, as a PHC string.
    pub password_hash: String,
    /// What they may do.
    pub roles: Vec<Role>,
    /// When they were made.
    pub created_at: UtcMillis,
    /// When they were disabled.
    pub disabled_at: Option<UtcMillis>,
}

impl Tx {
    /// Nobody else changes users before this transaction ends; whoever counts them takes this first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lock_users(&mut self) -> Result<(), StoreError> {
        if self.dialect() == Dialect::Postgres {
            sqlx::query("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")
                .execute(self.statement()?)
                .await?;
        }
        Ok(())
    }

    /// Stores a new user.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the name is taken.
    pub async fn insert_user(&mut self, row: &UserRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO users (username, email, password_hash, roles, created_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(row.username.to_string())
        .bind(row.email.clone())
        .bind(row.password_hash.as_str())
        .bind(json(&row.roles))
        .bind(time(row.created_at))
        .execute(self.statement()?)
        .await?;
        self.changed(TABLE, vec![row.username.to_string().into()]);
        Ok(())
    }

    /// The user, within the transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn user(&mut self, name: &PersonId) -> Result<Option<UserRow>, StoreError> {
        let row = sqlx::query(BY_NAME)
            .bind(name.to_string())
            .fetch_optional(self.statement()?)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// All users, within the transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn users(&mut self) -> Result<Vec<UserRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM users ORDER BY username")
            .fetch_all(self.statement()?)
            .await?;
        rows.iter().map(read).collect()
    }

    /// Gives other roles.
    ///
    /// # Errors
    /// [`StoreError::RowCount`] when there is no such user.
    pub async fn set_roles(&mut self, who: &PersonId, roles: &[Role]) -> Result<(), StoreError> {
        let done = sqlx::query("UPDATE users SET roles = $2 WHERE username = $1")
            .bind(who.to_string())
            .bind(json(&roles))
            .execute(self.statement()?)
            .await?;
        self.changed(TABLE, vec![who.to_string().into()]);
        exactly_one(TABLE, done.rows_affected())
    }

    /// Gives another password.
    ///
    /// # Errors
    /// [`StoreError::RowCount`] when there is no such user.
    pub async fn set_password(&mut self, who: &PersonId, hash: &str) -> Result<(), StoreError> {
        let done = sqlx::query("UPDATE users SET password_hash = $2 WHERE username = $1")
            .bind(who.to_string())
            .bind(hash)
            .execute(self.statement()?)
            .await?;
        self.changed(TABLE, vec![who.to_string().into()]);
        exactly_one(TABLE, done.rows_affected())
    }

    /// Disables a user, for ever.
    ///
    /// # Errors
    /// [`StoreError::RowCount`] when there is no such user or they are disabled already.
    pub async fn disable_user(&mut self, who: &PersonId, at: UtcMillis) -> Result<(), StoreError> {
        let done =
            sqlx::query("UPDATE users SET disabled_at = $2 WHERE username = $1 AND disabled_at IS NULL")
                .bind(who.to_string())
                .bind(time(at))
                .execute(self.statement()?)
                .await?;
        self.changed(TABLE, vec![who.to_string().into()]);
        exactly_one(TABLE, done.rows_affected())
    }
}

impl Store {
    /// The user.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn user(&self, who: &PersonId) -> Result<Option<UserRow>, StoreError> {
        let row = sqlx::query(BY_NAME)
            .bind(who.to_string())
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// True when there is a user.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has_users(&self) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT 1 FROM users LIMIT 1")
            .fetch_optional(self.pool())
            .await?;
        Ok(row.is_some())
    }

    /// All users.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn users(&self) -> Result<Vec<UserRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM users ORDER BY username")
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<UserRow, StoreError> {
    let row = Columns::of(TABLE, row);
    Ok(UserRow {
        username: row.parsed("username")?,
        email: row.text_or_null("email")?,
        password_hash: row.text("password_hash")?,
        roles: row.json("roles")?,
        created_at: row.time("created_at")?,
        disabled_at: row.time_or_null("disabled_at")?,
    })
}
