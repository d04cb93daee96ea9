//! Registering models: once, by researchers, with every author, all of it or nothing.

use std::sync::Arc;

use contracts::golden::{Golden, GoldenSource};
use contracts::hash::{DatasetHash, Digest, NormStatsHash};
use contracts::ids::ContractId;
use contracts::norm_stats::NormStats;
use control::audit::Action;
use control::auth::{Actor, Role, Scope, Via};
use control::registry::{
    NewDataset, NewTraining, RecordError, RegisterModelError, Registered, Registration, Stage, register,
    register_dataset, register_training,
};
use control::store::{AuditFilter, FaultPlan};
use serde_json::json;

use crate::kit::app::{TestApp, person};
use crate::kit::models::{app_with_bars, experiment, experiment_of, model, norm_stats, researcher, yaml};
use crate::kit::on_every_database;

fn registration(contract_id: &ContractId, seed: u64) -> Registration {
    Registration {
        contract_id: contract_id.clone(),
        model: model(seed),
        norm_stats: norm_stats(),
        dataset_hash: None,
        training_run: None,
        declared_trials: 0,
        action_output: None,
    }
}

async fn hand_in(
    test: &TestApp,
    actor: &Actor,
    request: Registration,
) -> Result<Registered, RegisterModelError> {
    Box::pin(register(&test.app, actor, request)).await
}

fn token_of(name: &str, scope: Scope) -> Actor {
    Actor {
        via: Via::Token {
            token_id: "t1".to_owned(),
            scopes: vec![scope],
            slot: None,
        },
        ..researcher(name)
    }
}

fn stats() -> NormStats {
    NormStats::parse(&norm_stats()).unwrap()
}

/// The dataset the scaler names.
fn dataset(contract_id: &ContractId) -> NewDataset {
    NewDataset {
        contract_id: contract_id.clone(),
        dataset_hash: stats().metadata.dataset_hash,
        norm_stats_hash: stats().hash(),
        manifest: json!({"rows": 1000, "source": "generated"}),
    }
}

fn run(contract_id: &ContractId) -> NewTraining {
    NewTraining {
        run_id: "RUN-1".parse().unwrap(),
        contract_id: contract_id.clone(),
        dataset_hash: stats().metadata.dataset_hash,
        manifest: json!({"seed": 42}),
    }
}

async fn count(test: &TestApp, action: Action) -> usize {
    let filter = AuditFilter {
        action: Some(action.word().to_owned()),
        ..AuditFilter::default()
    };
    let events = test.app.store.audit_events(&filter, 100).await;
    events.unwrap().len()
}

async fn nothing_there(test: &TestApp, why: &str) {
    let models = test.app.store.models(None, None, 10).await.unwrap();
    assert!(models.is_empty(), "{why}");
    assert_eq!(count(test, Action::ModelRegistered).await, 0, "{why}");
}

