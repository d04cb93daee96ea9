//! A refused vote is an event too.

use contracts::ids::ProposalId;
use serde_json::json;

use super::rules::VoteRefused;
use crate::app::App;
use crate::audit::{self, Action, AppendError, Event};
use crate::auth::Actor;
use crate::store::StoreError;

/// Why the refusal could not be noted.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// The audit event was not stored.
    #[error("the refused vote was not audited")]
    Audit(#[from] AppendError),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

/// Appends VOTE_REFUSED with who tried what and why it was refused, in a transaction of its own: the vote's was rolled back.
///
/// # Errors
/// [`NoteError`].
pub async fn note_refusal(
    app: &App,
    actor: &Actor,
    attempted: Action,
    proposal: &ProposalId,
    refused: &VoteRefused,
) -> Result<(), NoteError> {
    let mut tx = app.store.begin().await?;
    let event = Event {
        actor: actor.audit_name(),
        action: Action::VoteRefused,
        subject: proposal.to_string(),
        body: json!({
            "attempted": attempted, "code": refused.code(), "detail": refused.to_string(),
            "client_ip": actor.client_ip, "user_agent": actor.user_agent,
        }),
    };
    audit::append(&mut tx, app.keys.audit(), app.now(), event).await?;
    tx.commit().await?;
    Ok(())
}
