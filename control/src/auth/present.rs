//! From a presented secret to somebody who asks.

use super::actor::{Actor, Role, Via};
use super::login::From;
use super::secret::{Secret, SecretHash};
use super::tokens::owner_roles;
use crate::app::App;
use crate::limits::{SESSION_IDLE_MS, USE_NOTED_MS};
use crate::store::{SessionRow, StoreError};

/// Why nobody is behind it.
#[derive(Debug, thiserror::Error)]
pub enum PresentError {
    /// Unknown, ended, expired, revoked, or its owner is disabled: which of these is not told.
    #[error("the session or token is not valid: log in again")]
    Invalid,
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

/// Somebody with a session.
#[derive(Debug, Clone)]
pub struct Presented {
    /// Who.
    pub actor: Actor,
    /// Their session.
    pub session: SessionRow,
}

/// Whose session it is. `touch` says that it is being used; a stream that only goes on does not keep it alive.
///
/// # Errors
/// [`PresentError`].
pub async fn by_session(
    app: &App,
    hash: SecretHash,
    from: &From,
    touch: bool,
) -> Result<Presented, PresentError> {
    let now = app.now();
    let session = app.store.session(hash).await?.ok_or(PresentError::Invalid)?;
    let idle = now.0 - session.last_seen_at.0;
    if session.ended_at.is_some() || now >= session.expires_at || idle >= SESSION_IDLE_MS {
        return Err(PresentError::Invalid);
    }
    let user = app
        .store
        .user(&session.username)
        .await?
        .filter(|user| user.disabled_at.is_none())
        .ok_or(PresentError::Invalid)?;
    if touch && idle >= USE_NOTED_MS {
        let mut tx = app.store.begin().await?;
        tx.touch_session(hash, now).await?;
        tx.commit().await?;
    }
    let actor = Actor {
        person: user.username,
        email: user.email,
        roles: user.roles,
        via: Via::Password {
            authenticated_at: session.authenticated_at,
        },
        client_ip: from.address.clone(),
        user_agent: from.user_agent.clone(),
    };
    Ok(Presented { actor, session })
}

/// Whose token it is. It carries no scope that its owner could not be given today.
///
/// # Errors
/// [`PresentError`].
pub async fn by_token(app: &App, secret: &Secret, from: &From) -> Result<Actor, PresentError> {
    let now = app.now();
    let token = app
        .store
        .token(secret.hash())
        .await?
        .ok_or(PresentError::Invalid)?;
    if token.revoked_at.is_some() || now >= token.expires_at {
        return Err(PresentError::Invalid);
    }
    let user = app
        .store
        .user(&token.owner)
        .await?
        .filter(|user| user.disabled_at.is_none())
        .ok_or(PresentError::Invalid)?;
    if token.last_used_at.is_none_or(|at| now.0 - at.0 >= USE_NOTED_MS) {
        let mut tx = app.store.begin().await?;
        tx.touch_token(&token.token_id, now).await?;
        tx.commit().await?;
    }
    let may = |roles: &[Role]| user.roles.iter().any(|role| roles.contains(role));
    let scopes = token
        .scopes
        .into_iter()
        .filter(|scope| may(owner_roles(*scope)))
        .collect();
    Ok(Actor {
        person: user.username,
        email: user.email,
        roles: user.roles,
        via: Via::Token {
            token_id: token.token_id,
            scopes,
            slot: token.slot,
        },
        client_ip: from.address.clone(),
        user_agent: from.user_agent.clone(),
    })
}