#[test]
fn a_model_is_registered_once_with_its_files_and_all_its_authors() {
    on_every_database(|database| async {
        let test = app_with_bars(database);
        let contract = experiment(&test, "rita").await;
        register_dataset(&test.app, &researcher("dana"), dataset(&contract))
            .await
            .unwrap();
        register_training(&test.app, &researcher("tom"), run(&contract))
            .await
            .unwrap();
        let request = Registration {
            training_run: Some("RUN-1".parse().unwrap()),
            declared_trials: 7,
            ..registration(&contract, 1)
        };
        let max = token_of("max", Scope::ResearchWrite);
        let first = hand_in(&test, &max, request.clone()).await.unwrap();
        assert!(first.created);
        let row = first.model;
        let hex = row.bundle_hash.short(12);
        assert_eq!(row.model_id.as_str(), format!("usdcop_ppo_baseline-{hex}"));
        assert_eq!((row.stage, row.declared_trials), (Stage::Staging, 7));
        assert_eq!(
            row.dataset_hash,
            Some(stats().metadata.dataset_hash),
            "by its run"
        );
        assert_eq!(
            test.app.store.model(&row.model_id).await.unwrap().as_ref(),
            Some(&row),
            "what is stored comes back"
        );

        let file = |hash: &[u8; 32]| test.app.artifacts.get(Digest::from_bytes(*hash)).unwrap();
        assert_eq!(file(row.model_hash.as_bytes()), model(1));
        assert_eq!(file(row.norm_stats_artifact.as_bytes()), norm_stats());
        assert!(!file(row.exec_hash.unwrap().as_bytes()).is_empty());
        let golden = Golden::parse(&file(row.golden.as_bytes())).unwrap();
        assert_eq!(golden.source, GoldenSource::Bars);
        assert_eq!(row.admission["outputs"][0]["chosen"], true);

        let mut tx = test.app.store.begin().await.unwrap();
        let authors = tx.authors(&row.model_id).await.unwrap();
        drop(tx);
        let names: Vec<&str> = authors.iter().map(contracts::ids::PersonId::as_str).collect();
        assert_eq!(names, ["dana", "max", "rita", "tom"]);

        let again = hand_in(&test, &researcher("ralf"), request.clone())
            .await
            .unwrap();
        assert!(!again.created);
        assert_eq!(again.model, row, "the first author and time stay");
        assert_eq!(count(&test, Action::ModelRegistered).await, 1);
        let fewer = Registration {
            declared_trials: 1,
            ..request
        };
        let refused = hand_in(&test, &max, fewer).await.unwrap_err();
        assert_eq!(refused.code(), "registered_differently", "{refused}");

        let other = hand_in(&test, &max, registration(&contract, 2)).await.unwrap();
        assert!(other.created);
        assert_ne!(other.model.model_id, row.model_id);
        assert_eq!(
            other.model.dataset_hash,
            Some(stats().metadata.dataset_hash),
            "the scaler names it: leaving it out leaves no author out"
        );
    });
}

#[test]
fn what_is_refused_leaves_no_row_no_file_and_no_event() {
    on_every_database(|database| async {
        let mut test = app_with_bars(database);
        let contract = experiment(&test, "rita").await;
        let rita = researcher("rita");
        for actor in [
            person("vera", &[Role::Approver, Role::Admin]),
            token_of("rita", Scope::MetricsRead),
        ] {
            let refused = hand_in(&test, &actor, registration(&contract, 1)).await;
            assert_eq!(refused.unwrap_err().code(), "forbidden");
        }
        let good = || registration(&contract, 1);
        let broken_stats = String::from_utf8(norm_stats()).unwrap();
        let ahead = broken_stats.replace("1970-01-02", "2025-03-01");
        assert_ne!(ahead, broken_stats);
        let cases = [
            (
                "experiment_not_found",
                Registration {
                    contract_id: "CTR-EXP-none-1.0.0".parse().unwrap(),
                    ..good()
                },
            ),
            (
                "norm_stats_invalid",
                Registration {
                    norm_stats: b"{}".to_vec(),
                    ..good()
                },
            ),
            (
                "norm_stats_look_ahead",
                Registration {
                    norm_stats: ahead.into_bytes(),
                    ..good()
                },
            ),
            (
                "not_onnx",
                Registration {
                    model: b"nothing".to_vec(),
                    ..good()
                },
            ),
            (
                "dataset_not_found",
                Registration {
                    dataset_hash: Some(DatasetHash::of(b"nowhere")),
                    ..good()
                },
            ),
            (
                "training_run_not_found",
                Registration {
                    training_run: Some("RUN-none".parse().unwrap()),
                    ..good()
                },
            ),
            (
                "wrong_action_output",
                Registration {
                    action_output: Some("nothing".to_owned()),
                    ..good()
                },
            ),
        ];
        for (code, request) in cases {
            let refused = hand_in(&test, &rita, request).await.unwrap_err();
            assert_eq!(refused.code(), code, "{refused}");
        }
        let config: &control::config::Config = &test.app.config;
        let mut without = config.clone();
        let (config, markets) = (test.app.config.clone(), std::mem::take(&mut without.markets));
        test.app.config = Arc::new(without);
        let refused = hand_in(&test, &rita, good()).await.unwrap_err();
        assert_eq!(refused.code(), "no_market", "{refused}");
        assert_eq!(markets.len(), 1);
        test.app.config = config;
        nothing_there(&test, "refused").await;
        assert!(test.app.artifacts.list().unwrap().is_empty());
        hand_in(&test, &rita, good()).await.unwrap();
    });
}

