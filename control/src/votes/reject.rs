//! No.

use contracts::hash::EvidenceDigest;
use contracts::ids::ProposalId;
use contracts::jcs::JcsError;
use contracts::production::{Decision, SecondVote, Signed};
use serde_json::json;

use super::record::{Ended, record};
use super::rules::{self, ALTERED, Altered, OpenError, VoteRefused};
use crate::app::{App, Changed};
use crate::audit::{Action, AppendError};
use crate::auth::Actor;
use crate::notify::{self, Notice};
use crate::store::{Decided, ProposalStatus, StatementRow, StoreError};

/// What the voter says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// About which proposal.
    pub proposal_id: ProposalId,
    /// On which evidence.
    pub evidence_digest: EvidenceDigest,
    /// Why.
    pub notes: Option<String>,
}

/// Why there was no rejection; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RejectError {
    /// By the rules.
    #[error(transparent)]
    Refused(#[from] VoteRefused),
    /// Rows were edited.
    #[error(transparent)]
    Altered(#[from] Altered),
    /// The statement has no canonical form.
    #[error("the vote has no canonical form")]
    Jcs(#[from] JcsError),
    /// The audit event was not stored.
    #[error("the vote was not audited")]
    Audit(#[from] AppendError),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

impl RejectError {
    /// Its stable code, for programs and for the audit; none of a failure inside.
    #[must_use]
    pub const fn code(&self) -> Option<&'static str> {
        match self {
            Self::Refused(refused) => Some(refused.code()),
            Self::Altered(_) => Some(ALTERED),
            _ => None,
        }
    }
}

impl From<OpenError> for RejectError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Refused(refused) => Self::Refused(refused),
            OpenError::Store(error) => Self::Store(error),
            OpenError::Altered(altered) => Self::Altered(altered),
        }
    }
}

/// Casts the second vote: no. The model stays in `staging`; a new proposal may follow.
///
/// # Errors
/// [`RejectError`].
pub async fn reject(app: &App, actor: &Actor, request: &Reject) -> Result<(), RejectError> {
    let now = app.now();
    rules::check_voter(actor, request.notes.as_deref(), now)?;
    let mut tx = app.store.begin().await?;
    let open = rules::open(
        app,
        &mut tx,
        &request.proposal_id,
        actor,
        request.evidence_digest,
        now,
    )
    .await?;
    let proposal = open.proposal;
    let statement = SecondVote {
        proposal_id: proposal.proposal_id.clone(),
        evidence_digest: proposal.evidence_digest,
        model_id: proposal.model_id.clone(),
        bundle_hash: open.evidence.evidence.candidate.bundle_hash,
        slot: proposal.slot.clone(),
        baseline_model_id: proposal.baseline_model_id.clone(),
        decision: Decision::Reject,
        voter: actor.person.clone(),
        voted_at: now,
        deploy_by: now,
    };
    let signed = Signed::new(statement, app.keys.vote())?;
    tx.insert_statement(StatementRow::Second(&signed), now).await?;
    let decided = Decided {
        status: ProposalStatus::Rejected,
        reviewer: Some(actor.person.as_str()),
        notes: request.notes.as_deref(),
        at: now,
        deploy_by: None,
    };
    tx.decide_proposal(&proposal.proposal_id, &decided).await?;
    let body = json!({
        "proposal_id": proposal.proposal_id, "model_id": proposal.model_id, "evidence_digest": proposal.evidence_digest,
        "recommendation": proposal.recommendation, "status": "REJECTED", "notes": request.notes,
    });
    let ended = Ended {
        action: Action::Reject,
        proposal: &proposal,
        actor: Some(actor),
        notes: request.notes.as_deref(),
        previous: proposal.baseline_model_id.as_ref(),
        body,
    };
    record(app, &mut tx, ended, now).await?;
    let notice = Notice::Rejected {
        proposal: &proposal,
        by: &actor.person,
        notes: request.notes.as_deref(),
    };
    notify::post(app, &mut tx, &notice).await?;
    tx.commit().await?;
    app.tell(Changed::Proposal {
        proposal_id: proposal.proposal_id.to_string(),
    });
    Ok(())
}
