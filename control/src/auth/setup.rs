//! The first admin: made through a link that works once.

use contracts::ids::PersonId;
use serde_json::json;

use super::actor::Role;
use super::password::{self, BadLength};
use super::secret::{Random, Secret};
use crate::app::App;
use crate::audit::{self, Action, AppendError, Event};
use crate::limits::SETUP_LINK_MS;
use crate::store::{StoreError, UserRow};

/// Who becomes the first admin.
#[derive(Debug, Clone)]
pub struct FirstAdmin {
    /// What the link holds.
    pub link: Secret,
    /// Name.
    pub username: PersonId,
    /// Address.
    pub email: Option<String>,
    /// Password.
    pub password: String,
}

/// Why there is no first admin.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Unknown, spent or too old; or there are users already.
    #[error("the link is not valid: start `control serve` again on an empty store for another")]
    Link,
    /// The password's length.
    #[error(transparent)]
    Password(#[from] BadLength),
    /// The audit event was not stored.
    #[error("the setup was not audited")]
    Audit(#[from] AppendError),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

/// A new link, when there is no user yet; links before it are spent.
///
/// # Errors
/// [`StoreError`].
pub async fn offer_setup(app: &App, random: &dyn Random) -> Result<Option<Secret>, StoreError> {
    let now = app.now();
    let mut tx = app.store.begin().await?;
    tx.lock_users().await?;
    if !tx.users().await?.is_empty() {
        return Ok(None);
    }
    let link = Secret::draw(random, "setup_");
    tx.insert_setup_link(link.hash(), now, now.plus_ms(SETUP_LINK_MS))
        .await?;
    tx.commit().await?;
    Ok(Some(link))
}

/// Makes the first admin and spends the link.
///
/// # Errors
/// [`SetupError`]; then nothing was changed, the link is as good as before.
pub async fn set_up(app: &App, random: &dyn Random, first: &FirstAdmin) -> Result<(), SetupError> {
    let now = app.now();
    // Hashed before the transaction: it takes long, and logins wait for the write lock.
    let hashed = password::hash(&first.password, random).await;
    let mut tx = app.store.begin().await?;
    tx.lock_users().await?;
    if !tx.take_setup_link(first.link.hash(), now).await? || !tx.users().await?.is_empty() {
        return Err(SetupError::Link);
    }
    let user = UserRow {
        username: first.username.clone(),
        email: first.email.clone(),
        password_hash: hashed?,
        roles: vec![Role::Admin],
        created_at: now,
        disabled_at: None,
    };
    tx.insert_user(&user).await?;
    let event = Event {
        actor: "control".to_owned(),
        action: Action::UserAdded,
        subject: user.username.to_string(),
        body: json!({"username": user.username, "roles": user.roles, "by": "setup"}),
    };
    audit::append(&mut tx, app.keys.audit(), now, event).await?;
    tx.commit().await?;
    Ok(())
}
