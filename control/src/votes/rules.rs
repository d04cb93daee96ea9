//! What every second vote must satisfy, in the order in which it is checked.

use backtest::vote;
use contracts::evidence::Defect;
use contracts::hash::EvidenceDigest;
use contracts::ids::{ModelId, PersonId, ProposalId};
use contracts::time::UtcMillis;

use crate::app::App;
use crate::audit;
use crate::auth::{Actor, NotFresh, Role};
use crate::limits::NOTES_BYTES_MAX;
use crate::proposals::MoreTestName;
use crate::store::{AuditFilter, EvidenceRow, ProposalRow, ProposalStatus, StoreError, Tx};

/// The told table of proposals.
const PROPOSALS: &str = "promotion_proposals";

/// Why a vote is refused. Nothing was changed; the attempt is audited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VoteRefused {
    /// There is no such proposal.
    #[error("there is no proposal {0}")]
    NotFound(ProposalId),
    /// The voter is no approver.
    #[error("{0} is no approver")]
    NotApprover(PersonId),
    /// The login does not carry a vote.
    #[error(transparent)]
    NotFresh(#[from] NotFresh),
    /// The voter had a hand in the model.
    #[error("{0} is an author of this model: somebody else must vote")]
    Author(PersonId),
    /// Somebody was first.
    #[error("the proposal is {} already", .0.word())]
    NotPending(ProposalStatus),
    /// Too late.
    #[error("the proposal expired at {0}")]
    Expired(UtcMillis),
    /// The evidence that was shown is not the newest.
    #[error("the evidence has changed since: look at {now} and vote again")]
    EvidenceChanged {
        /// The digest in force.
        now: EvidenceDigest,
    },
    /// Another model runs in the slot than the one the evidence compares with.
    #[error("the slot's production model is {} now, the evidence compares with another: a new comparison is being made", name(.0.as_ref()))]
    BaselineChanged(Option<ModelId>),
    /// An override needs a reason.
    #[error("the first vote is not PROMOTE: say in the notes why it is overridden")]
    NotesRequired,
    /// Longer than anybody reads.
    #[error("the notes have {0} bytes, at most {NOTES_BYTES_MAX} are kept")]
    NotesTooLong(usize),
    /// A test that is not in the catalogue.
    #[error("{0}")]
    UnknownTest(String),
    /// It would find the same again.
    #[error("the test {} is in the evidence already", .0.word())]
    TestDone(MoreTestName),
    /// No person can override it.
    #[error("REJECT for {} cannot be overridden", .0.word())]
    NotOverridable(Defect),
}

fn name(model: Option<&ModelId>) -> &str {
    model.map_or("none", ModelId::as_str)
}

impl VoteRefused {
    /// Stable, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "not_found",
            Self::NotApprover(_) => "not_approver",
            Self::NotFresh(NotFresh::NoPerson) => "person_required",
            Self::NotFresh(NotFresh::TooOld { .. }) => "login_too_old",
            Self::Author(_) => "author_may_not_vote",
            Self::NotPending(_) => "not_pending",
            Self::Expired(_) => "proposal_expired",
            Self::EvidenceChanged { .. } => "evidence_changed",
            Self::BaselineChanged(_) => "baseline_changed",
            Self::NotesRequired => "notes_required",
            Self::NotesTooLong(_) => "notes_too_long",
            Self::UnknownTest(_) => "unknown_test",
            Self::TestDone(_) => "test_done",
            Self::NotOverridable(_) => "not_overridable",
        }
    }
}

/// Checks that need no database: role, login, notes.
pub(super) fn check_voter(actor: &Actor, notes: Option<&str>, now: UtcMillis) -> Result<(), VoteRefused> {
    if !actor.has_any(&[Role::Approver]) {
        return Err(VoteRefused::NotApprover(actor.person.clone()));
    }
    actor.fresh_person(now)?;
    let bytes = notes.map_or(0, str::len);
    if bytes > NOTES_BYTES_MAX {
        return Err(VoteRefused::NotesTooLong(bytes));
    }
    Ok(())
}

/// The stable code of a vote, or a move of production, over rows or files that were edited.
pub const ALTERED: &str = "altered";

