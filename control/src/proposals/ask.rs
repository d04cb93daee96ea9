//! Asking for a first vote about a model that has no open proposal: after one was rejected or ran out.

use contracts::ids::{ModelId, ProposalId};

use crate::app::{App, Changed};
use crate::auth::Actor;
use crate::jobs::{self, JobId, NewJob, Task};
use crate::registry::Stage;
use crate::store::StoreError;

/// Why there will be no first vote; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no such model.
    #[error("there is no model {0}")]
    NotFound(ModelId),
    /// Only models in staging are proposed.
    #[error("the model is in {}: only one in staging can be proposed", .0.word())]
    WrongStage(Stage),
    /// It has a proposal.
    #[error("{0} is open: vote on it first")]
    Open(ProposalId),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

impl AskError {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "not_found",
            Self::WrongStage(_) => "wrong_stage",
            Self::Open(_) => "proposal_open",
            Self::Store(_) => "store",
        }
    }
}

/// Puts the first vote about a model into the queue; asked for twice, it is one job.
///
/// # Errors
/// [`AskError`].
pub async fn ask(app: &App, actor: &Actor, id: &ModelId) -> Result<JobId, AskError> {
    let mut tx = app.store.begin().await?;
    let model = tx.model_for_update(id).await?;
    let model = model.ok_or_else(|| AskError::NotFound(id.clone()))?;
    if model.stage != Stage::Staging {
        return Err(AskError::WrongStage(model.stage));
    }
    if let (_, Some(open)) = tx.proposals_of(id).await? {
        return Err(AskError::Open(open));
    }
    let job = NewJob {
        task: Task::FirstVote { model_id: id.clone() },
        created_by: actor.audit_name(),
        at: app.now(),
    };
    let job_id = jobs::enqueue(&mut tx, job).await?;
    tx.commit().await?;
    app.tell(Changed::Job { job_id });
    Ok(job_id)
}