#[test]
fn datasets_and_training_runs_are_registered_once_and_never_change() {
    on_every_database(|database| async {
        let test = app_with_bars(database);
        let contract = experiment(&test, "rita").await;
        let dana = researcher("dana");
        let early = register_training(&test.app, &dana, run(&contract)).await;
        assert_eq!(early.unwrap_err().code(), "dataset_not_found");
        let (row, created) = register_dataset(&test.app, &dana, dataset(&contract))
            .await
            .unwrap();
        assert!(created);
        let found = test.app.store.dataset(&contract, row.dataset_hash).await.unwrap();
        assert_eq!(found.as_ref(), Some(&row));
        let again = register_dataset(&test.app, &researcher("tom"), dataset(&contract)).await;
        assert_eq!(again.unwrap(), (row.clone(), false), "the first builder stays");
        let from_later_revisions = NewDataset {
            manifest: json!({"sources": []}),
            ..dataset(&contract)
        };
        let again = register_dataset(&test.app, &dana, from_later_revisions).await;
        assert_eq!(
            again.unwrap(),
            (row.clone(), false),
            "rows make a dataset, the first manifest stays"
        );
        let next = yaml().replacen("version: 1.0.0", "version: 1.0.1", 1);
        let next = experiment_of(&test, "rita", next).await;
        let (of_next, created) = register_dataset(&test.app, &dana, dataset(&next)).await.unwrap();
        assert!(created, "two experiments may be built of the same rows");
        assert_eq!(of_next.dataset_hash, row.dataset_hash);
        assert_eq!(
            test.app.store.dataset(&contract, row.dataset_hash).await.unwrap(),
            Some(row)
        );
        let other = NewDataset {
            norm_stats_hash: NormStatsHash::of(b"other"),
            ..dataset(&contract)
        };
        let refused = register_dataset(&test.app, &dana, other).await;
        assert_eq!(refused.unwrap_err().code(), "registered_differently");
        let (run_row, created) = register_training(&test.app, &dana, run(&contract)).await.unwrap();
        assert!(created);
        let listed = test.app.store.trainings(Some(&contract), 10).await.unwrap();
        assert_eq!(listed, [run_row]);
        for manifest in [json!([]), json!("text"), json!({"n": 9_007_199_254_740_993_u64})] {
            let odd = NewDataset {
                manifest,
                dataset_hash: DatasetHash::of(b"odd"),
                ..dataset(&contract)
            };
            let refused = register_dataset(&test.app, &dana, odd).await;
            assert!(matches!(refused, Err(RecordError::Manifest(_))), "{refused:?}");
        }
        let viewer = person("vic", &[Role::Viewer]);
        let refused = register_dataset(&test.app, &viewer, dataset(&contract)).await;
        assert_eq!(refused.unwrap_err().code(), "forbidden");
        assert_eq!(count(&test, Action::DatasetRegistered).await, 2);
        assert_eq!(count(&test, Action::TrainingRegistered).await, 1);
    });
}

#[test]
fn a_crash_before_any_statement_leaves_no_model_without_its_authors_and_event() {
    on_every_database(|database| async {
        let mut test = app_with_bars(database);
        let contract = experiment(&test, "rita").await;
        let (plan, whole) = (Arc::new(FaultPlan::default()), test.app.store.clone());
        test.app.store = whole.with_faults(Arc::clone(&plan));
        let rita = researcher("rita");
        let mut statement = 1;
        loop {
            plan.fail_before(statement);
            if let Ok(done) = hand_in(&test, &rita, registration(&contract, 1)).await {
                assert!(done.created);
                break;
            }
            nothing_there(&test, &format!("statement {statement}")).await;
            statement += 1;
        }
        assert!(statement > 5, "{statement}");
        assert_eq!(count(&test, Action::ModelRegistered).await, 1);
    });
}

#[test]
fn of_two_at_once_one_registers_and_the_other_is_told_the_same() {
    on_every_database(|database| async {
        let test = app_with_bars(database);
        let contract = experiment(&test, "rita").await;
        let (rita, ralf) = (researcher("rita"), researcher("ralf"));
        let (one, two) = tokio::join!(
            hand_in(&test, &rita, registration(&contract, 1)),
            hand_in(&test, &ralf, registration(&contract, 1))
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        assert!(one.created != two.created);
        assert_eq!(one.model, two.model);
        assert_eq!(count(&test, Action::ModelRegistered).await, 1);
    });
}
