//! Any operator, alone, may stop a slot.

use contracts::ids::SlotId;
use serde_json::json;

use super::directive::{self, DirectiveError};
use crate::app::{App, Changed};
use crate::audit::{self, Action, AppendError, Event};
use crate::auth::{Actor, Role, Via};
use crate::limits::NOTES_BYTES_MAX;
use crate::notify::{self, Notice};
use crate::store::{SlotRow, StoreError, Tx};

/// Which slot, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halt {
    /// The slot.
    pub slot: SlotId,
    /// Why.
    pub reason: String,
}

/// Why the slot is not halted by this.
#[derive(Debug, thiserror::Error)]
pub enum HaltError {
    /// No operator.
    #[error("only an operator, an approver or an administrator may halt a slot")]
    NotOperator,
    /// No person: a token, whatever its scopes.
    #[error("this needs a person who logged in, however long ago: a token cannot do it")]
    NoPerson,
    /// Nobody reads that much.
    #[error("say why in at most {NOTES_BYTES_MAX} bytes")]
    ReasonTooLong,
    /// There is no such slot.
    #[error("there is no slot {0}")]
    NoSlot(SlotId),
    /// The directive cannot be signed.
    #[error("no directive can be signed")]
    Directive(#[from] DirectiveError),
    /// The audit event was not stored.
    #[error("the halt was not audited")]
    Audit(#[from] AppendError),
    /// The database.
    #[error("the database did not answer: halt the engine itself with `engine halt`")]
    Store(#[from] StoreError),
}

impl HaltError {
    /// Stable, for programs; none for what is no refusal by the rules.
    #[must_use]
    pub const fn code(&self) -> Option<&'static str> {
        match self {
            Self::NotOperator => Some("not_operator"),
            Self::NoPerson => Some("person_required"),
            Self::ReasonTooLong => Some("reason_too_long"),
            Self::NoSlot(_) => Some("not_found"),
            Self::Directive(_) | Self::Audit(_) | Self::Store(_) => None,
        }
    }
}

/// Sets the control latch and signs a directive that says so. Done again, it says it again.
///
/// # Errors
/// [`HaltError`].
pub async fn halt(app: &App, actor: &Actor, request: &Halt) -> Result<u64, HaltError> {
    // An old login may stop a slot: stopping is never harder than going on. No token may: none has a scope that is meant for it.
    if !actor.has_any(&[Role::Operator, Role::Approver, Role::Admin]) {
        return Err(HaltError::NotOperator);
    }
    if !matches!(actor.via, Via::Password { .. }) {
        return Err(HaltError::NoPerson);
    }
    if request.reason.len() > NOTES_BYTES_MAX {
        return Err(HaltError::ReasonTooLong);
    }
    let mut tx = app.store.begin().await?;
    let slot = tx.slot_for_update(&request.slot).await?;
    let slot = slot.ok_or_else(|| HaltError::NoSlot(request.slot.clone()))?;
    let number = set_latch(app, &mut tx, actor, slot, &request.reason).await?;
    tx.commit().await?;
    app.tell(Changed::Slot {
        slot: request.slot.clone(),
    });
    Ok(number)
}

/// Sets the latch of a locked slot within the caller's transaction; returns the directive's number.
pub(crate) async fn set_latch(
    app: &App,
    tx: &mut Tx,
    actor: &Actor,
    slot: SlotRow,
    reason: &str,
) -> Result<u64, HaltError> {
    let now = app.now();
    tx.set_halted(&slot.slot, Some(&actor.person), now).await?;
    let slot = SlotRow { halted: true, ..slot };
    let (directive, verified) = directive::issue_halt(app, tx, &slot).await?;
    let body = json!({
        "slot": slot.slot, "halted": true, "reason": reason, "directive": directive.number, "contract_verified": verified,
    });
    let event = Event {
        actor: actor.audit_name(),
        action: Action::Halted,
        subject: slot.slot.to_string(),
        body,
    };
    audit::append(tx, app.keys.audit(), now, event).await?;
    let notice = Notice::Halted {
        slot: &slot.slot,
        by: &actor.person,
        reason,
    };
    notify::post(app, tx, &notice).await?;
    Ok(directive.number)
}
