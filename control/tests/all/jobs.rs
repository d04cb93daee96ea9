//! The queue of jobs: one open job per kind and subject, one worker per job, and what a worker that has gone leaves behind.

use contracts::ids::ModelId;
use control::jobs::{JobId, JobState, NewJob, Task, enqueue};
use control::store::{JobFilter, StoreError};
use serde_json::json;

use crate::kit::app::{TestApp, app};
use crate::kit::on_every_database;

const MINUTE_MS: i64 = 60_000;

fn first_vote(test: &TestApp, model: &str) -> NewJob {
    NewJob {
        task: Task::FirstVote {
            model_id: ModelId::parse(model).unwrap(),
        },
        created_by: "rita".to_owned(),
        at: test.app.now(),
    }
}

async fn add(test: &TestApp, model: &str) -> JobId {
    let mut tx = test.app.store.begin().await.unwrap();
    let id = enqueue(&mut tx, first_vote(test, model)).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn claim(test: &TestApp) -> Option<control::store::Lease> {
    let (now, mut tx) = (test.app.now(), test.app.store.begin().await.unwrap());
    let claimed = tx.claim_job(now, now.plus_ms(MINUTE_MS)).await.unwrap();
    tx.commit().await.unwrap();
    claimed.map(|claimed| claimed.lease)
}

#[test]
fn a_job_is_open_once_and_goes_with_the_transaction_that_caused_it() {
    on_every_database(|database| async {
        let test = app(database);
        let mut dropped = test.app.store.begin().await.unwrap();
        enqueue(&mut dropped, first_vote(&test, "m-1")).await.unwrap();
        drop(dropped);
        assert_eq!(claim(&test).await, None, "what was rolled back is not there");

        let id = add(&test, "m-1").await;
        assert_eq!(add(&test, "m-1").await, id);
        let other = add(&test, "m-2").await;
        assert_ne!(other, id);

        let lease = claim(&test).await.unwrap();
        assert_eq!(lease.id, id, "the oldest first");
        assert_eq!(add(&test, "m-1").await, id, "also while it runs");
        let mut tx = test.app.store.begin().await.unwrap();
        tx.finish_job(lease, &json!({"x": 1}), test.app.now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert_ne!(add(&test, "m-1").await, id, "after it ended there may be another");

        let done = JobFilter {
            state: Some(JobState::Done),
            ..JobFilter::default()
        };
        let rows = test.app.store.jobs(&done, 10).await.unwrap();
        assert_eq!((rows.len(), rows[0].id, rows[0].progress), (1, id, 1.0));
        assert_eq!(rows[0].result, Some(json!({"x": 1})));
    });
}

#[test]
fn a_worker_that_has_gone_loses_its_job_and_can_neither_report_nor_finish_it() {
    on_every_database(|database| async {
        let test = app(database);
        let id = add(&test, "m-1").await;
        let gone = claim(&test).await.unwrap();
        assert_eq!(claim(&test).await, None, "held");
        test.clock.advance_ms(MINUTE_MS);
        let next = claim(&test).await.unwrap();
        assert_eq!((next.id, next.attempt), (id, 2));

        let mut tx = test.app.store.begin().await.unwrap();
        let until = test.app.now().plus_ms(MINUTE_MS);
        assert!(!tx.report_job(gone, 0.9, Some("late"), until).await.unwrap());
        assert!(tx.report_job(next, 0.5, Some("half"), until).await.unwrap());
        let late = tx.finish_job(gone, &json!(null), test.app.now()).await;
        assert!(matches!(late, Err(StoreError::RowCount { .. })), "{late:?}");
        tx.commit().await.unwrap();
        let row = test.app.store.job(id).await.unwrap().unwrap();
        assert_eq!((row.progress, row.progress_note.as_deref()), (0.5, Some("half")));

        let mut tx = test.app.store.begin().await.unwrap();
        let later = test.app.now().plus_ms(MINUTE_MS);
        tx.requeue_job(next, Some("the database was away"), later)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert_eq!(claim(&test).await, None, "not before its time");
        test.clock.advance_ms(MINUTE_MS);
        let last = claim(&test).await.unwrap();
        let mut tx = test.app.store.begin().await.unwrap();
        tx.fail_job(last, "no market", test.app.now()).await.unwrap();
        tx.commit().await.unwrap();
        let row = test.app.store.job(id).await.unwrap().unwrap();
        assert_eq!(
            (row.state, row.error.as_deref(), row.attempts),
            (JobState::Failed, Some("no market"), 3)
        );
        assert_eq!(claim(&test).await, None);
    });
}

#[test]
fn two_workers_never_hold_one_job() {
    on_every_database(|database| async {
        let test = app(database);
        for number in 0..20 {
            add(&test, &format!("m-{number}")).await;
        }
        let worker = async |test: &TestApp| {
            let mut held = Vec::new();
            while let Some(lease) = claim(test).await {
                held.push(lease.id);
            }
            held
        };
        let (a, b) = tokio::join!(worker(&test), worker(&test));
        let mut all = [a, b].concat();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 20, "{}", test.database.kind);
    });
}
