//! Production moves beside the vote: later promotions, returns, withdrawals, halts and the two people it takes to go on.

use contracts::directive::Directive;
use contracts::ids::SlotId;
use contracts::production::ProductionContract;
use contracts::reason::Latch;
use control::auth::{Actor, Role, Via};
use control::promote::{MoveError, Moved, PromoteLater, RollBack, Withdraw, promote, rollback, withdraw};
use control::registry::Stage;
use control::slots::{
    Halt, HaltError, ResumeError, ResumeRequest, confirm_resume, halt, renew, request_resume,
};
use control::store::{ModelRow, ProposalRow};
use control::votes::{Approve, approve};

use crate::kit::app::{TestApp, app, person};
use crate::kit::sample::{self, Shape};
use crate::kit::{database, on_every_database};

const DAY_MS: i64 = 86_400_000;

pub fn slot() -> SlotId {
    "usdcop-5m".parse().unwrap()
}

/// A person whose password was given now.
pub fn fresh(test: &TestApp, name: &str, roles: &[Role]) -> Actor {
    Actor {
        via: Via::Password {
            authenticated_at: test.app.now(),
        },
        ..person(name, roles)
    }
}

pub async fn vote(test: &TestApp, proposal: &ProposalRow, promote_to_production: bool) {
    let request = Approve {
        proposal_id: proposal.proposal_id.clone(),
        evidence_digest: proposal.evidence_digest,
        notes: None,
        promote_to_production,
    };
    approve(&test.app, &fresh(test, "vera", &[Role::Approver]), &request)
        .await
        .unwrap();
}

/// Two models of `rita`'s: the first in production and replaced by the second.
pub async fn two_generations(test: &TestApp) -> (ModelRow, ModelRow) {
    let experiment = sample::experiment(&test.app, "rita").await;
    let first = sample::model(&test.app, &experiment, "rita", 1).await;
    let second = sample::model(&test.app, &experiment, "rita", 2).await;
    vote(
        test,
        &sample::proposal(&test.app, &first, 1, Shape::default()).await,
        true,
    )
    .await;
    let shape = Shape {
        baseline: Some(first.model_id.clone()),
        ..Shape::default()
    };
    vote(test, &sample::proposal(&test.app, &second, 1, shape).await, true).await;
    (first, second)
}

pub fn code(result: Result<Moved, MoveError>) -> &'static str {
    match result {
        Err(MoveError::Refused(refused)) => refused.code(),
        other => panic!("{other:?}"),
    }
}

async fn newest(test: &TestApp) -> (ProductionContract, Directive) {
    let contract = test
        .app
        .store
        .newest_contract(&slot())
        .await
        .unwrap()
        .unwrap()
        .contract;
    let contract = ProductionContract::parse(contract.as_bytes()).unwrap();
    contract.verify(test.app.keys.trusted()).unwrap();
    let directive = test.app.store.newest_directive(&slot()).await.unwrap().unwrap();
    let directive = Directive::parse(directive.as_bytes()).unwrap();
    directive.verify(test.app.keys.trusted()).unwrap();
    (contract, directive)
}

#[test]
fn an_approved_model_is_deployed_later_but_not_too_late() {
    on_every_database(|database| async {
        let test = app(database);
        let experiment = sample::experiment(&test.app, "rita").await;
        let model = sample::model(&test.app, &experiment, "rita", 1).await;
        let request = PromoteLater {
            model_id: model.model_id.clone(),
        };
        let olga = || fresh(&test, "olga", &[Role::Operator]);
        assert_eq!(code(promote(&test.app, &olga(), &request).await), "not_approved");
        vote(
            &test,
            &sample::proposal(&test.app, &model, 1, Shape::default()).await,
            false,
        )
        .await;

        let viewer = fresh(&test, "victor", &[Role::Viewer]);
        assert_eq!(code(promote(&test.app, &viewer, &request).await), "not_allowed");
        let author = fresh(&test, "rita", &[Role::Operator]);
        assert_eq!(
            code(promote(&test.app, &author, &request).await),
            "author_may_not_deploy"
        );
        test.clock.advance_ms(7 * DAY_MS + 1);
        assert_eq!(
            code(promote(&test.app, &olga(), &request).await),
            "approval_lapsed"
        );
        test.clock.advance_ms(-1);
        let moved = promote(&test.app, &olga(), &request).await.unwrap();
        assert_eq!((moved.generation, moved.previous_model_archived), (1, None));
        let (contract, directive) = newest(&test).await;
        assert_eq!(
            contract.votes.unwrap().promote.unwrap().statement.actor.as_str(),
            "olga"
        );
        assert_eq!(directive.contract, Some(moved.contract));
        assert_eq!(code(promote(&test.app, &olga(), &request).await), "wrong_stage");
    });
}

