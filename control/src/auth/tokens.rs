//! Tokens for programs: scoped, expiring, an engine's bound to one slot.

use contracts::ids::{PersonId, SlotId};
use contracts::time::UtcMillis;
use serde_json::json;

use super::actor::{Actor, Role, Scope};
use super::secret::{Random, Secret};
use crate::app::App;
use crate::audit::{self, Action, AppendError, Event};
use crate::limits::{DAY_MS, TOKEN_DAYS_MAX};
use crate::store::{StoreError, TokenRow};

/// A token to make.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Whose.
    pub owner: PersonId,
    /// What for, in words.
    pub name: String,
    /// What for.
    pub scopes: Vec<Scope>,
    /// For `engine:sync`: which slot.
    pub slot: Option<SlotId>,
    /// Its life, in days.
    pub days: u32,
}

/// Why there is no token, or it was not revoked.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// There is no such token, or it is revoked already.
    #[error("there is no token {0}, or it is revoked")]
    NotFound(String),
    /// There is no such user, or they are disabled.
    #[error("there is no user {0}, or they are disabled")]
    NoOwner(PersonId),
    /// The owner may not do that themselves.
    #[error("the owner has no role that {} needs", .0.word())]
    Role(Scope),
    /// A scope and a slot that do not fit.
    #[error("engine:sync needs a slot that is in control.toml, other scopes none")]
    Slot,
    /// Days, name or scopes out of range.
    #[error("a token lives 1 to {TOKEN_DAYS_MAX} days, has a name of 1 to 100 bytes and at least one scope")]
    Shape,
    /// The audit event was not stored.
    #[error("the change was not audited")]
    Audit(#[from] AppendError),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

impl TokenError {
    /// Stable, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "token_not_found",
            Self::NoOwner(_) => "user_not_found",
            Self::Role(_) => "owner_lacks_role",
            Self::Slot => "token_slot",
            Self::Shape => "token_shape",
            Self::Audit(_) | Self::Store(_) => "internal",
        }
    }
}

/// Roles of which an owner needs one for a token of this scope.
#[must_use]
pub const fn owner_roles(scope: Scope) -> &'static [Role] {
    match scope {
        Scope::EngineSync => &[Role::Engine],
        Scope::ResearchWrite => &[Role::Researcher],
        Scope::PositionsWrite => &[Role::Engine, Role::Operator],
        Scope::SignalsRead | Scope::MetricsRead => Role::ALL,
    }
}

/// Makes a token; its secret is shown once.
///
/// # Errors
/// [`TokenError`].
pub async fn create_token(
    app: &App,
    random: &dyn Random,
    actor: &Actor,
    new: &NewToken,
) -> Result<(Secret, String, UtcMillis), TokenError> {
    let now = app.now();
    let mut scopes = new.scopes.clone();
    scopes.sort();
    scopes.dedup();
    let shaped = (1..=TOKEN_DAYS_MAX).contains(&new.days) && (1..=100).contains(&new.name.len());
    if !shaped || scopes.is_empty() {
        return Err(TokenError::Shape);
    }
    let fits = match &new.slot {
        Some(slot) => scopes == [Scope::EngineSync] && app.config.slots.contains_key(slot),
        None => !scopes.contains(&Scope::EngineSync),
    };
    if !fits {
        return Err(TokenError::Slot);
    }
    let owner = app
        .store
        .user(&new.owner)
        .await?
        .filter(|user| user.disabled_at.is_none())
        .ok_or_else(|| TokenError::NoOwner(new.owner.clone()))?;
    let lacks = |scope: &&Scope| !owner.roles.iter().any(|role| owner_roles(**scope).contains(role));
    if let Some(scope) = scopes.iter().find(lacks) {
        return Err(TokenError::Role(*scope));
    }
    let secret = Secret::draw(random, "tvt_");
    let token_id = format!("tok-{}", secret.hash().short(12));
    let expires_at = now.plus_ms(i64::from(new.days) * DAY_MS);
    let row = TokenRow {
        token_id: token_id.clone(),
        token_hash: secret.hash(),
        owner: owner.username,
        name: new.name.clone(),
        scopes,
        slot: new.slot.clone(),
        created_at: now,
        expires_at,
        revoked_at: None,
        last_used_at: None,
    };
    let mut tx = app.store.begin().await?;
    tx.insert_token(&row).await?;
    let event = Event {
        actor: actor.audit_name(),
        action: Action::TokenCreated,
        subject: token_id.clone(),
        body: json!({"token_id": token_id, "owner": row.owner, "name": row.name, "scopes": row.scopes, "slot": row.slot,
            "expires_at": expires_at}),
    };
    audit::append(&mut tx, app.keys.audit(), now, event).await?;
    tx.commit().await?;
    Ok((secret, token_id, expires_at))
}

/// Revokes a token; it is refused from the next request.
///
/// # Errors
/// [`TokenError`].
pub async fn revoke_token(app: &App, actor: &Actor, id: &str) -> Result<(), TokenError> {
    let now = app.now();
    let mut tx = app.store.begin().await?;
    match tx.revoke_token(id, now).await {
        Err(StoreError::RowCount { .. }) => return Err(TokenError::NotFound(id.to_owned())),
        other => other?,
    }
    let event = Event {
        actor: actor.audit_name(),
        action: Action::TokenRevoked,
        subject: id.to_owned(),
        body: json!({"token_id": id}),
    };
    audit::append(&mut tx, app.keys.audit(), now, event).await?;
    tx.commit().await?;
    Ok(())
}
