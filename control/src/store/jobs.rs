//! Background jobs: what is to be done, who works on it until when, what became of it.
//!
//! A job is held by a lease. Its number of attempts tells leases apart: whoever held an earlier one can neither report nor finish any
//! more, so that a job taken up twice ends once.

use contracts::time::UtcMillis;
use serde_json::Value;
use sqlx::any::AnyRow;

use super::text::{Columns, json, number, time};
use super::tx::exactly_one;
use super::{Dialect, Store, StoreError, Tx};
use crate::jobs::{JobId, JobKind, JobState, Task};

const TABLE: &str = "jobs";

/// A job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRow {
    /// Its number.
    pub id: JobId,
    /// What is to be done.
    pub task: Task,
    /// What it is about: one job of a kind and a subject is open at a time.
    pub subject: String,
    /// Where it stands.
    pub state: JobState,
    /// From 0 to 1.
    pub progress: f64,
    /// What it is at, in words.
    pub progress_note: Option<String>,
    /// How often it was taken up.
    pub attempts: u32,
    /// Not before.
    pub run_after: UtcMillis,
    /// Until when its worker must report; one that does not has gone.
    pub lease_until: Option<UtcMillis>,
    /// What came of it.
    pub result: Option<Value>,
    /// Why it failed, or why it is tried again.
    pub error: Option<String>,
    /// Who caused it.
    pub created_by: String,
    /// When.
    pub created_at: UtcMillis,
    /// When it ended.
    pub finished_at: Option<UtcMillis>,
}

/// A lease of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Of which.
    pub id: JobId,
    /// Which attempt.
    pub attempt: u32,
}

/// What a worker took up.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// Its lease.
    pub lease: Lease,
    /// What is to be done; where it cannot be read, why.
    pub task: Result<Task, String>,
    /// Who caused it.
    pub created_by: String,
}

/// Which jobs to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Only those.
    pub state: Option<JobState>,
    /// Only those.
    pub kind: Option<JobKind>,
    /// Only older than this one.
    pub below: Option<u64>,
}

impl Tx {
    /// Puts a job into the queue; while one of its kind and subject is open, that one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_job(
        &mut self,
        task: &Task,
        created_by: &str,
        at: UtcMillis,
    ) -> Result<JobId, StoreError> {
        let (kind, subject) = (task.kind().word(), task.subject());
        loop {
            let row = sqlx::query(
                "INSERT INTO jobs (kind, dedup, payload, run_after, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $4)
                 ON CONFLICT DO NOTHING RETURNING id",
            )
            .bind(kind)
            .bind(subject.as_str())
            .bind(json(task))
            .bind(time(at))
            .bind(created_by)
            .fetch_optional(self.statement()?)
            .await?;
            if let Some(row) = row {
                return Ok(JobId(Columns::of(TABLE, &row).count("id")?));
            }
            let open = sqlx::query(
                "SELECT id FROM jobs WHERE kind = $1 AND dedup = $2 AND state IN ('queued', 'running')",
            )
            .bind(kind)
            .bind(subject.as_str())
            .fetch_optional(self.statement()?)
            .await?;
            // None when it ended between the two: then there is room for a new one.
            if let Some(row) = open {
                return Ok(JobId(Columns::of(TABLE, &row).count("id")?));
            }
        }
    }

    /// Takes up the oldest job that is due, or whose worker has gone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim_job(
        &mut self,
        now: UtcMillis,
        lease_until: UtcMillis,
    ) -> Result<Option<Claimed>, StoreError> {
        let sql = match self.dialect() {
            Dialect::Sqlite => DUE,
            Dialect::Postgres => DUE_SKIPPING,
        };
        let row = sqlx::query(sql)
            .bind(time(now))
            .fetch_optional(self.statement()?)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let row = Columns::of(TABLE, &row);
        let lease = Lease {
            id: JobId(row.count("id")?),
            attempt: row.count32("attempts")? + 1,
        };
        let task = row.json("payload").map_err(|error| error.to_string());
        let created_by = row.text("created_by")?;
        let done = sqlx::query(
            "UPDATE jobs SET state = 'running', attempts = $2, lease_until = $3, progress = 0, progress_note = NULL WHERE id = $1",
        )
        .bind(number(lease.id.0))
        .bind(i64::from(lease.attempt))
        .bind(time(lease_until))
        .execute(self.statement()?)
        .await?;
        exactly_one(TABLE, done.rows_affected())?;
        Ok(Some(Claimed {
            lease,
            task,
            created_by,
        }))
    }

    /// It is done.
    ///
    /// # Errors
    /// [`StoreError::RowCount`] when the lease is another's by now.
    pub async fn finish_job(
        &mut self,
        lease: Lease,
        result: &Value,
        at: UtcMillis,
    ) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE jobs SET state = 'done', progress = 1, progress_note = NULL, result = $3, error = NULL, finished_at = $4,
                lease_until = NULL
             WHERE id = $1 AND attempts = $2 AND state = 'running'",
        )
        .bind(number(lease.id.0))
        .bind(i64::from(lease.attempt))
        .bind(json(result))
        .bind(time(at))
        .execute(self.statement()?)
        .await?;
        exactly_one(TABLE, done.rows_affected())
    }

    /// It failed for good.
    ///
    /// # Errors
    /// [`StoreError::RowCount`] when the lease is another's by now.
    pub async fn fail_job(&mut self, lease: Lease, error: &str, at: UtcMillis) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE jobs SET state = 'failed', error = $3, finished_at = $4, lease_until = NULL
             WHERE id = $1 AND attempts = $2 AND state = 'running'",
        )
        .bind(number(lease.id.0))
        .bind(i64::from(lease.attempt))
        .bind(error)
        .bind(time(at))
        .execute(self.statement()?)
        .await?;
        exactly_one(TABLE, done.rows_affected())
    }

    /// Back into the queue: `error` says why it is tried again, and is absent when the worker was told to stop, which is no attempt.
    ///
    /// # Errors
    /// [`StoreError::RowCount`] when the lease is another's by now.
    pub async fn requeue_job(
        &mut self,
        lease: Lease,
        error: Option<&str>,
        run_after: UtcMillis,
    ) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE jobs SET state = 'queued', progress = 0, progress_note = NULL, error = $3, run_after = $4,
                lease_until = NULL, attempts = attempts - CASE WHEN $3 IS NULL THEN 1 ELSE 0 END
             WHERE id = $1 AND attempts = $2 AND state = 'running'",
        )
        .bind(number(lease.id.0))
        .bind(i64::from(lease.attempt))
        .bind(error)
        .bind(time(run_after))
        .execute(self.statement()?)
        .await?;
        exactly_one(TABLE, done.rows_affected())
    }

    /// Notes how far it is and holds it on; false when the lease is another's by now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn report_job(
        &mut self,
        lease: Lease,
        progress: f64,
        note: Option<&str>,
        lease_until: UtcMillis,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE jobs SET progress = $3, progress_note = $4, lease_until = $5
             WHERE id = $1 AND attempts = $2 AND state = 'running'",
        )
        .bind(number(lease.id.0))
        .bind(i64::from(lease.attempt))
        .bind(progress)
        .bind(note)
        .bind(time(lease_until))
        .execute(self.statement()?)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

