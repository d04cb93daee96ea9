//! From a password to a session, and out again.

use contracts::ids::PersonId;
use contracts::time::UtcMillis;

use super::password;
use super::secret::{Random, Secret, SecretHash};
use crate::app::App;
use crate::limits::{LOGIN_FAILURES_PER_ACCOUNT, LOGIN_FAILURES_PER_ADDRESS, LOGIN_WINDOW_MS, SESSION_MS};
use crate::store::{AuthEvent, AuthKind, SessionRow, StoreError, Tx, UserRow};

/// Where a request comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct From {
    /// The address; unknown ones count as one.
    pub address: Option<String>,
    /// The program.
    pub user_agent: Option<String>,
}

/// Name and password.
#[derive(Debug, Clone, Copy)]
pub struct Login<'a> {
    /// As typed.
    pub username: &'a str,
    /// As typed.
    pub password: &'a str,
}

/// A session that has begun.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// For the cookie.
    pub secret: Secret,
    /// For the header of every change.
    pub csrf: String,
    /// Whose.
    pub user: UserRow,
    /// When it ends at the latest.
    pub expires_at: UtcMillis,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No such user, another password, or disabled: which of these is not told.
    #[error("name or password is wrong")]
    Wrong,
    /// Too many have failed in the last 15 minutes.
    #[error("too many logins have failed: wait 15 minutes")]
    Limited,
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

/// A right password, as it was when it was checked.
pub(super) struct Checked {
    /// Whose.
    pub user: UserRow,
    /// The attempt, which counts as failed until [`Tx::login_succeeded`].
    pub attempt: u64,
}

/// Checks name and password. The attempt is counted before the password is looked at, so that many at once do not get more tries than
/// many in a row.
///
/// # Errors
/// [`LoginError`].
pub(super) async fn check_password(app: &App, from: &From, given: Login<'_>) -> Result<Checked, LoginError> {
    // What is no user name may be a password typed into the wrong field: it is not written down.
    let username = PersonId::parse(given.username).ok();
    let name = username.as_ref().map_or("", PersonId::as_str);
    let attempt = count_attempt(app, from, name, app.now()).await?;
    let user = match &username {
        Some(username) => app.store.user(username).await?,
        None => None,
    };
    let user = user.filter(|user| user.disabled_at.is_none());
    let stored = user.as_ref().map(|user| user.password_hash.clone());
    let right = password::verify(given.password, stored).await;
    let user = user.filter(|_| right).ok_or(LoginError::Wrong)?;
    Ok(Checked { user, attempt })
}

impl Checked {
    /// Locks the users and checks that this one was neither disabled nor given another password meanwhile; then the attempt counts as
    /// good.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn holds(&self, tx: &mut Tx) -> Result<(), LoginError> {
        tx.lock_users().await?;
        let now = tx.user(&self.user.username).await?;
        let same =
            now.is_some_and(|row| row.disabled_at.is_none() && row.password_hash == self.user.password_hash);
        if !same {
            return Err(LoginError::Wrong);
        }
        Ok(tx.login_succeeded(self.attempt).await?)
    }
}

/// Checks name and password and begins a session.
///
/// # Errors
/// [`LoginError`].
pub async fn login(
    app: &App,
    random: &dyn Random,
    from: &From,
    given: Login<'_>,
) -> Result<NewSession, LoginError> {
    let now = app.now();
    let checked = check_password(app, from, given).await?;
    let secret = Secret::draw(random, "tvs_");
    let csrf = Secret::draw(random, "").reveal().to_owned();
    let expires_at = now.plus_ms(SESSION_MS);
    let mut tx = app.store.begin().await?;
    checked.holds(&mut tx).await?;
    tx.insert_session(&SessionRow {
        session_hash: secret.hash(),
        username: checked.user.username.clone(),
        csrf: csrf.clone(),
        created_at: now,
        authenticated_at: now,
        last_seen_at: now,
        expires_at,
        ended_at: None,
        address: from.address.clone(),
        user_agent: from.user_agent.clone(),
    })
    .await?;
    tx.commit().await?;
    Ok(NewSession {
        secret,
        csrf,
        user: checked.user,
        expires_at,
    })
}

async fn count_attempt(app: &App, from: &From, name: &str, now: UtcMillis) -> Result<u64, LoginError> {
    let address = from.address.as_deref().unwrap_or("unknown");
    let mut tx = app.store.begin().await?;
    tx.lock_auth_events().await?;
    let since = now.plus_ms(-LOGIN_WINDOW_MS);
    let (account, from_address) = tx.failed_logins(name, address, since).await?;
    let limited = (!name.is_empty() && account >= LOGIN_FAILURES_PER_ACCOUNT)
        || from_address >= LOGIN_FAILURES_PER_ADDRESS;
    let kind = if limited {
        AuthKind::LoginLimited
    } else {
        AuthKind::LoginFailed
    };
    let event = AuthEvent {
        kind,
        username: Some(name).filter(|name| !name.is_empty()),
        client_ip: Some(address),
        at: now,
    };
    let attempt = tx.insert_auth_event(event).await?;
    tx.commit().await?;
    if limited {
        return Err(LoginError::Limited);
    }
    Ok(attempt)
}

/// Ends a session.
///
/// # Errors
/// [`StoreError`].
pub async fn logout(app: &App, from: &From, who: &PersonId, session: SecretHash) -> Result<(), StoreError> {
    let now = app.now();
    let mut tx = app.store.begin().await?;
    tx.end_session(session, now).await?;
    let event = AuthEvent {
        kind: AuthKind::Logout,
        username: Some(who.as_str()),
        client_ip: from.address.as_deref(),
        at: now,
    };
    tx.insert_auth_event(event).await?;
    tx.commit().await
}
