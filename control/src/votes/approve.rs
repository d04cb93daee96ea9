//! Yes.

use contracts::hash::{ContractDigest, EvidenceDigest};
use contracts::ids::{ModelId, PersonId, ProposalId, SlotId};
use contracts::jcs::JcsError;
use contracts::production::{Decision, Recommendation, SecondVote, Signed, Votes};
use contracts::time::UtcMillis;
use serde_json::json;

use super::record::{Ended, record};
use super::rules::{self, ALTERED, Altered, OpenError, VoteRefused};
use crate::app::{App, Changed};
use crate::artifacts::ArtifactError;
use crate::audit::{self, Action, AppendError, Event};
use crate::auth::Actor;
use crate::contract::{self, BuildError};
use crate::jobs::{self, NewJob, Task};
use crate::limits::DAY_MS;
use crate::notify::{self, Notice};
use crate::registry::Stage;
use crate::slots::{self, DirectiveError};
use crate::store::{
    Cause, Decided, ExperimentRow, ModelRow, ProposalRow, ProposalStatus, SlotRow, StatementRow, StoreError,
    Tx,
};

/// What the voter says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approve {
    /// About which proposal.
    pub proposal_id: ProposalId,
    /// On which evidence.
    pub evidence_digest: EvidenceDigest,
    /// Why; required where the first vote is not PROMOTE.
    pub notes: Option<String>,
    /// Deploys at once; otherwise a later promotion does.
    pub promote_to_production: bool,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// The model.
    pub model_id: ModelId,
    /// Its slot.
    pub slot: SlotId,
    /// Where it stands now.
    pub new_stage: Stage,
    /// What it replaced.
    pub previous_model_archived: Option<ModelId>,
    /// Who.
    pub approved_by: PersonId,
    /// Until when it may be deployed.
    pub deploy_by: UtcMillis,
    /// Number and digest of its contract, where it was deployed.
    pub contract: Option<(u64, ContractDigest)>,
}

