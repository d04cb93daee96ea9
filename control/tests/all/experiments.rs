//! Registering experiments: once, by researchers, never changed, always audited.

use std::sync::Arc;

use contracts::ids::ContractId;
use control::audit::Action;
use control::auth::{Actor, Role, Scope, Via};
use control::experiments::{Register, RegisterError, Registered, ShowError, list, register, show};
use control::store::{AuditFilter, FaultPlan, StoreError};

use crate::kit::app::{TestApp, app, person};
use crate::kit::{database, on_every_database};

fn baseline() -> String {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../config/experiments/usdcop_ppo_baseline.yaml"
    );
    std::fs::read_to_string(path).unwrap()
}

fn researcher(name: &str) -> Actor {
    person(name, &[Role::Researcher])
}

async fn hand_in(test: &TestApp, actor: &Actor, yaml: &str) -> Result<Registered, RegisterError> {
    let request = Register {
        yaml: yaml.as_bytes().to_vec(),
        file: "baseline.yaml".to_owned(),
    };
    register(&test.app, actor, &request).await
}

async fn events(test: &TestApp) -> Vec<control::audit::Stored> {
    let events = test.app.store.audit_events(&AuditFilter::default(), 100).await;
    events.unwrap()
}

#[test]
fn the_same_content_is_registered_once_and_audited_once() {
    on_every_database(|database| async {
        let test = app(database);
        let first = hand_in(&test, &researcher("rita"), &baseline()).await.unwrap();
        assert!(first.created);
        let row = first.experiment;
        assert_eq!(row.contract_id.as_str(), "CTR-EXP-usdcop_ppo_baseline-1.0.0");
        assert_eq!(row.created_by.as_str(), "rita");
        assert_eq!(
            show(&test.app, &row.contract_id).await.unwrap(),
            row,
            "what is stored comes back"
        );
        assert!(test.app.store.slot(&row.slot).await.unwrap().is_some());

        test.clock.advance_ms(60_000);
        let again = hand_in(&test, &researcher("ralf"), &format!("# mine\n{}", baseline())).await;
        let again = again.unwrap();
        assert!(!again.created);
        assert_eq!(again.experiment, row, "the first author and time stay");

        let events = events(&test).await;
        assert_eq!(events.len(), 1);
        let event = &events[0].event;
        assert_eq!(
            (event.action, event.actor.as_str()),
            (Action::ExperimentRegistered, "rita")
        );
        assert_eq!(event.subject, row.contract_id.as_str());
        assert_eq!(event.body["config_hash"], row.config_hash.to_hex());
    });
}

