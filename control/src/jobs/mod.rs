//! Work that takes longer than a request: it is put into a queue in the transaction of what caused it, and done while `serve` runs.

mod progress;
mod runner;
mod task;
mod work;

use contracts::time::UtcMillis;
use serde::{Deserialize, Serialize};

pub use self::progress::{Reporter, Said, Stage};
pub use self::runner::Runner;
pub use self::task::{JobKind, JobState, Task};
pub use self::work::{JobError, Work};
use crate::store::{StoreError, Tx};

/// A job's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub u64);

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A job to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// What.
    pub task: Task,
    /// Who caused it, as the audit chain names them.
    pub created_by: String,
    /// When.
    pub at: UtcMillis,
}

/// Puts a job into the queue with the transaction. While one of the same kind and subject is open, nothing is added and that one's number
/// is given.
///
/// # Errors
/// [`StoreError`].
pub async fn enqueue(tx: &mut Tx, job: NewJob) -> Result<JobId, StoreError> {
    tx.insert_job(&job.task, &job.created_by, job.at).await
}
