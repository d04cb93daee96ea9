//! Going on takes two operators: one asks, another confirms.

use contracts::directive::Directive;
use contracts::ids::{PersonId, SlotId};
use contracts::reason::Latch;
use serde_json::json;

use super::directive::{self, DirectiveError};
use crate::app::{App, Changed};
use crate::audit::{self, Action, AppendError, Event};
use crate::auth::{Actor, NotFresh, Role};
use crate::limits::{NOTES_BYTES_MAX, RESUME_REQUEST_MS};
use crate::notify::{self, Notice};
use crate::promote::check_reason;
use crate::store::{ResumeRow, SlotRow, StoreError, Tx};

/// What shall be cleared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeRequest {
    /// The slot.
    pub slot: SlotId,
    /// Which latches.
    pub latches: Vec<Latch>,
    /// Why it is safe to go on.
    pub reason: String,
}

/// Why it was refused by the rules. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResumeRefused {
    /// No operator.
    #[error("{0} is no operator")]
    NotOperator(PersonId),
    /// The login does not carry it.
    #[error(transparent)]
    NotFresh(#[from] NotFresh),
    /// There is no such slot.
    #[error("there is no slot {0}")]
    NoSlot(SlotId),
    /// Nothing to clear, no reason, or one that nobody reads.
    #[error("name at least one latch, and say why it is safe to go on, in at most {NOTES_BYTES_MAX} bytes")]
    Incomplete,
    /// Somebody asked already.
    #[error("{0} has asked already: confirm that request, or let it run out")]
    Open(PersonId),
    /// Nobody asked, or too long ago.
    #[error("there is no open request to resume {0}")]
    NothingOpen(SlotId),
    /// The one who asks does not confirm.
    #[error("{0} asked for this: another operator must confirm it")]
    SamePerson(PersonId),
    /// What would go on was withdrawn.
    #[error(
        "the model of {0}'s newest contract is not in production: roll back to one that may run, or deploy one, first"
    )]
    NoProductionModel(SlotId),
}

impl ResumeRefused {
    /// Stable, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotOperator(_) => "not_operator",
            Self::NotFresh(NotFresh::NoPerson) => "person_required",
            Self::NotFresh(NotFresh::TooOld { .. }) => "login_too_old",
            Self::NoSlot(_) => "not_found",
            Self::Incomplete => "resume_incomplete",
            Self::Open(_) => "resume_open",
            Self::NothingOpen(_) => "resume_not_requested",
            Self::SamePerson(_) => "second_person_required",
            Self::NoProductionModel(_) => "no_production_model",
        }
    }
}

/// Why the slot does not go on.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// By the rules.
    #[error(transparent)]
    Refused(#[from] ResumeRefused),
    /// The directive cannot be signed.
    #[error("no directive can be signed")]
    Directive(#[from] DirectiveError),
    /// The audit event was not stored.
    #[error("it was not audited")]
    Audit(#[from] AppendError),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

fn check_operator(app: &App, actor: &Actor) -> Result<(), ResumeRefused> {
    if !actor.has_any(&[Role::Operator]) {
        return Err(ResumeRefused::NotOperator(actor.person.clone()));
    }
    Ok(actor.fresh_person(app.now())?)
}

/// A slot whose model was withdrawn does not go on; its engines' own latches may be cleared, the control latch holds.
async fn check_model(app: &App, tx: &mut Tx, slot: &SlotRow, latches: &[Latch]) -> Result<(), ResumeError> {
    if latches.contains(&Latch::Control) && directive::runs_no_production_model(app, tx, slot).await? {
        return Err(ResumeRefused::NoProductionModel(slot.slot.clone()).into());
    }
    Ok(())
}

/// The first operator asks. Nothing is cleared yet.
///
/// # Errors
/// [`ResumeError`].
pub async fn request_resume(app: &App, actor: &Actor, request: &ResumeRequest) -> Result<(), ResumeError> {
    check_operator(app, actor)?;
    if request.latches.is_empty() || check_reason(&request.reason).is_err() {
        return Err(ResumeRefused::Incomplete.into());
    }
    let now = app.now();
    let mut latches = request.latches.clone();
    latches.sort();
    latches.dedup();
    let mut tx = app.store.begin().await?;
    let slot = tx.slot_for_update(&request.slot).await?;
    let slot = slot.ok_or_else(|| ResumeRefused::NoSlot(request.slot.clone()))?;
    check_model(app, &mut tx, &slot, &latches).await?;
    if let Some(open) = tx.open_resume(&slot.slot).await? {
        if now < open.expires_at {
            return Err(ResumeRefused::Open(open.requested_by).into());
        }
        tx.drop_resume(&slot.slot).await?;
    }
    let row = ResumeRow {
        slot: slot.slot.clone(),
        latches: latches.clone(),
        reason: request.reason.clone(),
        requested_by: actor.person.clone(),
        requested_at: now,
        expires_at: now.plus_ms(RESUME_REQUEST_MS),
    };
    tx.insert_resume(&row).await?;
    let body = json!({"slot": slot.slot, "latches": latches, "reason": request.reason});
    let event = Event {
        actor: actor.audit_name(),
        action: Action::ResumeRequested,
        subject: slot.slot.to_string(),
        body,
    };
    audit::append(&mut tx, app.keys.audit(), now, event).await?;
    tx.commit().await?;
    app.tell(Changed::Slot { slot: slot.slot });
    Ok(())
}

/// Another operator confirms: a directive that names the latches in `clears` is signed. The one who halted may be one of the two.
///
/// # Errors
/// [`ResumeError`].
pub async fn confirm_resume(app: &App, actor: &Actor, slot: &SlotId) -> Result<Directive, ResumeError> {
    check_operator(app, actor)?;
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let row = tx
        .slot_for_update(slot)
        .await?
        .ok_or_else(|| ResumeRefused::NoSlot(slot.clone()))?;
    let open = tx.open_resume(slot).await?.filter(|open| now < open.expires_at);
    let open = open.ok_or_else(|| ResumeRefused::NothingOpen(slot.clone()))?;
    if open.requested_by == actor.person {
        return Err(ResumeRefused::SamePerson(actor.person.clone()).into());
    }
    check_model(app, &mut tx, &row, &open.latches).await?;
    let clears_control = open.latches.contains(&Latch::Control);
    let row = SlotRow {
        halted: row.halted && !clears_control,
        ..row
    };
    if clears_control {
        tx.set_halted(slot, None, now).await?;
    }
    let directive = directive::issue(app, &mut tx, &row, &open.latches).await?;
    tx.confirm_resume(slot, &actor.person, now, directive.number)
        .await?;
    let body = json!({
        "slot": slot, "latches": open.latches, "requested_by": open.requested_by, "reason": open.reason,
        "directive": directive.number, "halted": directive.halted,
    });
    let event = Event {
        actor: actor.audit_name(),
        action: Action::Resumed,
        subject: slot.to_string(),
        body,
    };
    audit::append(&mut tx, app.keys.audit(), now, event).await?;
    let notice = Notice::Resumed {
        slot,
        requested_by: &open.requested_by,
        by: &actor.person,
        latches: &open.latches,
        reason: &open.reason,
    };
    notify::post(app, &mut tx, &notice).await?;
    tx.commit().await?;
    app.tell(Changed::Slot { slot: slot.clone() });
    Ok(directive)
}