#[test]
fn other_content_under_the_same_version_is_refused_with_what_differs() {
    on_every_database(|database| async {
        let test = app(database);
        let rita = researcher("rita");
        hand_in(&test, &rita, &baseline()).await.unwrap();
        let looser = baseline().replace("min_sharpe: 0.5", "min_sharpe: 0.1");
        let error = hand_in(&test, &rita, &looser).await.unwrap_err();
        assert_eq!(error.code(), "experiment_differs");
        let path = "evaluation.success_criteria.min_sharpe";
        assert!(
            error.to_string().contains(&format!("{path}: 0.5 → 0.1")),
            "{error}"
        );
        let RegisterError::Differs { changes, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(changes.len(), 1);

        let next = looser.replace("\n  version: 1.0.0", "\n  version: 1.1.0");
        let second = hand_in(&test, &rita, &next).await.unwrap();
        assert!(second.created);
        let listed = list(&test.app, None, 10).await.unwrap();
        let versions: Vec<&str> = listed.iter().map(|row| row.version.as_str()).collect();
        assert_eq!(versions, ["1.1.0", "1.0.0"]);
        assert_eq!(list(&test.app, None, 1).await.unwrap(), [second.experiment]);
        let other = "another".parse().unwrap();
        assert!(list(&test.app, Some(&other), 10).await.unwrap().is_empty());
        assert_eq!(events(&test).await.len(), 2);
    });
}

#[test]
fn who_may_not_register_and_what_has_no_slot_leaves_nothing_behind() {
    on_every_database(|database| async {
        let test = app(database);
        let token = |scope| Actor {
            via: Via::Token {
                token_id: "t1".to_owned(),
                scopes: vec![scope],
                slot: None,
            },
            ..researcher("rita")
        };
        for actor in [
            person(
                "adam",
                &[Role::Admin, Role::Approver, Role::Operator, Role::Viewer],
            ),
            token(Scope::SignalsRead),
        ] {
            let error = hand_in(&test, &actor, &baseline()).await.unwrap_err();
            assert!(matches!(error, RegisterError::Forbidden), "{error}");
        }
        for (from, to, code) in [
            ("slot: usdcop-5m", "slot: eurusd-5m", "unknown_slot"),
            (
                "instrument: USDCOP",
                "instrument: EURUSD",
                "instrument_not_in_slot",
            ),
            ("pnl: 0.5", "pnl: 0.6", "experiment_invalid"),
            ("reward:\n", "reward:\n  params: {bogus: 1.0}\n", "reward_invalid"),
            (
                "contract: usdcop_15",
                "contract: nowhere",
                "feature_contract_unusable",
            ),
        ] {
            let error = hand_in(&test, &researcher("rita"), &baseline().replace(from, to)).await;
            assert_eq!(error.unwrap_err().code(), code);
        }
        assert!(list(&test.app, None, 10).await.unwrap().is_empty());
        assert!(events(&test).await.is_empty());
        assert!(test.app.store.slots().await.unwrap().is_empty());
        let id = ContractId::parse("CTR-EXP-usdcop_ppo_baseline-1.0.0").unwrap();
        assert!(matches!(show(&test.app, &id).await, Err(ShowError::NotFound(missing)) if missing == id));

        let with_scope = hand_in(&test, &token(Scope::ResearchWrite), &baseline()).await;
        assert!(with_scope.unwrap().created);
        assert_eq!(events(&test).await[0].event.actor, "token:t1 of rita");
    });
}

#[test]
fn a_crash_before_any_statement_leaves_no_contract_without_its_event() {
    on_every_database(|database| async {
        let mut test = app(database);
        let (plan, whole) = (Arc::new(FaultPlan::default()), test.app.store.clone());
        test.app.store = whole.with_faults(Arc::clone(&plan));
        let mut statement = 1;
        loop {
            plan.fail_before(statement);
            let outcome = hand_in(&test, &researcher("rita"), &baseline()).await;
            if let Ok(registered) = outcome {
                assert!(registered.created);
                break;
            }
            assert!(list(&test.app, None, 10).await.unwrap().is_empty(), "{statement}");
            assert!(events(&test).await.is_empty(), "{statement}");
            statement += 1;
        }
        assert!(statement > 4, "{statement}");
        assert_eq!(events(&test).await.len(), 1);
    });
}

#[test]
fn of_two_at_once_one_registers_and_the_other_is_told_the_same() {
    on_every_database(|database| async {
        let test = app(database);
        let (rita, ralf) = (researcher("rita"), researcher("ralf"));
        let yaml = baseline();
        let (one, two) = tokio::join!(hand_in(&test, &rita, &yaml), hand_in(&test, &ralf, &yaml));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert!(one.created != two.created);
        assert_eq!(one.experiment, two.experiment);
        assert_eq!(events(&test).await.len(), 1);
    });
}

#[test]
fn a_registered_contract_cannot_be_edited() {
    on_every_database(|database| async {
        let test = app(database);
        hand_in(&test, &researcher("rita"), &baseline()).await.unwrap();
        let sql = "UPDATE experiment_contracts SET frozen_config = '{}'";
        let refused = database::try_edit(&test.database.url, sql).await;
        let error = StoreError::from(refused.unwrap_err());
        assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    });
}
