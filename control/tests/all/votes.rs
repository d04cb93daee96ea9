//! The second vote: who may cast it, what it changes, and that it changes all of it or nothing.

use std::sync::Arc;

use contracts::evidence::Defect;
use contracts::production::{ProductionContract, Recommendation};
use control::audit::{Action, Refusal, Walk, note_refusal};
use control::auth::{Actor, Role, Via};
use control::registry::Stage;
use control::store::{AuditFilter, FaultPlan, ProposalRow, ProposalStatus};
use control::votes::{Approve, ApproveError, Approved, Reject, VoteRefused, approve, expire, reject};

use crate::kit::app::{START, TestApp, app, person};
use crate::kit::sample::{self, Shape};
use crate::kit::{database, on_every_database};

/// Events of an experiment, a model and a proposal of the sample.
const SAMPLED: usize = 3;
const DAY_MS: i64 = 86_400_000;

fn yes(proposal: &ProposalRow) -> Approve {
    Approve {
        proposal_id: proposal.proposal_id.clone(),
        evidence_digest: proposal.evidence_digest,
        notes: None,
        promote_to_production: true,
    }
}

fn vera() -> Actor {
    person("vera", &[Role::Approver])
}

/// A first model of `rita`'s and an open proposal for it.
async fn open_proposal(test: &TestApp, shape: Shape) -> ProposalRow {
    let experiment = sample::experiment(&test.app, "rita").await;
    let model = sample::model(&test.app, &experiment, "rita", 1).await;
    sample::proposal(&test.app, &model, 1, shape).await
}

/// What every refused vote must leave as it was.
async fn state(test: &TestApp) -> (u64, u64, usize, usize) {
    let slot = &test.app.store.slots().await.unwrap()[0];
    let production = test
        .app
        .store
        .models(Some(Stage::Production), None, 10)
        .await
        .unwrap()
        .len();
    let approved = test
        .app
        .store
        .count_proposals(Some(ProposalStatus::Approved))
        .await
        .unwrap();
    let contracts = test.app.store.contracts_of(&slot.slot, 10).await.unwrap().len();
    (slot.generation, approved, production, contracts)
}

#[test]
fn an_approval_puts_the_model_into_production_with_a_contract_an_engine_accepts() {
    on_every_database(|database| async {
        let test = app(database);
        let proposal = open_proposal(&test, Shape::default()).await;
        let approved = approve(&test.app, &vera(), &yes(&proposal)).await.unwrap();
        assert_eq!(approved.new_stage, Stage::Production);
        assert_eq!(approved.previous_model_archived, None);
        let (generation, digest) = approved.contract.unwrap();
        assert_eq!(generation, 1);

        let store = &test.app.store;
        let row = store.newest_contract(&approved.slot).await.unwrap().unwrap();
        let contract = ProductionContract::parse(row.contract.as_bytes()).unwrap();
        contract.verify(test.app.keys.trusted()).unwrap();
        assert_eq!((contract.digest().unwrap(), row.digest), (digest, digest));
        assert_eq!(contract.model_id, proposal.model_id);
        assert_eq!(contract.environment.as_str(), "paper");
        let directive = store.newest_directive(&approved.slot).await.unwrap().unwrap();
        let directive = contracts::directive::Directive::parse(directive.as_bytes()).unwrap();
        directive.verify(test.app.keys.trusted()).unwrap();
        assert_eq!(
            (directive.contract, directive.generation, directive.number),
            (Some(digest), 1, 1)
        );
        assert!(directive.clears.is_empty());

        let stored = store.proposal(&proposal.proposal_id).await.unwrap().unwrap();
        assert_eq!(stored.status, ProposalStatus::Approved);
        assert_eq!(stored.reviewer.unwrap().as_str(), "vera");
        let period = &store.periods(&approved.slot, None).await.unwrap()[0];
        assert_eq!(
            (period.generation, period.ended_at, period.allowed_by.as_str()),
            (1, None, "vera")
        );
        let events = store.audit_events(&AuditFilter::default(), 10).await.unwrap();
        let told: Vec<Action> = events.iter().map(|event| event.event.action).collect();
        assert_eq!(told[SAMPLED..], [Action::ContractIssued, Action::Approve]);
        let mut walk = Walk::new(test.app.keys.trusted());
        events.iter().for_each(|event| walk.step(event).unwrap());
    });
}

