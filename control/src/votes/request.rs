//! Neither yes nor no yet: a voter asks for tests of the catalogue. Each runs as a job and appends what it found.

use contracts::hash::EvidenceDigest;
use contracts::ids::ProposalId;
use serde_json::json;

use super::record::{Ended, record};
use super::rules::{self, ALTERED, Altered, OpenError, VoteRefused};
use crate::app::{App, Changed};
use crate::audit::{Action, AppendError};
use crate::auth::Actor;
use crate::jobs::{self, JobId, NewJob, Task};
use crate::proposals::MoreTestName;
use crate::store::StoreError;

/// What the voter asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestMoreTests {
    /// About which proposal.
    pub proposal_id: ProposalId,
    /// On which evidence.
    pub evidence_digest: EvidenceDigest,
    /// Names of the catalogue.
    pub tests: Vec<String>,
    /// Why.
    pub notes: Option<String>,
}

/// Why nothing was asked for; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// By the rules.
    #[error(transparent)]
    Refused(#[from] VoteRefused),
    /// Rows were edited.
    #[error(transparent)]
    Altered(#[from] Altered),
    /// The audit event was not stored.
    #[error("the request was not audited")]
    Audit(#[from] AppendError),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

impl RequestError {
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

impl From<OpenError> for RequestError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Refused(refused) => Self::Refused(refused),
            OpenError::Store(error) => Self::Store(error),
            OpenError::Altered(altered) => Self::Altered(altered),
        }
    }
}

/// Asks for tests, under the rules of a vote. The proposal stays open; each test becomes a job, with the request in one transaction.
///
/// # Errors
/// [`RequestError`].
pub async fn request_more_tests(
    app: &App,
    actor: &Actor,
    request: &RequestMoreTests,
) -> Result<Vec<(MoreTestName, JobId)>, RequestError> {
    let now = app.now();
    rules::check_voter(actor, request.notes.as_deref(), now)?;
    let tests = named(&request.tests)?;
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
    let done = &open.evidence.evidence.more_tests;
    if let Some(again) = tests
        .iter()
        .find(|test| done.iter().any(|done| done.test == test.word()))
    {
        return Err(VoteRefused::TestDone(*again).into());
    }
    let mut queued = Vec::with_capacity(tests.len());
    for test in tests {
        let job = NewJob {
            task: Task::MoreTest {
                proposal_id: request.proposal_id.clone(),
                test,
            },
            created_by: actor.audit_name(),
            at: now,
        };
        queued.push((test, jobs::enqueue(&mut tx, job).await?));
    }
    let proposal = open.proposal;
    let words: Vec<&str> = queued.iter().map(|(test, _)| test.word()).collect();
    let body = json!({
        "proposal_id": proposal.proposal_id, "model_id": proposal.model_id, "evidence_digest": proposal.evidence_digest,
        "recommendation": proposal.recommendation, "status": proposal.status, "notes": request.notes, "tests": words,
    });
    let ended = Ended {
        action: Action::RequestMoreTests,
        proposal: &proposal,
        actor: Some(actor),
        notes: request.notes.as_deref(),
        previous: proposal.baseline_model_id.as_ref(),
        body,
    };
    record(app, &mut tx, ended, now).await?;
    tx.commit().await?;
    for (_, job) in &queued {
        app.tell(Changed::Job { job_id: *job });
    }
    Ok(queued)
}

/// Each once, in the order they were asked for.
fn named(asked: &[String]) -> Result<Vec<MoreTestName>, VoteRefused> {
    let mut tests = Vec::new();
    for name in asked {
        let test = name
            .parse::<MoreTestName>()
            .map_err(|unknown| VoteRefused::UnknownTest(unknown.to_string()))?;
        if !tests.contains(&test) {
            tests.push(test);
        }
    }
    if tests.is_empty() {
        return Err(VoteRefused::UnknownTest(format!(
            "no test is named; there are {}",
            MoreTestName::ALL
                .iter()
                .map(|test| test.word())
                .collect::<Vec<_>>()
                .join(", ")
        )));
    }
    Ok(tests)
}
