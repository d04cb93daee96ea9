//! Any operator, alone, may stop a slot.

use contracts::ids::SlotId;
use serde_json::json;

use super::directive::{self, DirectiveError};
use crate::app::{App, Changed};
use crate::audit::{self, Action, AppendError, Event};
use crate::auth::{Actor, Role};
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
    #[error("only an operator may halt a slot")]
    NotOperator,
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

/// Sets the control latch and signs a directive that says so. Done again, it says it again.
///
/// # Errors
/// [`HaltError`].
pub async fn halt(app: &App, actor: &Actor, request: &Halt) -> Result<u64, HaltError> {
    // A token or an old login may stop a slot: stopping is never harder than going on.
    if !actor.has_any(&[Role::Operator, Role::Approver, Role::Admin]) {
        return Err(HaltError::NotOperator);
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
    let directive = directive::issue(app, tx, &slot, &[]).await?;
    let body = json!({"slot": slot.slot, "halted": true, "reason": reason, "directive": directive.number});
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
