//! A model is forbidden for ever.

use contracts::ids::{ModelId, SlotId};
use serde_json::json;

use super::refused::{MoveError, MoveRefused, check_mover, check_reason};
use crate::app::{App, Changed};
use crate::audit::{self, Action, Event};
use crate::auth::Actor;
use crate::registry::Stage;
use crate::slots;

/// Which, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdraw {
    /// The model.
    pub model_id: ModelId,
    /// Why.
    pub reason: String,
}

/// Forbids the model; when it runs, the control latch of its slot is set in the same transaction. Returns the slot that was halted.
///
/// # Errors
/// [`MoveError`]; whatever it is, nothing was changed.
pub async fn withdraw(app: &App, actor: &Actor, request: &Withdraw) -> Result<Option<SlotId>, MoveError> {
    let now = app.now();
    check_mover(actor, now)?;
    check_reason(&request.reason)?;
    let not_found = || MoveRefused::NotFound(request.model_id.clone());
    let known = app.store.model(&request.model_id).await?.ok_or_else(not_found)?;
    let mut tx = app.store.begin().await?;
    let slot = tx.slot_for_update(&known.slot).await?;
    let slot = slot.ok_or_else(|| MoveRefused::NoSlot(known.slot.clone()))?;
    let model = tx
        .model_for_update(&request.model_id)
        .await?
        .ok_or_else(not_found)?;
    if model.stage == Stage::Withdrawn {
        return Err(MoveRefused::WrongStage(model.stage).into());
    }
    tx.withdraw_model(&model.model_id, now).await?;
    let mut halted = None;
    if model.stage == Stage::Production {
        tx.turn_period(&slot.slot, None, now).await?;
        slots::set_latch(app, &mut tx, actor, slot, &request.reason).await?;
        halted = Some(model.slot.clone());
    }
    let body = json!({
        "model_id": model.model_id, "stage": Stage::Withdrawn, "reason": request.reason, "halted": halted,
    });
    let event = Event {
        actor: actor.audit_name(),
        action: Action::ModelWithdrawn,
        subject: model.model_id.to_string(),
        body,
    };
    audit::append(&mut tx, app.keys.audit(), now, event).await?;
    tx.commit().await?;
    app.tell(Changed::Slot { slot: model.slot });
    Ok(halted)
}