#[test]
fn a_second_model_archives_the_first_under_a_higher_generation() {
    on_every_database(|database| async {
        let test = app(database);
        let experiment = sample::experiment(&test.app, "rita").await;
        let first = sample::model(&test.app, &experiment, "rita", 1).await;
        let second = sample::model(&test.app, &experiment, "rita", 2).await;
        let proposal = sample::proposal(&test.app, &first, 1, Shape::default()).await;
        approve(&test.app, &vera(), &yes(&proposal)).await.unwrap();
        let shape = Shape {
            baseline: Some(first.model_id.clone()),
            ..Shape::default()
        };
        let proposal = sample::proposal(&test.app, &second, 1, shape).await;
        let approved = approve(&test.app, &vera(), &yes(&proposal)).await.unwrap();
        assert_eq!(approved.previous_model_archived, Some(first.model_id.clone()));
        assert_eq!(approved.contract.unwrap().0, 2);
        let store = &test.app.store;
        assert_eq!(
            store.model(&first.model_id).await.unwrap().unwrap().stage,
            Stage::Archived
        );
        let periods = store.periods(&approved.slot, None).await.unwrap();
        assert_eq!((periods.len(), periods[1].ended_at), (2, Some(START)));
    });
}

#[test]
fn an_approval_without_promotion_deploys_nothing() {
    on_every_database(|database| async {
        let test = app(database);
        let proposal = open_proposal(&test, Shape::default()).await;
        let request = Approve {
            promote_to_production: false,
            ..yes(&proposal)
        };
        let approved = approve(&test.app, &vera(), &request).await.unwrap();
        assert_eq!((approved.new_stage, approved.contract), (Stage::Staging, None));
        assert_eq!(state(&test).await, (0, 1, 0, 0));
        assert_eq!(approved.deploy_by.0, START.0 + 7 * DAY_MS);
    });
}

