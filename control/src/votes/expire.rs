//! Nobody voted in time.

use contracts::ids::ProposalId;
use serde_json::json;

use super::record::{Ended, record};
use crate::app::{App, Changed};
use crate::audit::{Action, AppendError};
use crate::store::{Decided, ProposalStatus, StoreError};

/// Why an overdue proposal is still open.
#[derive(Debug, thiserror::Error)]
pub enum ExpireError {
    /// The audit event was not stored.
    #[error("the expiry was not audited")]
    Audit(#[from] AppendError),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

/// Closes every proposal whose time has run out, each in a transaction of its own with its event and its row in the plan's log. Returns
/// those that were closed; a vote that came first wins.
///
/// # Errors
/// [`ExpireError`] of the first that could not be closed; those before it are closed.
pub async fn expire(app: &App) -> Result<Vec<ProposalId>, ExpireError> {
    let mut closed = Vec::new();
    for id in app.store.overdue_proposals(app.now()).await? {
        if expire_one(app, &id).await? {
            app.tell(Changed::Proposal {
                proposal_id: id.to_string(),
            });
            closed.push(id);
        }
    }
    Ok(closed)
}

async fn expire_one(app: &App, id: &ProposalId) -> Result<bool, ExpireError> {
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let proposal = tx.proposal_for_update(id).await?;
    let open = proposal.filter(|row| row.status == ProposalStatus::PendingApproval && now >= row.expires_at);
    let Some(proposal) = open else {
        return Ok(false);
    };
    let decided = Decided {
        status: ProposalStatus::Expired,
        reviewer: None,
        notes: None,
        at: now,
        deploy_by: None,
    };
    tx.decide_proposal(id, &decided).await?;
    let body = json!({
        "proposal_id": id, "model_id": proposal.model_id, "evidence_digest": proposal.evidence_digest,
        "recommendation": proposal.recommendation, "status": "EXPIRED", "expires_at": proposal.expires_at,
    });
    let ended = Ended {
        action: Action::Expire,
        proposal: &proposal,
        actor: None,
        notes: None,
        previous: proposal.baseline_model_id.as_ref(),
        body,
    };
    record(app, &mut tx, ended, now).await?;
    tx.commit().await?;
    Ok(true)
}