/// Why a locked proposal could not be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// By the rules.
    #[error(transparent)]
    Refused(#[from] VoteRefused),
    /// By the database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
    /// Its rows are not what was signed.
    #[error(transparent)]
    Altered(#[from] Altered),
}

/// Rows of a proposal are not what was computed, signed and told: the database was edited, and nothing is signed over it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{proposal} was edited in the database: {what}; `control audit verify` names every such row")]
pub struct Altered {
    /// Which.
    pub proposal: ProposalId,
    /// What is not as it was.
    pub what: String,
}

/// A proposal whose second vote is open, locked, with its evidence.
pub(super) struct Open {
    pub proposal: ProposalRow,
    pub evidence: EvidenceRow,
}

/// Locks the proposal and checks that the vote is open for this voter on this evidence.
pub(super) async fn open(
    app: &App,
    tx: &mut Tx,
    id: &ProposalId,
    actor: &Actor,
    shown: EvidenceDigest,
    now: UtcMillis,
) -> Result<Open, OpenError> {
    let proposal = tx
        .proposal_for_update(id)
        .await?
        .ok_or_else(|| VoteRefused::NotFound(id.clone()))?;
    if proposal.status != ProposalStatus::PendingApproval {
        return Err(VoteRefused::NotPending(proposal.status).into());
    }
    let altered = |what: &str| {
        OpenError::Altered(Altered {
            proposal: id.clone(),
            what: what.to_owned(),
        })
    };
    if now >= proposal.expires_at {
        return Err(VoteRefused::Expired(proposal.expires_at).into());
    }
    if tx.authors(&proposal.model_id).await?.contains(&actor.person) {
        return Err(VoteRefused::Author(actor.person.clone()).into());
    }
    if proposal.evidence_digest != shown {
        return Err(VoteRefused::EvidenceChanged {
            now: proposal.evidence_digest,
        }
        .into());
    }
    row_as_told(app, tx, id).await?.map_err(|what| altered(&what))?;
    let evidence = tx.evidence(id, proposal.revision).await?;
    let evidence = evidence.ok_or_else(|| altered("its evidence is not there"))?;
    if evidence.evidence.digest() != Ok(shown) || evidence.evidence_digest != shown {
        return Err(altered("its evidence is not what its digest says"));
    }
    evidence
        .first_vote
        .verify(app.keys.trusted())
        .map_err(|error| altered(&error.to_string()))?;
    if let Some(column) = differs(&proposal, &evidence) {
        return Err(altered(&format!(
            "{column} is not what the evidence and the signed first vote say"
        )));
    }
    Ok(Open { proposal, evidence })
}

/// The row against the newest signed event that tells of it: when it expires stands nowhere else.
async fn row_as_told(app: &App, tx: &mut Tx, id: &ProposalId) -> Result<Result<(), String>, StoreError> {
    let filter = AuditFilter {
        subject: Some(id.to_string()),
        ..AuditFilter::default()
    };
    let events = tx.audit_events(&filter, u32::MAX).await?;
    let holds = tx.row_now(PROPOSALS, &[id.to_string().into()]).await?;
    let trusted = app.keys.trusted();
    Ok(audit::as_told(
        &events,
        trusted,
        PROPOSALS,
        id.as_str(),
        holds.as_ref(),
    ))
}

/// The first column that says something else than the evidence or the signed first vote: what a person sees and what decides whether
/// they may overrule it is computed again, never believed.
fn differs(row: &ProposalRow, shown: &EvidenceRow) -> Option<&'static str> {
    let (evidence, signed) = (&shown.evidence, &shown.first_vote.statement);
    let again = vote::of_evidence(evidence);
    let compared = evidence.baseline.as_ref();
    let baseline = compared.map(|comparison| &comparison.baseline_model_id);
    let recommended = [row.recommendation, signed.recommendation];
    let checks = [
        ("evidence_digest", signed.evidence_digest == row.evidence_digest),
        ("proposal_id", signed.proposal_id == row.proposal_id),
        (
            "model_id",
            signed.model_id == row.model_id && evidence.candidate.model_id == row.model_id,
        ),
        (
            "bundle_hash",
            signed.bundle_hash == evidence.candidate.bundle_hash,
        ),
        ("slot", signed.slot == row.slot && evidence.slot == row.slot),
        (
            "recommendation",
            recommended.iter().all(|said| *said == again.recommendation),
        ),
        ("not_overridable", row.not_overridable == again.not_overridable),
        (
            "baseline_model_id",
            row.baseline_model_id.as_ref() == baseline && signed.baseline_model_id.as_ref() == baseline,
        ),
        ("vs_baseline", row.vs_baseline.as_ref() == compared),
        ("metrics", row.metrics == evidence.metrics),
        ("criteria_results", row.criteria_results == evidence.criteria),
    ];
    checks.iter().find(|(_, same)| !same).map(|(column, _)| *column)
}