fn code(result: Result<Approved, ApproveError>) -> &'static str {
    match result {
        Err(ApproveError::Refused(refused)) => refused.code(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_rule_refuses_with_its_own_code_and_changes_nothing() {
    on_every_database(|database| async {
        let test = app(database);
        let proposal = open_proposal(&test, Shape::default()).await;
        let before = state(&test).await;
        let vote = |actor: Actor| {
            let (app, request) = (test.app.clone(), yes(&proposal));
            async move { code(approve(&app, &actor, &request).await) }
        };
        assert_eq!(vote(person("victor", &[Role::Viewer])).await, "not_approver");
        assert_eq!(
            vote(person("rita", &[Role::Approver])).await,
            "author_may_not_vote"
        );
        let token = Actor {
            via: Via::Token {
                token_id: "t1".to_owned(),
                scopes: Vec::new(),
                slot: None,
            },
            ..vera()
        };
        assert_eq!(vote(token).await, "person_required");
        test.clock.advance_ms(15 * 60 * 1000 + 1);
        assert_eq!(vote(vera()).await, "login_too_old");
        let fresh = Actor {
            via: Via::Password {
                authenticated_at: test.app.now(),
            },
            ..vera()
        };
        let other = Approve {
            evidence_digest: contracts::hash::Digest::of(b"other"),
            ..yes(&proposal)
        };
        assert_eq!(code(approve(&test.app, &fresh, &other).await), "evidence_changed");
        let unknown = Approve {
            proposal_id: "PROP-none-1".parse().unwrap(),
            ..yes(&proposal)
        };
        assert_eq!(code(approve(&test.app, &fresh, &unknown).await), "not_found");
        let long = Approve {
            notes: Some("x".repeat(9000)),
            ..yes(&proposal)
        };
        assert_eq!(code(approve(&test.app, &fresh, &long).await), "notes_too_long");
        test.clock.advance_ms(7 * DAY_MS);
        let fresh = Actor {
            via: Via::Password {
                authenticated_at: test.app.now(),
            },
            ..vera()
        };
        assert_eq!(
            code(approve(&test.app, &fresh, &yes(&proposal)).await),
            "proposal_expired"
        );
        assert_eq!(state(&test).await, before);
    });
}

#[test]
fn an_override_needs_a_reason_and_some_have_none() {
    on_every_database(|database| async {
        let test = app(database);
        let experiment = sample::experiment(&test.app, "rita").await;
        let shape = |recommendation, not_overridable| Shape {
            recommendation,
            not_overridable,
            baseline: None,
        };
        let model = sample::model(&test.app, &experiment, "rita", 1).await;
        let never = shape(Recommendation::Reject, Some(Defect::LookAhead));
        let proposal = sample::proposal(&test.app, &model, 1, never).await;
        let noted = |notes: &str| Approve {
            notes: Some(notes.to_owned()),
            ..yes(&proposal)
        };
        assert_eq!(
            code(approve(&test.app, &vera(), &noted("I insist")).await),
            "not_overridable"
        );

        let model = sample::model(&test.app, &experiment, "rita", 2).await;
        let proposal = sample::proposal(&test.app, &model, 1, shape(Recommendation::Reject, None)).await;
        assert_eq!(
            code(approve(&test.app, &vera(), &yes(&proposal)).await),
            "notes_required"
        );
        let blank = Approve {
            notes: Some("  ".to_owned()),
            ..yes(&proposal)
        };
        assert_eq!(code(approve(&test.app, &vera(), &blank).await), "notes_required");
        let said = Approve {
            notes: Some("the drawdown is one holiday".to_owned()),
            ..yes(&proposal)
        };
        approve(&test.app, &vera(), &said).await.unwrap();
    });
}

#[test]
fn a_baseline_that_is_no_longer_in_production_refuses_the_vote() {
    on_every_database(|database| async {
        let test = app(database);
        let experiment = sample::experiment(&test.app, "rita").await;
        let first = sample::model(&test.app, &experiment, "rita", 1).await;
        let second = sample::model(&test.app, &experiment, "rita", 2).await;
        let early = sample::proposal(&test.app, &second, 1, Shape::default()).await;
        let proposal = sample::proposal(&test.app, &first, 1, Shape::default()).await;
        approve(&test.app, &vera(), &yes(&proposal)).await.unwrap();
        assert_eq!(
            code(approve(&test.app, &vera(), &yes(&early)).await),
            "baseline_changed"
        );
        assert_eq!(state(&test).await, (1, 1, 1, 1));
    });
}

#[test]
fn a_rejection_is_final_and_signed() {
    on_every_database(|database| async {
        let test = app(database);
        let proposal = open_proposal(&test, Shape::default()).await;
        let request = Reject {
            proposal_id: proposal.proposal_id.clone(),
            evidence_digest: proposal.evidence_digest,
            notes: Some("too few trades in March".to_owned()),
        };
        reject(&test.app, &vera(), &request).await.unwrap();
        assert_eq!(
            code(approve(&test.app, &vera(), &yes(&proposal)).await),
            "not_pending"
        );
        assert_eq!(state(&test).await, (0, 0, 0, 0));
        let mut tx = test.app.store.begin().await.unwrap();
        let second = tx.second_vote(&proposal.proposal_id).await.unwrap().unwrap();
        assert_eq!(second.statement.decision, contracts::production::Decision::Reject);
    });
}

#[test]
fn two_approvers_at_once_make_one_production_model() {
    on_every_database(|database| async {
        let test = app(database);
        let experiment = sample::experiment(&test.app, "rita").await;
        let mut baseline = None;
        for round in 0..rounds() {
            let model = sample::model(&test.app, &experiment, "rita", round).await;
            let shape = Shape {
                baseline: baseline.take(),
                ..Shape::default()
            };
            let proposal = sample::proposal(&test.app, &model, 1, shape).await;
            let vote = |name: &str| {
                let (app, actor, request) =
                    (test.app.clone(), person(name, &[Role::Approver]), yes(&proposal));
                tokio::spawn(async move { approve(&app, &actor, &request).await })
            };
            let (vera, victor) = (vote("vera"), vote("victor"));
            let (vera, victor) = (vera.await.unwrap(), victor.await.unwrap());
            let kind = test.database.kind;
            assert_eq!(
                usize::from(vera.is_ok()) + usize::from(victor.is_ok()),
                1,
                "{kind}, round {round}: {vera:?} {victor:?}"
            );
            let loser = if vera.is_ok() { victor } else { vera };
            assert_eq!(code(loser), "not_pending", "{kind}, round {round}");
            let production = test
                .app
                .store
                .models(Some(Stage::Production), None, 10)
                .await
                .unwrap();
            assert_eq!(production.len(), 1, "{kind}, round {round}");
            assert_eq!(production[0].model_id, model.model_id);
            baseline = Some(model.model_id);
        }
    });
}

/// 100 at full length; CI runs a tenth.
fn rounds() -> u32 {
    let share: f64 = std::env::var("TWOVOTE_SOAK")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0.1);
    let rounds = (100.0 * share).max(1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and 100"
    )]
    {
        rounds as u32
    }
}

