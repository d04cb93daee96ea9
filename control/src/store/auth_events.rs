//! Logins, good and bad: what the limits are counted from.

use contracts::time::UtcMillis;

use super::text::{Columns, time};
use super::tx::exactly_one;
use super::{Dialect, StoreError, Tx};

const TABLE: &str = "auth_events";

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthKind {
    /// A password was right.
    Login,
    /// It was not, or its check has not ended.
    LoginFailed,
    /// It was not looked at: too many had failed.
    LoginLimited,
    /// Somebody left.
    Logout,
    /// Somebody has another password.
    PasswordChanged,
}

impl AuthKind {
    const fn word(self) -> &'static str {
        match self {
            Self::Login => "LOGIN",
            Self::LoginFailed => "LOGIN_FAILED",
            Self::LoginLimited => "LOGIN_LIMITED",
            Self::Logout => "LOGOUT",
            Self::PasswordChanged => "PASSWORD_CHANGED",
        }
    }
}

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthEvent<'a> {
    /// What.
    pub kind: AuthKind,
    /// Under which name.
    pub username: Option<&'a str>,
    /// From where.
    pub client_ip: Option<&'a str>,
    /// When.
    pub at: UtcMillis,
}

impl Tx {
    /// Nobody else adds an attempt before this transaction ends.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lock_auth_events(&mut self) -> Result<(), StoreError> {
        if self.dialect() == Dialect::Postgres {
            sqlx::query("LOCK TABLE auth_events IN SHARE ROW EXCLUSIVE MODE")
                .execute(self.statement()?)
                .await?;
        }
        Ok(())
    }

    /// Failed logins since then: of the account, and from the address.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn failed_logins(
        &mut self,
        username: &str,
        client_ip: &str,
        since: UtcMillis,
    ) -> Result<(u64, u64), StoreError> {
        let account = sqlx::query(
            "SELECT COUNT(*) AS n FROM auth_events WHERE kind = 'LOGIN_FAILED' AND username = $1 AND created_at > $2",
        )
        .bind(username)
        .bind(time(since))
        .fetch_one(self.statement()?)
        .await?;
        let address = sqlx::query(
            "SELECT COUNT(*) AS n FROM auth_events WHERE kind = 'LOGIN_FAILED' AND client_ip = $1 AND created_at > $2",
        )
        .bind(client_ip)
        .bind(time(since))
        .fetch_one(self.statement()?)
        .await?;
        Ok((
            Columns::of(TABLE, &account).count("n")?,
            Columns::of(TABLE, &address).count("n")?,
        ))
    }

    /// Adds an event; returns its number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_auth_event(&mut self, event: AuthEvent<'_>) -> Result<u64, StoreError> {
        let row = sqlx::query(
            "INSERT INTO auth_events (created_at, kind, username, client_ip) VALUES ($1, $2, $3, $4) RETURNING id",
        )
        .bind(time(event.at))
        .bind(event.kind.word())
        .bind(event.username)
        .bind(event.client_ip)
        .fetch_one(self.statement()?)
        .await?;
        Columns::of(TABLE, &row).count("id")
    }

    /// An attempt that was noted as failed before its password was checked turned out well.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn login_succeeded(&mut self, event: u64) -> Result<(), StoreError> {
        let done = sqlx::query("UPDATE auth_events SET kind = 'LOGIN' WHERE id = $1")
            .bind(super::text::number(event))
            .execute(self.statement()?)
            .await?;
        exactly_one(TABLE, done.rows_affected())
    }
}