/// Why there was no approval; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ApproveError {
    /// By the rules.
    #[error(transparent)]
    Refused(#[from] VoteRefused),
    /// Rows were edited.
    #[error(transparent)]
    Altered(#[from] Altered),
    /// A row that must be there is not.
    #[error("{0} is not registered: the database was edited")]
    Missing(String),
    /// The contract cannot be built.
    #[error("no contract can be built")]
    Build(#[from] BuildError),
    /// The directive cannot be signed.
    #[error("no directive can be signed")]
    Directive(#[from] DirectiveError),
    /// A statement has no canonical form.
    #[error("the vote has no canonical form")]
    Jcs(#[from] JcsError),
    /// The audit event was not stored.
    #[error("the vote was not audited")]
    Audit(#[from] AppendError),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

impl ApproveError {
    /// Its stable code, for programs and for the audit; none of a failure inside.
    #[must_use]
    pub const fn code(&self) -> Option<&'static str> {
        match self {
            Self::Refused(refused) => Some(refused.code()),
            Self::Altered(_) | Self::Missing(_) => Some(ALTERED),
            Self::Build(error) if error.is_altered() => Some(ALTERED),
            _ => None,
        }
    }
}

impl From<OpenError> for ApproveError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Refused(refused) => Self::Refused(refused),
            OpenError::Store(error) => Self::Store(error),
            OpenError::Altered(altered) => Self::Altered(altered),
        }
    }
}

/// Casts the second vote: yes.
///
/// # Errors
/// [`ApproveError`]; whatever it is, nothing was changed.
pub async fn approve(app: &App, actor: &Actor, request: &Approve) -> Result<Approved, ApproveError> {
    let now = app.now();
    rules::check_voter(actor, request.notes.as_deref(), now)?;
    let intact = artifacts_of_proposal(app, request).await?;
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
    check_override(&proposal, request.notes.as_deref())?;

    let missing = |what: &dyn std::fmt::Display| ApproveError::Missing(what.to_string());
    let slot = tx
        .slot_for_update(&proposal.slot)
        .await?
        .ok_or_else(|| missing(&proposal.slot))?;
    let model = tx
        .model_for_update(&proposal.model_id)
        .await?
        .ok_or_else(|| missing(&proposal.model_id))?;
    let experiment = tx
        .experiment(&model.contract_id)
        .await?
        .ok_or_else(|| missing(&model.contract_id))?;
    let previous = tx
        .production_model(&proposal.slot)
        .await?
        .map(|model| model.model_id);
    if previous != proposal.baseline_model_id {
        drop(tx);
        compare_again(app, actor, &proposal.proposal_id, now).await?;
        return Err(VoteRefused::BaselineChanged(previous).into());
    }

    let deploy_by = now.plus_ms(i64::from(experiment.frozen.promotion.deploy_within_days) * DAY_MS);
    let second = Signed::new(
        second_vote(&proposal, &model, actor, now, deploy_by),
        app.keys.vote(),
    )?;
    tx.insert_statement(StatementRow::Second(&second), now).await?;
    tx.decide_proposal(
        &proposal.proposal_id,
        &decided(actor, request.notes.as_deref(), now, deploy_by),
    )
    .await?;
    tx.note_approval(&model.model_id, &proposal, &actor.person, now)
        .await?;

    let votes = Votes {
        first: open.evidence.first_vote,
        second,
        promote: None,
        rollback: None,
    };
    let deployed = if request.promote_to_production {
        let deployment = Deployment {
            slot,
            model: &model,
            from: Stage::Staging,
            experiment: &experiment,
            votes,
            previous: previous.as_ref(),
            cause: Cause::Approve,
            intact,
        };
        Some(deploy(app, &mut tx, actor, deployment, now).await?)
    } else {
        None
    };
    let body = json!({
        "proposal_id": proposal.proposal_id, "model_id": model.model_id, "bundle_hash": model.bundle_hash,
        "evidence_digest": proposal.evidence_digest, "recommendation": proposal.recommendation, "status": "APPROVED",
        "notes": request.notes, "promoted": request.promote_to_production, "previous_model_id": previous,
        "stage": if deployed.is_some() { Stage::Production } else { model.stage },
        "generation": deployed.map(|(generation, _)| generation), "contract": deployed.map(|(_, digest)| digest),
        "deploy_by": deploy_by,
    });
    let ended = Ended {
        action: Action::Approve,
        proposal: &proposal,
        actor: Some(actor),
        notes: request.notes.as_deref(),
        previous: previous.as_ref(),
        body,
    };
    record(app, &mut tx, ended, now).await?;
    let notice = Notice::Approved {
        proposal: &proposal,
        by: &actor.person,
        notes: request.notes.as_deref(),
        generation: deployed.map(|(generation, _)| generation),
    };
    notify::post(app, &mut tx, &notice).await?;
    tx.commit().await?;

    app.tell(Changed::Proposal {
        proposal_id: proposal.proposal_id.to_string(),
    });
    if deployed.is_some() {
        app.tell(Changed::Slot {
            slot: proposal.slot.clone(),
        });
    }
    Ok(Approved {
        new_stage: if deployed.is_some() {
            Stage::Production
        } else {
            model.stage
        },
        previous_model_archived: previous.filter(|_| deployed.is_some()),
        model_id: model.model_id,
        slot: proposal.slot,
        approved_by: actor.person.clone(),
        deploy_by,
        contract: deployed,
    })
}

/// The vote is refused, and a job brings the evidence up to what runs in the slot now.
async fn compare_again(
    app: &App,
    actor: &Actor,
    proposal: &ProposalId,
    now: UtcMillis,
) -> Result<(), StoreError> {
    let mut tx = app.store.begin().await?;
    let job = NewJob {
        task: Task::Comparison {
            proposal_id: proposal.clone(),
        },
        created_by: actor.audit_name(),
        at: now,
    };
    let job_id = jobs::enqueue(&mut tx, job).await?;
    tx.commit().await?;
    app.tell(Changed::Job { job_id });
    Ok(())
}

/// Only what is deployed now is read now.
async fn artifacts_of_proposal(
    app: &App,
    request: &Approve,
) -> Result<Result<(), ArtifactError>, StoreError> {
    match app.store.proposal(&request.proposal_id).await? {
        Some(proposal) if request.promote_to_production => {
            contract::check_artifacts(app, &proposal.model_id).await
        }
        _ => Ok(Ok(())),
    }
}

fn check_override(proposal: &ProposalRow, notes: Option<&str>) -> Result<(), VoteRefused> {
    if let Some(reason) = proposal.not_overridable {
        return Err(VoteRefused::NotOverridable(reason));
    }
    let said = notes.is_some_and(|notes| !notes.trim().is_empty());
    if proposal.recommendation != Recommendation::Promote && !said {
        return Err(VoteRefused::NotesRequired);
    }
    Ok(())
}

fn second_vote(
    proposal: &ProposalRow,
    model: &ModelRow,
    actor: &Actor,
    voted_at: UtcMillis,
    deploy_by: UtcMillis,
) -> SecondVote {
    SecondVote {
        proposal_id: proposal.proposal_id.clone(),
        evidence_digest: proposal.evidence_digest,
        model_id: model.model_id.clone(),
        bundle_hash: model.bundle_hash,
        slot: proposal.slot.clone(),
        baseline_model_id: proposal.baseline_model_id.clone(),
        decision: Decision::Approve,
        voter: actor.person.clone(),
        voted_at,
        deploy_by,
    }
}

fn decided<'a>(actor: &'a Actor, notes: Option<&'a str>, at: UtcMillis, deploy_by: UtcMillis) -> Decided<'a> {
    Decided {
        status: ProposalStatus::Approved,
        reviewer: Some(actor.person.as_str()),
        notes,
        at,
        deploy_by: Some(deploy_by),
    }
}

/// A model that goes into production now.
pub(crate) struct Deployment<'a> {
    pub slot: SlotRow,
    pub model: &'a ModelRow,
    /// The stage it comes from.
    pub from: Stage,
    pub experiment: &'a ExperimentRow,
    pub votes: Votes,
    pub previous: Option<&'a ModelId>,
    pub cause: Cause,
    /// What [`contract::check_artifacts`] said before the transaction began.
    pub intact: Result<(), ArtifactError>,
}

/// Archives what ran, promotes the model, signs and stores contract and directive. Shared by approve, promote and rollback.
pub(crate) async fn deploy(
    app: &App,
    tx: &mut Tx,
    actor: &Actor,
    deployment: Deployment<'_>,
    now: UtcMillis,
) -> Result<(u64, ContractDigest), ApproveError> {
    if let Some(previous) = deployment.previous {
        tx.archive_model(previous, now).await?;
    }
    tx.promote_model(&deployment.model.model_id, deployment.from, now)
        .await?;
    let parts = contract::Parts {
        slot: &deployment.slot,
        model: deployment.model,
        experiment: deployment.experiment,
        votes: deployment.votes,
        previous: deployment.previous,
        cause: deployment.cause,
        allowed_by: &actor.person,
        intact: deployment.intact,
        at: now,
    };
    let (_, row) = contract::issue(app, tx, parts).await?;
    let directive = slots::issue_directive(app, tx, &deployment.slot, &[]).await?;
    let event = Event {
        actor: actor.audit_name(),
        action: Action::ContractIssued,
        subject: row.slot.to_string(),
        body: json!({
            "slot": row.slot, "generation": row.generation, "contract": row.digest, "model_id": row.model_id,
            "directive": directive.number,
        }),
    };
    audit::append(tx, app.keys.audit(), now, event).await?;
    Ok((row.generation, row.digest))
}