#[test]
fn a_crash_before_any_statement_of_an_approval_leaves_all_or_nothing() {
    on_every_database(|database| async {
        let test = app(database);
        let proposal = open_proposal(&test, Shape::default()).await;
        let before = state(&test).await;
        let plan = Arc::new(FaultPlan::default());
        let mut broken = test.app.clone();
        broken.store = test.app.store.with_faults(plan.clone());
        let mut statement = 0;
        loop {
            statement += 1;
            plan.fail_before(statement);
            if approve(&broken, &vera(), &yes(&proposal)).await.is_ok() {
                break;
            }
            assert_eq!(
                state(&test).await,
                before,
                "{}: before statement {statement}",
                test.database.kind
            );
            let events = test
                .app
                .store
                .audit_events(&AuditFilter::default(), 10)
                .await
                .unwrap();
            assert!(
                events.len() == SAMPLED,
                "{}: before statement {statement}",
                test.database.kind
            );
        }
        assert_eq!(
            statement,
            plan.longest() + 1,
            "every statement of the transaction had its turn"
        );
        assert!(statement > 15, "{statement} statements");
        assert_eq!(state(&test).await, (1, 1, 1, 1));
    });
}

#[test]
fn nothing_is_signed_over_rows_that_were_edited() {
    on_every_database(|database| async {
        let test = app(database);
        let proposal = open_proposal(&test, Shape::default()).await;
        // The evidence table refuses edits; somebody who drops the trigger is found by the digest.
        let url = &test.database.url;
        let drop_trigger = match test.database.kind {
            "sqlite" => "DROP TRIGGER proposal_evidence_no_update",
            _ => "DROP TRIGGER proposal_evidence_append_only ON proposal_evidence",
        };
        database::edit(url, drop_trigger).await;
        let better = "UPDATE proposal_evidence SET evidence = REPLACE(evidence, '\"total_trades\":140', '\"total_trades\":999')";
        assert_eq!(database::edit(url, better).await, 1);
        let altered = approve(&test.app, &vera(), &yes(&proposal)).await;
        assert!(matches!(altered, Err(ApproveError::Altered(_))), "{altered:?}");
        assert_eq!(state(&test).await, (0, 0, 0, 0));
    });
}

#[test]
fn what_decides_an_override_is_computed_again_and_never_read_from_columns() {
    on_every_database(|database| async {
        let test = app(database);
        let never = Shape {
            recommendation: Recommendation::Reject,
            not_overridable: Some(Defect::LookAhead),
            baseline: None,
        };
        let proposal = open_proposal(&test, never).await;
        let url = &test.database.url;
        for (by_hand, back) in [
            (
                "not_overridable = NULL, recommendation = 'PROMOTE'",
                "not_overridable = 'look_ahead', recommendation = 'REJECT'",
            ),
            ("not_overridable = NULL", "not_overridable = 'look_ahead'"),
            ("reason = 'all is well'", "reason = 'all criteria are met'"),
            ("confidence = 0.5", "confidence = 0.96"),
        ] {
            let set = |what: &str| format!("UPDATE promotion_proposals SET {what}");
            assert_eq!(database::edit(url, &set(by_hand)).await, 1);
            let said = approve(&test.app, &vera(), &yes(&proposal)).await;
            assert!(
                matches!(said, Err(ApproveError::Altered(_))),
                "{by_hand}: {said:?}"
            );
            assert_eq!(state(&test).await, (0, 0, 0, 0), "{by_hand}");
            assert_eq!(database::edit(url, &set(back)).await, 1);
        }
        assert_eq!(
            code(approve(&test.app, &vera(), &yes(&proposal)).await),
            "not_overridable"
        );
    });
}