impl Store {
    /// Whether a job waits to be taken up, asked without the lock that taking it up needs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn job_due(&self, now: UtcMillis) -> Result<bool, StoreError> {
        let row = sqlx::query(DUE)
            .bind(time(now))
            .fetch_optional(self.pool())
            .await?;
        Ok(row.is_some())
    }

    /// The job.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn job(&self, id: JobId) -> Result<Option<JobRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM jobs WHERE id = $1")
            .bind(number(id.0))
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Jobs, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn jobs(&self, filter: &JobFilter, limit: u32) -> Result<Vec<JobRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM jobs WHERE ($1 IS NULL OR state = $1) AND ($2 IS NULL OR kind = $2) AND ($3 IS NULL OR id < $3)
             ORDER BY id DESC LIMIT $4",
        )
        .bind(filter.state.map(JobState::word))
        .bind(filter.kind.map(JobKind::word))
        .bind(filter.below.map(number))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(read).collect()
    }
}

const DUE: &str = "SELECT id, attempts, payload, created_by FROM jobs
    WHERE (state = 'queued' AND run_after <= $1) OR (state = 'running' AND lease_until <= $1) ORDER BY id LIMIT 1";
/// What another transaction is taking up is not waited for.
const DUE_SKIPPING: &str = "SELECT id, attempts, payload, created_by FROM jobs
    WHERE (state = 'queued' AND run_after <= $1) OR (state = 'running' AND lease_until <= $1) ORDER BY id LIMIT 1
    FOR UPDATE SKIP LOCKED";

fn read(row: &AnyRow) -> Result<JobRow, StoreError> {
    let row = Columns::of(TABLE, row);
    Ok(JobRow {
        id: JobId(row.count("id")?),
        task: row.json("payload")?,
        subject: row.text("dedup")?,
        state: row.parsed("state")?,
        progress: row.real_or_null("progress")?.unwrap_or(0.0),
        progress_note: row.text_or_null("progress_note")?,
        attempts: row.count32("attempts")?,
        run_after: row.time("run_after")?,
        lease_until: row.time_or_null("lease_until")?,
        result: row.json_or_null("result")?,
        error: row.text_or_null("error")?,
        created_by: row.text("created_by")?,
        created_at: row.time("created_at")?,
        finished_at: row.time_or_null("finished_at")?,
    })
}
