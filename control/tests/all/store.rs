//! The store's suite, the same on both databases.

use control::audit::{self, Action, Broken, Event, Walk};
use control::registry::Stage;
use control::store::{AuditFilter, StoreError};

use crate::kit::app::{START, app};
use crate::kit::{database, market, on_every_database, sample};

#[test]
fn what_is_stored_comes_back() {
    on_every_database(|database| async {
        let test = app(database);
        let experiment = sample::experiment(&test.app, "rita").await;
        let model = sample::model(&test.app, &experiment, "rita", 1).await;
        let proposal = sample::proposal(&test.app, &model, 1, sample::Shape::default()).await;
        let store = &test.app.store;
        assert_eq!(
            store.experiment(&experiment.contract_id).await.unwrap(),
            Some(experiment.clone())
        );
        assert_eq!(store.model(&model.model_id).await.unwrap(), Some(model.clone()));
        assert_eq!(
            store.proposal(&proposal.proposal_id).await.unwrap(),
            Some(proposal.clone())
        );
        assert_eq!(
            store.models(Some(Stage::Staging), None, 10).await.unwrap(),
            [model]
        );
        assert_eq!(store.count_proposals(None).await.unwrap(), 1);
        let shown = store.evidence(&proposal.proposal_id, 1).await.unwrap().unwrap();
        assert_eq!(shown.evidence.digest().unwrap(), proposal.evidence_digest);
        store.migrate().await.unwrap();
    });
}

#[test]
fn a_stage_moves_only_along_its_table() {
    on_every_database(|database| async {
        let test = app(database);
        let experiment = sample::experiment(&test.app, "rita").await;
        for (seed, &from) in (1u32..).zip(Stage::ALL) {
            for (n, &to) in (0u32..).zip(Stage::ALL) {
                if from == to || from == Stage::Canary {
                    continue;
                }
                let model = sample::model(&test.app, &experiment, "rita", seed * 100 + n).await;
                let id = &model.model_id;
                let by_hand = |stage: Stage| {
                    let active = i32::from(stage == Stage::Production);
                    let word = stage.word();
                    format!(
                        "UPDATE model_registry SET stage = '{word}', is_active = {active} WHERE model_id = '{id}'"
                    )
                };
                for step in path_to(from) {
                    assert_eq!(database::edit(&test.database.url, &by_hand(*step)).await, 1);
                }
                let moved = database::try_edit(&test.database.url, &by_hand(to)).await;
                let kind = test.database.kind;
                assert_eq!(
                    moved.is_ok(),
                    from.may_become(to),
                    "{kind}: {from:?} to {to:?}: {moved:?}"
                );
                // Leaves the slot's one place in production free for the next.
                drop(database::try_edit(&test.database.url, &by_hand(Stage::Withdrawn)).await);
            }
        }
    });
}

const fn path_to(stage: Stage) -> &'static [Stage] {
    match stage {
        Stage::Staging | Stage::Canary => &[],
        Stage::Production => &[Stage::Production],
        Stage::Archived => &[Stage::Production, Stage::Archived],
        Stage::Withdrawn => &[Stage::Withdrawn],
    }
}

#[test]
fn a_slot_has_one_production_model() {
    on_every_database(|database| async {
        let test = app(database);
        let experiment = sample::experiment(&test.app, "rita").await;
        let first = sample::model(&test.app, &experiment, "rita", 1).await;
        let second = sample::model(&test.app, &experiment, "rita", 2).await;
        let mut tx = test.app.store.begin().await.unwrap();
        tx.promote_model(&first.model_id, Stage::Staging, START)
            .await
            .unwrap();
        let refused = tx.promote_model(&second.model_id, Stage::Staging, START).await;
        assert!(
            matches!(refused, Err(StoreError::Conflict { .. })),
            "{}: {refused:?}",
            test.database.kind
        );
        drop(tx);
        assert_eq!(
            test.app
                .store
                .model(&first.model_id)
                .await
                .unwrap()
                .unwrap()
                .stage,
            Stage::Staging
        );
    });
}

#[test]
fn what_happened_cannot_be_changed_or_deleted() {
    on_every_database(|database| async {
        let test = app(database);
        let experiment = sample::experiment(&test.app, "rita").await;
        let model = sample::model(&test.app, &experiment, "rita", 1).await;
        sample::proposal(&test.app, &model, 1, sample::Shape::default()).await;
        note(&test.app, 1).await;
        let bars = market::closes("2026-01-05T13:05:00Z", &[4_000.0]);
        market::store(&test, &market::bars("USDCOP"), &bars).await;
        for sql in [
            "UPDATE experiment_contracts SET frozen_config = '{}'",
            "DELETE FROM experiment_contracts",
            "UPDATE model_registry SET model_hash = 'x'",
            "DELETE FROM model_registry",
            "UPDATE proposal_evidence SET evidence = '{}'",
            "DELETE FROM promotion_proposals",
            "UPDATE market_revisions SET rows_total = 7",
            "DELETE FROM market_revisions",
            "UPDATE audit_events SET actor = 'mallory'",
            "DELETE FROM audit_events",
            "UPDATE slots SET directive_number = -1",
        ] {
            let done = database::try_edit(&test.database.url, sql).await;
            assert!(
                done.is_err(),
                "{}: {sql} changed {done:?} rows",
                test.database.kind
            );
        }
    });
}

async fn note(app: &control::app::App, count: u32) {
    for n in 0..count {
        let mut tx = app.store.begin().await.unwrap();
        let event = Event {
            actor: "rita".to_owned(),
            action: Action::ModelRegistered,
            subject: format!("model-{n}"),
            body: serde_json::json!({"n": n}),
        };
        audit::append(&mut tx, app.keys.audit(), app.now(), event)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
}

#[test]
fn the_chain_names_the_first_event_that_was_touched() {
    on_every_database(|database| async {
        let test = app(database);
        note(&test.app, 5).await;
        let events = test
            .app
            .store
            .audit_events(&AuditFilter::default(), 10)
            .await
            .unwrap();
        let check = |events: &[control::audit::Stored]| {
            let mut walk = Walk::new(test.app.keys.trusted());
            events.iter().try_for_each(|event| walk.step(event))
        };
        assert_eq!(check(&events), Ok(()));

        let mut altered = events.clone();
        altered[2].event.actor = "mallory".to_owned();
        assert_eq!(check(&altered), Err(Broken::Content { seq: 3 }));

        let mut rehashed = events.clone();
        rehashed[2].event.actor = "mallory".to_owned();
        rehashed[2].hash = rehashed[2].event.hash().unwrap();
        assert!(matches!(check(&rehashed), Err(Broken::Signature { seq: 3, .. })));

        let mut deleted = events.clone();
        deleted.remove(1);
        assert_eq!(check(&deleted), Err(Broken::Number { seq: 3, expected: 2 }));

        let mut swapped = events.clone();
        swapped.swap(1, 2);
        assert_eq!(check(&swapped), Err(Broken::Number { seq: 3, expected: 2 }));
    });
}

#[test]
fn appending_at_once_leaves_no_hole_and_no_fork() {
    on_every_database(|database| async {
        let test = app(database);
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let app = test.app.clone();
                tokio::spawn(async move { note(&app, 5).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let events = test
            .app
            .store
            .audit_events(&AuditFilter::default(), 100)
            .await
            .unwrap();
        assert_eq!(events.len(), 40, "{}", test.database.kind);
        let mut walk = Walk::new(test.app.keys.trusted());
        events.iter().for_each(|event| walk.step(event).unwrap());
    });
}