#[test]
fn a_proposal_that_expired_is_not_revived_by_hand() {
    on_every_database(|database| async {
        let test = app(database);
        let proposal = open_proposal(&test, Shape::default()).await;
        let url = &test.database.url;
        let longer = "UPDATE promotion_proposals SET expires_at = '2099-01-01T00:00:00.000Z'";
        assert_eq!(database::edit(url, longer).await, 1);
        test.clock.advance_ms(8 * DAY_MS);
        let fresh = Actor {
            via: Via::Password {
                authenticated_at: test.app.now(),
            },
            ..vera()
        };
        let revived = approve(&test.app, &fresh, &yes(&proposal)).await;
        assert!(matches!(revived, Err(ApproveError::Altered(_))), "{revived:?}");
        let at = proposal.expires_at.to_jiff().unwrap();
        let put_back = format!("UPDATE promotion_proposals SET expires_at = '{at:.3}'");
        assert_eq!(database::edit(url, &put_back).await, 1);
        assert_eq!(
            expire(&test.app).await.unwrap(),
            vec![proposal.proposal_id.clone()]
        );
        // A decided proposal stays decided, unless somebody may change the schema as well.
        let drop_trigger = match test.database.kind {
            "sqlite" => "DROP TRIGGER promotion_proposals_status",
            _ => "ALTER TABLE promotion_proposals DISABLE TRIGGER USER",
        };
        database::edit(url, drop_trigger).await;
        let reopened = format!("{longer}, status = 'PENDING_APPROVAL'");
        assert_eq!(database::edit(url, &reopened).await, 1);
        let revived = approve(&test.app, &fresh, &yes(&proposal)).await;
        assert!(matches!(revived, Err(ApproveError::Altered(_))), "{revived:?}");
        assert_eq!(state(&test).await, (0, 0, 0, 0));
    });
}

#[test]
fn an_altered_artifact_stops_the_approval() {
    on_every_database(|database| async {
        let test = app(database);
        let proposal = open_proposal(&test, Shape::default()).await;
        let model = test.app.store.model(&proposal.model_id).await.unwrap().unwrap();
        std::fs::write(test.artifacts.path(model.norm_stats_artifact), b"mean 0").unwrap();
        let altered = approve(&test.app, &vera(), &yes(&proposal)).await;
        assert!(matches!(altered, Err(ApproveError::Build(_))), "{altered:?}");
        assert_eq!(state(&test).await, (0, 0, 0, 0));
    });
}

#[test]
fn a_refused_vote_is_an_event() {
    on_every_database(|database| async {
        let test = app(database);
        let proposal = open_proposal(&test, Shape::default()).await;
        let rita = person("rita", &[Role::Approver]);
        let refused = VoteRefused::Author(rita.person.clone());
        let refusal = Refusal {
            attempted: Action::Approve,
            subject: proposal.proposal_id.as_str(),
            code: refused.code(),
            detail: &refused,
        };
        note_refusal(&test.app, &rita, refusal).await.unwrap();
        let events = test
            .app
            .store
            .audit_events(&AuditFilter::default(), 10)
            .await
            .unwrap();
        assert_eq!(events[SAMPLED].event.action, Action::VoteRefused);
        assert_eq!(events[SAMPLED].event.body["code"], "author_may_not_vote");
    });
}

#[test]
fn a_proposal_nobody_voted_on_runs_out_once_with_its_event_and_its_row() {
    on_every_database(|database| async {
        let test = app(database);
        let proposal = open_proposal(&test, Shape::default()).await;
        test.clock.advance_ms(7 * DAY_MS - 1);
        assert!(expire(&test.app).await.unwrap().is_empty());
        test.clock.advance_ms(1);
        assert_eq!(
            expire(&test.app).await.unwrap(),
            vec![proposal.proposal_id.clone()]
        );
        assert!(expire(&test.app).await.unwrap().is_empty());
        let stored = test
            .app
            .store
            .proposal(&proposal.proposal_id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((stored.status, stored.reviewer), (ProposalStatus::Expired, None));
        let events = test
            .app
            .store
            .audit_events(&AuditFilter::default(), 10)
            .await
            .unwrap();
        assert_eq!(events.len(), SAMPLED + 1);
        assert_eq!(
            (events[SAMPLED].event.action, events[SAMPLED].event.actor.as_str()),
            (Action::Expire, "control")
        );
        let logged = "UPDATE approval_audit_log SET notes = 'x' WHERE action = 'EXPIRE'";
        assert!(
            database::try_edit(&test.database.url, logged).await.is_err(),
            "the row is there and stays"
        );
    });
}
