//! What an engine reports of numbers: one that has seen higher ones than were given here followed a store that was lost since. What is
//! signed from now on must be above them, or the engine refuses it.

use contracts::ids::SlotId;
use serde_json::json;

use crate::app::App;
use crate::audit::{self, Action, AppendError, Event};
use crate::auth::Actor;
use crate::limits::NUMBERS_AHEAD_MAX;
use crate::store::{EngineRow, SlotRow, StoreError, Tx};

/// Why a heartbeat is not taken.
#[derive(Debug, thiserror::Error)]
pub enum HeardError {
    /// No store gives so many numbers: an engine must not use up those there are.
    #[error(
        "the engine reports generation {} and directive {} for {}: no restored store can be that far behind; start a new engine, or \
         restore with --floor",
        .0.generation_highest, .0.directive_highest, .0.slot
    )]
    TooFar(Box<EngineRow>),
    /// The audit event was not stored.
    #[error("the numbers were not audited")]
    Audit(#[from] AppendError),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

/// Keeps a heartbeat; where it reports numbers above the slot's, the slot's are raised to them, with an event.
///
/// # Errors
/// [`HeardError`].
pub async fn heard(app: &App, actor: &Actor, row: EngineRow) -> Result<SlotId, HeardError> {
    let known = app.store.slot(&row.slot).await?;
    let behind = known.is_some_and(|slot| is_behind(&slot, &row));
    let mut tx = app.store.begin().await?;
    if behind {
        raise(app, &mut tx, actor, &row).await?;
    }
    tx.put_heartbeat(&row).await?;
    tx.commit().await?;
    Ok(row.slot)
}

const fn is_behind(slot: &SlotRow, row: &EngineRow) -> bool {
    row.generation_highest > slot.generation || row.directive_highest > slot.directive_number
}

async fn raise(app: &App, tx: &mut Tx, actor: &Actor, row: &EngineRow) -> Result<(), HeardError> {
    let slot = tx.slot_for_update(&row.slot).await?;
    let Some(slot) = slot.filter(|slot| is_behind(slot, row)) else {
        return Ok(());
    };
    let generation = slot.generation.max(row.generation_highest);
    let directive_number = slot.directive_number.max(row.directive_highest);
    if generation - slot.generation > NUMBERS_AHEAD_MAX
        || directive_number - slot.directive_number > NUMBERS_AHEAD_MAX
    {
        return Err(HeardError::TooFar(Box::new(row.clone())));
    }
    tx.raise_numbers(&row.slot, generation, directive_number).await?;
    let event = Event {
        actor: actor.audit_name(),
        action: Action::NumbersRaised,
        subject: row.slot.to_string(),
        body: json!({
            "slot": row.slot, "engine_id": row.engine_id, "generation": generation, "directive_number": directive_number,
        }),
    };
    audit::append(tx, app.keys.audit(), app.now(), event).await?;
    Ok(())
}