#[test]
fn a_status_edited_to_approved_deploys_nothing() {
    on_every_database(|database| async {
        let test = app(database);
        let experiment = sample::experiment(&test.app, "rita").await;
        let model = sample::model(&test.app, &experiment, "rita", 1).await;
        let proposal = sample::proposal(&test.app, &model, 1, Shape::default()).await;
        let url = &test.database.url;
        database::edit(
            url,
            "UPDATE promotion_proposals SET status = 'APPROVED', reviewer = 'vera'",
        )
        .await;
        let link = format!(
            "UPDATE model_registry SET l4_proposal_id = '{}', approved_by = 'vera'",
            proposal.proposal_id
        );
        database::edit(url, &link).await;
        let olga = fresh(&test, "olga", &[Role::Operator]);
        let request = PromoteLater {
            model_id: model.model_id.clone(),
        };
        assert_eq!(code(promote(&test.app, &olga, &request).await), "not_approved");
        database::edit(
            url,
            "UPDATE model_registry SET stage = 'production', is_active = 1",
        )
        .await;
        database::edit(url, "UPDATE model_registry SET stage = 'archived', is_active = 0").await;
        let back = RollBack {
            slot: slot(),
            to_model_id: model.model_id,
            reason: "by hand".to_owned(),
        };
        assert_eq!(
            code(rollback(&test.app, &olga, &back).await),
            "never_in_production"
        );
        assert!(test.app.store.newest_contract(&slot()).await.unwrap().is_none());
    });
}

#[test]
fn a_rollback_is_a_new_generation_of_a_model_that_ran_here() {
    on_every_database(|database| async {
        let test = app(database);
        let (first, second) = two_generations(&test).await;
        let olga = fresh(&test, "olga", &[Role::Operator]);
        let back = |model: &ModelRow, reason: &str| RollBack {
            slot: slot(),
            to_model_id: model.model_id.clone(),
            reason: reason.to_owned(),
        };
        assert_eq!(
            code(rollback(&test.app, &olga, &back(&first, " ")).await),
            "reason_required"
        );
        assert_eq!(
            code(rollback(&test.app, &olga, &back(&second, "losing")).await),
            "wrong_stage"
        );
        let moved = rollback(&test.app, &olga, &back(&first, "losing")).await.unwrap();
        assert_eq!(
            (moved.generation, moved.previous_model_archived),
            (3, Some(second.model_id.clone()))
        );
        let (contract, _) = newest(&test).await;
        assert_eq!(
            contract.votes.unwrap().rollback.unwrap().statement.from_model_id,
            second.model_id
        );
        let periods = test.app.store.periods(&slot(), None).await.unwrap();
        assert_eq!(
            periods.iter().map(|period| period.generation).collect::<Vec<_>>(),
            [3, 2, 1]
        );
        assert!(periods[1].ended_at.is_some());

        let forbid = Withdraw {
            model_id: second.model_id.clone(),
            reason: "leaks".to_owned(),
        };
        assert_eq!(withdraw(&test.app, &olga, &forbid).await.unwrap(), None);
        assert_eq!(
            code(rollback(&test.app, &olga, &back(&second, "again")).await),
            "wrong_stage"
        );
    });
}

#[test]
fn withdrawing_what_runs_stops_its_slot() {
    on_every_database(|database| async {
        let test = app(database);
        let (_, second) = two_generations(&test).await;
        let olga = fresh(&test, "olga", &[Role::Operator]);
        let forbid = Withdraw {
            model_id: second.model_id.clone(),
            reason: "leaks".to_owned(),
        };
        assert_eq!(withdraw(&test.app, &olga, &forbid).await.unwrap(), Some(slot()));
        let (_, directive) = newest(&test).await;
        assert!(directive.halted);
        let stage = test
            .app
            .store
            .model(&second.model_id)
            .await
            .unwrap()
            .unwrap()
            .stage;
        assert_eq!(stage, Stage::Withdrawn);
        assert!(
            test.app.store.periods(&slot(), None).await.unwrap()[0]
                .ended_at
                .is_some()
        );
    });
}

