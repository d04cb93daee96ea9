//! An approved model goes into production after its vote.

use contracts::ids::ModelId;
use contracts::production::{Decision, Promote, Signed, Votes};
use serde_json::json;

use super::refused::{MoveError, MoveRefused, Moved, check_mover};
use crate::app::{App, Changed};
use crate::audit::{self, Action, Event};
use crate::auth::Actor;
use crate::contract;
use crate::registry::Stage;
use crate::store::{Cause, StatementRow};
use crate::votes::{Deployment, deploy};

/// Which model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromoteLater {
    /// It.
    pub model_id: ModelId,
}

/// Deploys an approved model: only with a signed second vote that says yes and has not lapsed, and only while the slot's production
/// model is still the one its evidence compares with.
///
/// # Errors
/// [`MoveError`]; whatever it is, nothing was changed.
pub async fn promote(app: &App, actor: &Actor, request: &PromoteLater) -> Result<Moved, MoveError> {
    let now = app.now();
    check_mover(actor, now)?;
    let not_found = || MoveRefused::NotFound(request.model_id.clone());
    let known = app.store.model(&request.model_id).await?.ok_or_else(not_found)?;
    let intact = contract::check_artifacts(app, &request.model_id).await?;
    let mut tx = app.store.begin().await?;
    let missing = |what: &dyn std::fmt::Display| MoveError::Missing(what.to_string());
    let slot = tx
        .slot_for_update(&known.slot)
        .await?
        .ok_or_else(|| missing(&known.slot))?;
    let model = tx
        .model_for_update(&request.model_id)
        .await?
        .ok_or_else(not_found)?;
    if model.stage != Stage::Staging {
        return Err(MoveRefused::WrongStage(model.stage).into());
    }
    if tx.authors(&model.model_id).await?.contains(&actor.person) {
        return Err(MoveRefused::Author(actor.person.clone()).into());
    }
    let proposal = model.l4_proposal_id.clone().ok_or(MoveRefused::NotApproved)?;
    let second = tx.second_vote(&proposal).await?.ok_or(MoveRefused::NotApproved)?;
    let said = &second.statement;
    if said.decision != Decision::Approve || said.model_id != model.model_id || said.slot != model.slot {
        return Err(MoveRefused::NotApproved.into());
    }
    if now > said.deploy_by {
        return Err(MoveRefused::Lapsed(said.deploy_by).into());
    }
    let previous = tx
        .production_model(&model.slot)
        .await?
        .map(|model| model.model_id);
    if previous != said.baseline_model_id {
        return Err(MoveRefused::BaselineChanged.into());
    }
    let evidence = tx.evidence_of_digest(&proposal, said.evidence_digest).await?;
    let evidence = evidence.ok_or_else(|| missing(&proposal))?;
    let experiment = tx
        .experiment(&model.contract_id)
        .await?
        .ok_or_else(|| missing(&model.contract_id))?;

    let statement = Promote {
        proposal_id: proposal,
        model_id: model.model_id.clone(),
        bundle_hash: model.bundle_hash,
        slot: model.slot.clone(),
        actor: actor.person.clone(),
        at: now,
    };
    let promoted = Signed::new(statement, app.keys.vote())?;
    tx.insert_statement(StatementRow::Promote(&promoted), now).await?;
    let deployment = Deployment {
        slot,
        model: &model,
        from: Stage::Staging,
        experiment: &experiment,
        votes: Votes {
            first: evidence.first_vote,
            second,
            promote: Some(promoted),
            rollback: None,
        },
        previous: previous.as_ref(),
        cause: Cause::Promote,
        intact,
    };
    let (generation, contract) = deploy(app, &mut tx, actor, deployment, now).await?;
    let body = json!({
        "model_id": model.model_id, "slot": model.slot, "stage": Stage::Production, "generation": generation,
        "contract": contract, "previous_model_id": previous,
    });
    let event = Event {
        actor: actor.audit_name(),
        action: Action::Promoted,
        subject: model.model_id.to_string(),
        body,
    };
    audit::append(&mut tx, app.keys.audit(), now, event).await?;
    tx.commit().await?;
    app.tell(Changed::Slot {
        slot: model.slot.clone(),
    });
    Ok(Moved {
        slot: model.slot,
        model_id: model.model_id,
        previous_model_archived: previous,
        generation,
        contract,
    })
}
