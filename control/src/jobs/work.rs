//! A job in hand: what it works with, and why it may not come to an end.

use backtest::baseline::CompareError;
use backtest::run::RunError;
use contracts::jcs::JcsError;
use serde_json::Value;
use tokio::sync::oneshot;

use super::progress::Reporter;
use crate::app::{App, Changed};
use crate::artifacts::ArtifactError;
use crate::audit::AppendError;
use crate::markets::MarketError;
use crate::proposals::{KeepError, Lab, LookError, SubjectError};
use crate::store::{Lease, StoreError, Tx};

/// Why a job did not come to an end.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// A row that must be there is not.
    #[error("{0} is not stored: the database was edited")]
    Missing(String),
    /// The model cannot be run.
    #[error("the model cannot be run")]
    Subject(#[from] SubjectError),
    /// There is no market.
    #[error("there is no market to run on")]
    Market(#[from] MarketError),
    /// There is no run.
    #[error("there is no run")]
    Run(#[from] RunError),
    /// The runs cannot be compared.
    #[error("the runs cannot be compared")]
    Compare(#[from] CompareError),
    /// The run's files are not kept.
    #[error("the run's files are not kept")]
    Keep(#[from] KeepError),
    /// The look was not noted.
    #[error("the look at the holdout was not noted, so no figure may be used")]
    Look(#[from] LookError),
    /// A document has no canonical form.
    #[error("the evidence has no canonical form")]
    Jcs(#[from] JcsError),
    /// The audit event was not stored.
    #[error("the result was not audited")]
    Audit(#[from] AppendError),
    /// The bars give another run than the proposal's: they were revised since.
    #[error(
        "the market gives another run than the evidence of the proposal: its bars were revised; make a new proposal"
    )]
    MarketRevised,
    /// Somebody put another model into production meanwhile.
    #[error("the slot's production model changed while it was compared with")]
    BaselineMoved,
    /// There is nothing to test it on.
    #[error("{0}")]
    NothingToTest(String),
    /// The computation ended without an answer: a defect of this build.
    #[error("the computation ended without an answer: the log says why")]
    Panicked,
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

impl JobError {
    /// True when the same may go well later.
    #[must_use]
    pub fn passes(&self) -> bool {
        if matches!(self, Self::BaselineMoved) {
            return true;
        }
        crate::causes::chain(self).any(|cause| {
            matches!(
                cause.downcast_ref(),
                Some(StoreError::Unavailable(_) | StoreError::Planned { .. })
            ) || matches!(cause.downcast_ref(), Some(ArtifactError::Io(_)))
        })
    }
}

/// A job in hand.
#[derive(Debug)]
pub struct Work {
    /// Everything.
    pub app: App,
    /// What measures.
    pub lab: Lab,
    /// The hold on the job.
    pub lease: Lease,
    /// Who caused it.
    pub created_by: String,
    /// Where it says how far it is.
    pub reporter: Reporter,
}

impl Work {
    /// Computes on a thread of its own, which ends with the program whatever it is at.
    ///
    /// # Errors
    /// [`JobError::Panicked`].
    pub async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JobError> {
        let (answer, answered) = oneshot::channel();
        // Nobody listens any more when the job was given up.
        std::thread::spawn(move || drop(answer.send(work())));
        answered.await.map_err(|_| JobError::Panicked)
    }

    /// Ends the job with the transaction that holds its result: both are there, or neither.
    ///
    /// # Errors
    /// [`StoreError::RowCount`] when somebody else has taken the job up.
    pub async fn finish(&self, mut tx: Tx, result: &Value) -> Result<(), StoreError> {
        tx.finish_job(self.lease, result, self.app.now()).await?;
        tx.commit().await?;
        self.app.tell(Changed::Job {
            job_id: self.lease.id,
        });
        Ok(())
    }
}
