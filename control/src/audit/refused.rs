//! A refused vote, or a refused move of production, is an event too.

use serde_json::json;

use super::{Action, AppendError, Event, append};
use crate::app::App;
use crate::auth::Actor;
use crate::store::StoreError;

/// Why the refusal could not be noted.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// The audit event was not stored.
    #[error("the refusal was not audited")]
    Audit(#[from] AppendError),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

/// What was refused.
#[derive(Clone, Copy)]
pub struct Refusal<'a> {
    /// What was tried.
    pub attempted: Action,
    /// On what: a proposal, a model, a slot.
    pub subject: &'a str,
    /// The refusal's stable code.
    pub code: &'static str,
    /// Its words.
    pub detail: &'a (dyn std::fmt::Display + Sync),
}

/// Appends VOTE_REFUSED with who tried what and why it was refused, in a transaction of its own: the one of what was tried was rolled
/// back.
///
/// # Errors
/// [`NoteError`].
pub async fn note_refusal(app: &App, actor: &Actor, refusal: Refusal<'_>) -> Result<(), NoteError> {
    let mut tx = app.store.begin().await?;
    let event = Event {
        actor: actor.audit_name(),
        action: Action::VoteRefused,
        subject: refusal.subject.to_owned(),
        body: json!({
            "attempted": refusal.attempted, "code": refusal.code, "detail": refusal.detail.to_string(),
            "client_ip": actor.client_ip, "user_agent": actor.user_agent,
        }),
    };
    append(&mut tx, app.keys.audit(), app.now(), event).await?;
    tx.commit().await?;
    Ok(())
}
