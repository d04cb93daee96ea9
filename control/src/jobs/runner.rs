//! Takes jobs up, holds them while they are worked on, and settles what did not come to an end.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use super::progress::Reporter;
use super::work::{JobError, Work};
use super::{JobId, Task};
use crate::app::{App, Changed};
use crate::causes::causes;
use crate::limits::{JOB_ATTEMPTS_MAX, JOB_LEASE_MS, JOB_POLL_S, JOB_REPORT_MS, JOB_RETRY_MS};
use crate::proposals::{self, Lab};
use crate::store::{Claimed, Lease, StoreError};

/// Works jobs off.
#[derive(Debug, Clone)]
pub struct Runner {
    app: App,
    lab: Lab,
}

impl Runner {
    /// With the eyes of a live engine and the settings' threads.
    #[must_use]
    pub fn new(app: App) -> Self {
        let lab = Lab::new(app.config.jobs.threads);
        Self { app, lab }
    }

    /// With another lab.
    #[must_use]
    pub fn with_lab(app: App, lab: Lab) -> Self {
        Self { app, lab }
    }

    /// Works until it is told to stop; what is in hand then goes back into the queue.
    pub async fn run(&self, stop: watch::Receiver<bool>) {
        let workers = (0..self.app.config.jobs.at_once.max(1)).map(|_| self.worker(stop.clone()));
        join_all(workers).await;
    }

    async fn worker(&self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            // Before the look into the queue, so that what comes between the two is heard.
            let mut changes = self.app.listen();
            match self.run_one(&stop).await {
                Ok(Some(_)) => continue,
                Ok(None) => {}
                Err(error) => tracing::warn!(error = %causes(&error), "no job could be taken up"),
            }
            tokio::select! {
                () = ordered(&mut stop) => return,
                // Whatever changed, it may have brought a job.
                _ = changes.recv() => {}
                () = tokio::time::sleep(Duration::from_secs(JOB_POLL_S)) => {}
            }
        }
    }

    /// Takes up one job, if there is one, and works on it until it ends or `stop` says so.
    ///
    /// # Errors
    /// [`StoreError`] when no job could be taken up. What becomes of one that was is in the job.
    pub async fn run_one(&self, stop: &watch::Receiver<bool>) -> Result<Option<JobId>, StoreError> {
        let now = self.app.now();
        if !self.app.store.job_due(now).await? {
            return Ok(None);
        }
        let mut tx = self.app.store.begin().await?;
        let Some(claimed) = tx.claim_job(now, now.plus_ms(JOB_LEASE_MS)).await? else {
            return Ok(None);
        };
        tx.commit().await?;
        let lease = claimed.lease;
        self.tell(lease);
        if let Err(error) = self.work_on(claimed, stop.clone()).await {
            // Its lease runs out, and it is taken up again.
            tracing::warn!(job = %lease.id, error = %causes(&error), "what became of a job was not stored");
        }
        self.tell(lease);
        Ok(Some(lease.id))
    }

    async fn work_on(&self, claimed: Claimed, mut stop: watch::Receiver<bool>) -> Result<(), StoreError> {
        let lease = claimed.lease;
        let task = match claimed.task {
            Ok(task) => task,
            Err(error) => {
                return self
                    .fail(lease, &format!("the job cannot be read: {error}"))
                    .await;
            }
        };
        if lease.attempt > JOB_ATTEMPTS_MAX {
            let error = format!("given up: {JOB_ATTEMPTS_MAX} attempts did not come to an end");
            return self.fail(lease, &error).await;
        }
        let work = Work {
            app: self.app.clone(),
            lab: self.lab.clone(),
            lease,
            created_by: claimed.created_by,
            reporter: Reporter::default(),
        };
        let ended = tokio::select! {
            // A job that has just stored its end no longer has its lease: that end comes first.
            biased;
            ended = perform(&work, &task) => ended,
            () = self.hold(&work) => {
                tracing::warn!(job = %lease.id, "somebody else has taken the job up");
                return Ok(());
            }
            () = ordered(&mut stop) => return self.requeue(lease, None, 0).await,
        };
        match ended {
            Ok(()) => Ok(()),
            Err(JobError::Store(StoreError::RowCount { table: "jobs", .. })) => Ok(()),
            // The last failure is stored with its reason.
            Err(error) if error.passes() && lease.attempt < JOB_ATTEMPTS_MAX => {
                let said = causes(&error);
                tracing::warn!(job = %lease.id, error = said, "a job is tried again");
                self.requeue(lease, Some(&said), JOB_RETRY_MS * i64::from(lease.attempt))
                    .await
            }
            Err(error) => {
                let said = causes(&error);
                tracing::error!(job = %lease.id, error = said, "a job failed");
                self.fail(lease, &said).await
            }
        }
    }

    /// Holds the lease and passes on how far the job is; comes back only when the lease is another's.
    async fn hold(&self, work: &Work) {
        let mut beat = tokio::time::interval(Duration::from_millis(JOB_REPORT_MS));
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            match self.report(work).await {
                Ok(true) => self.tell(work.lease),
                Ok(false) => return,
                // While the database is away the job goes on; whether it may end is asked when it does.
                Err(error) => tracing::warn!(error = %causes(&error), "the state of a job was not stored"),
            }
        }
    }

    async fn report(&self, work: &Work) -> Result<bool, StoreError> {
        let said = work.reporter.said();
        let until = self.app.now().plus_ms(JOB_LEASE_MS);
        let mut tx = self.app.store.begin().await?;
        let held = tx
            .report_job(work.lease, said.progress, said.note.as_deref(), until)
            .await?;
        tx.commit().await?;
        Ok(held)
    }

    async fn fail(&self, lease: Lease, error: &str) -> Result<(), StoreError> {
        let mut tx = self.app.store.begin().await?;
        tx.fail_job(lease, error, self.app.now()).await?;
        tx.commit().await
    }

    async fn requeue(&self, lease: Lease, error: Option<&str>, wait_ms: i64) -> Result<(), StoreError> {
        let mut tx = self.app.store.begin().await?;
        tx.requeue_job(lease, error, self.app.now().plus_ms(wait_ms))
            .await?;
        tx.commit().await
    }

    fn tell(&self, lease: Lease) {
        self.app.tell(Changed::Job { job_id: lease.id });
    }
}

/// Comes back with the order to stop; never, where nobody is left to give it.
async fn ordered(stop: &mut watch::Receiver<bool>) {
    let nobody = stop.wait_for(|stop| *stop).await.is_err();
    if nobody {
        std::future::pending::<()>().await;
    }
}

async fn perform(work: &Work, task: &Task) -> Result<(), JobError> {
    match task {
        Task::FirstVote { model_id } => Box::pin(proposals::first_vote(work, model_id)).await,
        Task::Comparison { proposal_id } => Box::pin(proposals::comparison(work, proposal_id)).await,
        Task::MoreTest { proposal_id, test } => {
            Box::pin(proposals::more_test(work, proposal_id, *test)).await
        }
    }
}
