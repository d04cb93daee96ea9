//! An earlier model comes back, as a new generation.

use contracts::ids::{ModelId, SlotId};
use contracts::production::{Rollback, Signed, Votes};
use serde_json::json;

use super::refused::{MoveError, MoveRefused, Moved, check_mover, check_reason};
use crate::app::{App, Changed};
use crate::audit::{self, Action, Event};
use crate::auth::Actor;
use crate::contract;
use crate::registry::Stage;
use crate::store::{Cause, StatementRow};
use crate::votes::{Deployment, deploy};

/// What comes back where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollBack {
    /// The slot.
    pub slot: SlotId,
    /// The model that ran here before.
    pub to_model_id: ModelId,
    /// Why.
    pub reason: String,
}

/// Puts a model back that was in production in this slot and is not withdrawn. Its own signed votes carry it, with a statement about
/// the return beside them.
///
/// # Errors
/// [`MoveError`]; whatever it is, nothing was changed.
pub async fn rollback(app: &App, actor: &Actor, request: &RollBack) -> Result<Moved, MoveError> {
    let now = app.now();
    check_mover(actor, now)?;
    check_reason(&request.reason)?;
    let intact = contract::check_artifacts(app, &request.to_model_id).await?;
    let mut tx = app.store.begin().await?;
    let missing = |what: &dyn std::fmt::Display| MoveError::Missing(what.to_string());
    let slot = tx.slot_for_update(&request.slot).await?;
    let slot = slot.ok_or_else(|| MoveRefused::NoSlot(request.slot.clone()))?;
    let model = tx.model_for_update(&request.to_model_id).await?;
    let model = model.ok_or_else(|| MoveRefused::NotFound(request.to_model_id.clone()))?;
    let Some(before) = tx.contract_of_model(&slot.slot, &model.model_id).await? else {
        return Err(MoveRefused::NeverHere.into());
    };
    if model.stage != Stage::Archived {
        return Err(MoveRefused::WrongStage(model.stage).into());
    }
    if tx.authors(&model.model_id).await?.contains(&actor.person) {
        return Err(MoveRefused::Author(actor.person.clone()).into());
    }
    let current = tx.production_model(&slot.slot).await?.map(|model| model.model_id);
    let experiment = tx
        .experiment(&model.contract_id)
        .await?
        .ok_or_else(|| missing(&model.contract_id))?;
    // The votes come from the contract under which it ran. It must be the one that was signed then: votes alone, in a row that somebody
    // wrote, do not say that it ever ran, and an approval that lapsed is genuine too.
    let earlier = contract::verified(&before, &slot.slot, app.keys.trusted())
        .and_then(|contract| contract.votes)
        .ok_or(MoveRefused::ContractAltered)?;
    let statement = Rollback {
        model_id: model.model_id.clone(),
        bundle_hash: model.bundle_hash,
        from_model_id: current.clone().unwrap_or_else(|| model.model_id.clone()),
        slot: slot.slot.clone(),
        reason: request.reason.clone(),
        actor: actor.person.clone(),
        at: now,
    };
    let signed = Signed::new(statement, app.keys.vote())?;
    tx.insert_statement(StatementRow::Rollback(&signed), now).await?;
    let deployment = Deployment {
        slot,
        model: &model,
        from: Stage::Archived,
        experiment: &experiment,
        votes: Votes {
            rollback: Some(signed),
            ..earlier
        },
        previous: current.as_ref(),
        cause: Cause::Rollback,
        intact,
    };
    let (generation, contract) = deploy(app, &mut tx, actor, deployment, now).await?;
    let body = json!({
        "slot": request.slot, "model_id": model.model_id, "from_model_id": current, "stage": Stage::Production,
        "generation": generation, "contract": contract, "reason": request.reason,
    });
    let event = Event {
        actor: actor.audit_name(),
        action: Action::RolledBack,
        subject: request.slot.to_string(),
        body,
    };
    audit::append(&mut tx, app.keys.audit(), now, event).await?;
    tx.commit().await?;
    app.tell(Changed::Slot {
        slot: request.slot.clone(),
    });
    Ok(Moved {
        slot: request.slot.clone(),
        model_id: model.model_id,
        previous_model_archived: current,
        generation,
        contract,
    })
}