pub fn resume_code<T: std::fmt::Debug>(result: Result<T, ResumeError>) -> &'static str {
    match result {
        Err(ResumeError::Refused(refused)) => refused.code(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_person_stops_and_two_go_on() {
    on_every_database(|database| async {
        let test = app(database);
        two_generations(&test).await;
        let (olga, oscar) = (
            fresh(&test, "olga", &[Role::Operator]),
            fresh(&test, "oscar", &[Role::Operator]),
        );
        let stop = Halt {
            slot: slot(),
            reason: "spread".to_owned(),
        };
        let viewer = fresh(&test, "victor", &[Role::Viewer]);
        assert!(matches!(
            halt(&test.app, &viewer, &stop).await,
            Err(HaltError::NotOperator)
        ));
        halt(&test.app, &olga, &stop).await.unwrap();
        let (_, stopped) = newest(&test).await;
        assert!(stopped.halted && stopped.clears.is_empty());

        // A routine directive and a swap clear nothing.
        test.clock.advance_ms(16 * 60 * 1000);
        let (renewed, failed) = renew(&test.app).await.unwrap();
        assert_eq!((renewed, failed.len()), (vec![slot()], 0));
        let (_, routine) = newest(&test).await;
        assert!(routine.halted && routine.clears.is_empty() && routine.number > stopped.number);
        assert_eq!(renew(&test.app).await.unwrap().0, Vec::<SlotId>::new());

        assert_eq!(
            resume_code(confirm_resume(&test.app, &oscar, &slot()).await),
            "login_too_old"
        );
        let (olga, oscar) = (
            fresh(&test, "olga", &olga.roles),
            fresh(&test, "oscar", &oscar.roles),
        );
        assert_eq!(
            resume_code(confirm_resume(&test.app, &oscar, &slot()).await),
            "resume_not_requested"
        );
        let go_on = ResumeRequest {
            slot: slot(),
            latches: vec![Latch::Local, Latch::Control],
            reason: "spread is back".to_owned(),
        };
        request_resume(&test.app, &olga, &go_on).await.unwrap();
        assert_eq!(
            resume_code(request_resume(&test.app, &oscar, &go_on).await),
            "resume_open"
        );
        assert_eq!(
            resume_code(confirm_resume(&test.app, &olga, &slot()).await),
            "second_person_required"
        );
        assert!(newest(&test).await.1.halted);
        let directive = confirm_resume(&test.app, &oscar, &slot()).await.unwrap();
        assert_eq!(
            (directive.halted, directive.clears.as_slice()),
            (false, [Latch::Control, Latch::Local].as_slice())
        );
        directive.verify(test.app.keys.trusted()).unwrap();

        // The next routine one clears nothing again.
        test.clock.advance_ms(16 * 60 * 1000);
        renew(&test.app).await.unwrap();
        assert!(newest(&test).await.1.clears.is_empty());
    });
}

#[test]
fn a_request_to_resume_runs_out() {
    on_every_database(|database| async {
        let test = app(database);
        two_generations(&test).await;
        let olga = fresh(&test, "olga", &[Role::Operator]);
        let go_on = ResumeRequest {
            slot: slot(),
            latches: vec![Latch::Local],
            reason: "checked".to_owned(),
        };
        request_resume(&test.app, &olga, &go_on).await.unwrap();
        test.clock.advance_ms(60 * 60 * 1000);
        let oscar = fresh(&test, "oscar", &[Role::Operator]);
        assert_eq!(
            resume_code(confirm_resume(&test.app, &oscar, &slot()).await),
            "resume_not_requested"
        );
        request_resume(&test.app, &oscar, &go_on).await.unwrap();
    });
}

#[test]
fn an_edited_contract_gets_no_directive() {
    on_every_database(|database| async {
        let test = app(database);
        two_generations(&test).await;
        let url = &test.database.url;
        let drop_trigger = match test.database.kind {
            "sqlite" => "DROP TRIGGER production_contracts_no_update",
            _ => "DROP TRIGGER production_contracts_append_only ON production_contracts",
        };
        database::edit(url, drop_trigger).await;
        let longer = "UPDATE production_contracts SET contract = REPLACE(contract, '\"max_bar_age_s\": 60', '\"max_bar_age_s\": 600')";
        assert_eq!(database::edit(url, longer).await, 2);
        let before = test.app.store.newest_directive(&slot()).await.unwrap();
        test.clock.advance_ms(16 * 60 * 1000);
        let (renewed, failed) = renew(&test.app).await.unwrap();
        assert_eq!((renewed.len(), failed.len()), (0, 1), "{failed:?}");
        assert_eq!(test.app.store.newest_directive(&slot()).await.unwrap(), before);
    });
}
