//! Making users, changing them, and ending what they hold.

use contracts::ids::PersonId;
use serde_json::json;

use super::actor::{Actor, Role};
use super::login::{From, Login, LoginError, check_password};
use super::password::{self, BadLength};
use super::secret::Random;
use crate::app::App;
use crate::audit::{self, Action, AppendError, Event};
use crate::store::{AuthEvent, AuthKind, StoreError, UserRow};

/// A user to make.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Name, for ever.
    pub username: PersonId,
    /// Address.
    pub email: Option<String>,
    /// Password.
    pub password: String,
    /// What they may do.
    pub roles: Vec<Role>,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// There is no such user, or they are disabled.
    #[error("there is no user {0}, or they are disabled")]
    NotFound(PersonId),
    /// The name was given before; names are never given twice.
    #[error("{0} is taken")]
    Taken(PersonId),
    /// Nobody could give roles any more.
    #[error("this is the last admin: make another first")]
    LastAdmin,
    /// The password's length.
    #[error(transparent)]
    Password(#[from] BadLength),
    /// The present password is another.
    #[error("the present password is wrong")]
    Wrong,
    /// Too many have failed in the last 15 minutes.
    #[error("too many logins have failed: wait 15 minutes")]
    Limited,
    /// The audit event was not stored.
    #[error("the change was not audited")]
    Audit(#[from] AppendError),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

impl std::convert::From<LoginError> for UserError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Wrong => Self::Wrong,
            LoginError::Limited => Self::Limited,
            LoginError::Store(error) => Self::Store(error),
        }
    }
}

impl UserError {
    /// Stable, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "user_not_found",
            Self::Taken(_) => "user_taken",
            Self::LastAdmin => "last_admin",
            Self::Password(_) => "password_length",
            Self::Wrong => "wrong_password",
            Self::Limited => "too_many_logins",
            Self::Audit(_) | Self::Store(_) => "internal",
        }
    }
}

fn event(actor: &Actor, action: Action, who: &PersonId, body: serde_json::Value) -> Event {
    Event {
        actor: actor.audit_name(),
        action,
        subject: who.to_string(),
        body,
    }
}

fn sorted(roles: &[Role]) -> Vec<Role> {
    let mut roles = roles.to_vec();
    roles.sort();
    roles.dedup();
    roles
}

/// Makes a user.
///
/// # Errors
/// [`UserError`].
pub async fn add_user(app: &App, random: &dyn Random, actor: &Actor, new: &NewUser) -> Result<(), UserError> {
    let now = app.now();
    let user = UserRow {
        username: new.username.clone(),
        email: new.email.clone(),
        password_hash: password::hash(&new.password, random).await?,
        roles: sorted(&new.roles),
        created_at: now,
        disabled_at: None,
    };
    let mut tx = app.store.begin().await?;
    match tx.insert_user(&user).await {
        Err(StoreError::Conflict { .. }) => return Err(UserError::Taken(user.username)),
        other => other?,
    }
    let body = json!({"username": user.username, "roles": user.roles});
    let event = event(actor, Action::UserAdded, &user.username, body);
    audit::append(&mut tx, app.keys.audit(), now, event).await?;
    tx.commit().await?;
    Ok(())
}

fn check(users: &[UserRow], who: &PersonId, stays_admin: bool) -> Result<(), UserError> {
    let active = |user: &&UserRow| user.disabled_at.is_none();
    if !users.iter().filter(active).any(|user| user.username == *who) {
        return Err(UserError::NotFound(who.clone()));
    }
    let other_admin = users
        .iter()
        .filter(active)
        .any(|user| user.username != *who && user.roles.contains(&Role::Admin));
    if stays_admin || other_admin {
        Ok(())
    } else {
        Err(UserError::LastAdmin)
    }
}

/// Gives other roles; they hold from the next request.
///
/// # Errors
/// [`UserError`].
pub async fn set_roles(app: &App, actor: &Actor, who: &PersonId, roles: &[Role]) -> Result<(), UserError> {
    let now = app.now();
    let roles = sorted(roles);
    let mut tx = app.store.begin().await?;
    tx.lock_users().await?;
    check(&tx.users().await?, who, roles.contains(&Role::Admin))?;
    tx.set_roles(who, &roles).await?;
    let event = event(
        actor,
        Action::UserRoles,
        who,
        json!({"username": who, "roles": roles}),
    );
    audit::append(&mut tx, app.keys.audit(), now, event).await?;
    tx.commit().await?;
    Ok(())
}

/// Disables a user, for ever: their sessions end, their tokens are refused.
///
/// # Errors
/// [`UserError`].
pub async fn disable_user(app: &App, actor: &Actor, who: &PersonId) -> Result<(), UserError> {
    let now = app.now();
    let mut tx = app.store.begin().await?;
    tx.lock_users().await?;
    check(&tx.users().await?, who, false)?;
    tx.disable_user(who, now).await?;
    let sessions = tx.end_sessions_of(who, now).await?;
    let event = event(
        actor,
        Action::UserDisabled,
        who,
        json!({"username": who, "sessions_ended": sessions}),
    );
    audit::append(&mut tx, app.keys.audit(), now, event).await?;
    tx.commit().await?;
    Ok(())
}

/// Changes one's own password: all one's sessions end.
///
/// # Errors
/// [`UserError`].
pub async fn change_password(
    app: &App,
    random: &dyn Random,
    actor: &Actor,
    present: &str,
    next: &str,
) -> Result<(), UserError> {
    let now = app.now();
    let who = &actor.person;
    // The present password is a login by another name: it counts against the same limits.
    let from = From {
        address: actor.client_ip.clone(),
        user_agent: actor.user_agent.clone(),
    };
    let given = Login {
        username: who.as_str(),
        password: present,
    };
    let checked = check_password(app, &from, given).await?;
    let hash = password::hash(next, random).await;
    let mut tx = app.store.begin().await?;
    checked.holds(&mut tx).await?;
    let hash = match hash {
        Ok(hash) => hash,
        // The present password was right: that the next one is refused is no failed login.
        Err(bad) => {
            tx.commit().await?;
            return Err(bad.into());
        }
    };
    tx.set_password(who, &hash).await?;
    let sessions = tx.end_sessions_of(who, now).await?;
    tx.insert_auth_event(AuthEvent {
        kind: AuthKind::PasswordChanged,
        username: Some(who.as_str()),
        client_ip: actor.client_ip.as_deref(),
        at: now,
    })
    .await?;
    let event = event(
        actor,
        Action::UserPassword,
        who,
        json!({"username": who, "sessions_ended": sessions}),
    );
    audit::append(&mut tx, app.keys.audit(), now, event).await?;
    tx.commit().await?;
    Ok(())
}
