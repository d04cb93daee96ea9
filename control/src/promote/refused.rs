//! Why production is not moved.

use contracts::hash::ContractDigest;
use contracts::ids::{ModelId, PersonId, SlotId};
use contracts::jcs::JcsError;
use contracts::time::UtcMillis;

use crate::audit::AppendError;
use crate::auth::{Actor, NotFresh, Role};
use crate::contract::BuildError;
use crate::limits::NOTES_BYTES_MAX;
use crate::registry::Stage;
use crate::slots::{DirectiveError, HaltError};
use crate::store::StoreError;
use crate::votes::{ALTERED, ApproveError};

/// What became of a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The slot.
    pub slot: SlotId,
    /// What runs in it now.
    pub model_id: ModelId,
    /// What it replaced.
    pub previous_model_archived: Option<ModelId>,
    /// The new contract's number.
    pub generation: u64,
    /// Its digest.
    pub contract: ContractDigest,
}

/// Why it was refused by the rules. Nothing was changed; the attempt is audited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoveRefused {
    /// There is no such model.
    #[error("there is no model {0}")]
    NotFound(ModelId),
    /// There is no such slot.
    #[error("there is no slot {0}")]
    NoSlot(SlotId),
    /// Neither operator nor approver.
    #[error("{0} is neither operator nor approver")]
    NotAllowed(PersonId),
    /// The login does not carry it.
    #[error(transparent)]
    NotFresh(#[from] NotFresh),
    /// The person had a hand in the model.
    #[error("{0} is an author of this model: somebody else must do this")]
    Author(PersonId),
    /// Nobody signed a yes for it.
    #[error("there is no signed approval of this model")]
    NotApproved,
    /// The approval is too old.
    #[error("the approval lapsed at {0}: a new proposal is needed")]
    Lapsed(UtcMillis),
    /// Another model runs in the slot than the one the evidence compares with.
    #[error(
        "the slot's production model is not the one the evidence compares with: a new proposal is needed"
    )]
    BaselineChanged,
    /// It stands where this move does not begin.
    #[error("the model is in {}, from where this does not lead", .0.word())]
    WrongStage(Stage),
    /// It never ran here.
    #[error("the model was never in production in this slot")]
    NeverHere,
    /// The stored contract under which it ran is not one this plane signed, or a key it depends on was revoked.
    #[error(
        "the stored contract under which it ran does not verify: the database was edited, or a key was revoked"
    )]
    ContractAltered,
    /// A rollback and a withdrawal say why.
    #[error("say why, in at most {NOTES_BYTES_MAX} bytes")]
    ReasonRequired,
}

impl MoveRefused {
    /// Stable, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) | Self::NoSlot(_) => "not_found",
            Self::NotAllowed(_) => "not_allowed",
            Self::NotFresh(NotFresh::NoPerson) => "person_required",
            Self::NotFresh(NotFresh::TooOld { .. }) => "login_too_old",
            Self::Author(_) => "author_may_not_deploy",
            Self::NotApproved => "not_approved",
            Self::Lapsed(_) => "approval_lapsed",
            Self::BaselineChanged => "baseline_changed",
            Self::WrongStage(_) => "wrong_stage",
            Self::NeverHere => "never_in_production",
            Self::ContractAltered => "contract_altered",
            Self::ReasonRequired => "reason_required",
        }
    }
}

/// Why production was not moved; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// By the rules.
    #[error(transparent)]
    Refused(#[from] MoveRefused),
    /// A row that must be there is not.
    #[error("{0} is not stored: the database was edited")]
    Missing(String),
    /// The deployment itself failed.
    #[error("the model was not deployed")]
    Deploy(#[source] Box<ApproveError>),
    /// The contract cannot be built.
    #[error("no contract can be built")]
    Build(#[from] BuildError),
    /// The directive cannot be signed.
    #[error("no directive can be signed")]
    Directive(#[from] DirectiveError),
    /// The slot cannot be halted.
    #[error("the slot was not halted")]
    Halt(#[from] HaltError),
    /// A statement has no canonical form.
    #[error("the statement has no canonical form")]
    Jcs(#[from] JcsError),
    /// The audit event was not stored.
    #[error("the move was not audited")]
    Audit(#[from] AppendError),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

impl MoveError {
    /// Its stable code, for programs and for the audit; none of a failure inside.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::Refused(refused) => Some(refused.code()),
            Self::Missing(_) => Some(ALTERED),
            Self::Build(error) => error.is_altered().then_some(ALTERED),
            Self::Deploy(error) => error.code(),
            _ => None,
        }
    }
}

impl From<ApproveError> for MoveError {
    fn from(error: ApproveError) -> Self {
        Self::Deploy(Box::new(error))
    }
}

/// Role and login, before anything is read.
pub(super) fn check_mover(actor: &Actor, now: UtcMillis) -> Result<(), MoveRefused> {
    if !actor.has_any(&[Role::Operator, Role::Approver]) {
        return Err(MoveRefused::NotAllowed(actor.person.clone()));
    }
    Ok(actor.fresh_person(now)?)
}

/// A reason that is there and can be kept.
pub(crate) fn check_reason(reason: &str) -> Result<(), MoveRefused> {
    if reason.trim().is_empty() || reason.len() > NOTES_BYTES_MAX {
        return Err(MoveRefused::ReasonRequired);
    }
    Ok(())
}
