//! A stop holds and always works: for a model that was withdrawn, over rows that were edited, under keys that were revoked.

use contracts::directive::Directive;
use contracts::production::{ProductionContract, Votes};
use contracts::reason::Latch;
use contracts::signing::KeyPurpose;
use control::audit::verify::check;
use control::auth::{Actor, Role, Scope, Via};
use control::keys::{self, Keyring};
use control::promote::{RollBack, Withdraw, rollback, withdraw};
use control::registry::lineage::{Kind, lineage};
use control::slots::{Halt, ResumeRequest, confirm_resume, halt, renew, request_resume};
use control::store::ModelRow;

use crate::audit::control;
use crate::kit::app::{TestApp, app, person};
use crate::kit::sample::{self, Shape};
use crate::kit::{database, on_every_database};
use crate::moves::{code, fresh, resume_code, slot, two_generations, vote};

fn stop() -> Halt {
    Halt {
        slot: slot(),
        reason: "spread".to_owned(),
    }
}

fn go_on(latch: Latch) -> ResumeRequest {
    ResumeRequest {
        slot: slot(),
        latches: vec![latch],
        reason: "checked".to_owned(),
    }
}

fn leaks(model: &ModelRow) -> Withdraw {
    Withdraw {
        model_id: model.model_id.clone(),
        reason: "leaks".to_owned(),
    }
}

fn back_to(model: &ModelRow) -> RollBack {
    RollBack {
        slot: slot(),
        to_model_id: model.model_id.clone(),
        reason: "losing".to_owned(),
    }
}

fn operator(test: &TestApp, name: &str) -> Actor {
    fresh(test, name, &[Role::Operator])
}

async fn directive(test: &TestApp) -> Directive {
    let text = test.app.store.newest_directive(&slot()).await.unwrap().unwrap();
    let directive = Directive::parse(text.as_bytes()).unwrap();
    directive.verify(test.app.keys.trusted()).unwrap();
    directive
}

/// Periods of production in a model's lineage that are not what their hash says.
async fn broken_periods(test: &TestApp, model: &ModelRow) -> usize {
    let found = Box::pin(lineage(&test.app, &model.model_id))
        .await
        .unwrap()
        .unwrap();
    let nodes = found.nodes.iter();
    let broken = nodes.filter(|node| node.kind == Kind::ProductionPeriod && node.verified == Some(false));
    broken.count()
}

/// What somebody does who owns the database: a table's rows can be changed.
async fn unlock(test: &TestApp, table: &str) {
    let sql = match test.database.kind {
        "sqlite" => format!("DROP TRIGGER {table}_no_update"),
        _ => format!("DROP TRIGGER {table}_append_only ON {table}"),
    };
    database::edit(&test.database.url, &sql).await;
}

#[test]
fn a_withdrawn_model_does_not_go_on_and_the_one_that_comes_back_does() {
    on_every_database(|database| async {
        let test = app(database);
        let (first, second) = two_generations(&test).await;
        let (olga, oscar) = (operator(&test, "olga"), operator(&test, "oscar"));
        halt(&test.app, &olga, &stop()).await.unwrap();
        request_resume(&test.app, &olga, &go_on(Latch::Control))
            .await
            .unwrap();
        withdraw(&test.app, &olga, &leaks(&second)).await.unwrap();
        let stopped = directive(&test).await;
        assert_eq!(
            resume_code(confirm_resume(&test.app, &oscar, &slot()).await),
            "no_production_model"
        );
        assert_eq!(
            resume_code(request_resume(&test.app, &oscar, &go_on(Latch::Control)).await),
            "no_production_model"
        );
        assert_eq!(directive(&test).await, stopped);
        assert!(test.app.store.slot(&slot()).await.unwrap().unwrap().halted);

        let moved = rollback(&test.app, &olga, &back_to(&first)).await.unwrap();
        assert!(directive(&test).await.halted, "a rollback clears nothing");
        let resumed = confirm_resume(&test.app, &oscar, &slot()).await.unwrap();
        assert_eq!((resumed.halted, resumed.contract), (false, Some(moved.contract)));
    });
}

#[test]
fn the_latch_of_an_engine_is_cleared_while_the_slot_stays_halted() {
    on_every_database(|database| async {
        let test = app(database);
        let (_, second) = two_generations(&test).await;
        let (olga, oscar) = (operator(&test, "olga"), operator(&test, "oscar"));
        withdraw(&test.app, &olga, &leaks(&second)).await.unwrap();
        request_resume(&test.app, &olga, &go_on(Latch::Local))
            .await
            .unwrap();
        // An edited latch does not start a withdrawn model.
        database::edit(&test.database.url, "UPDATE slots SET halted = 0").await;
        let resumed = confirm_resume(&test.app, &oscar, &slot()).await.unwrap();
        assert_eq!((resumed.halted, resumed.clears), (true, vec![Latch::Local]));
    });
}

#[test]
fn a_routine_directive_over_a_withdrawn_model_says_halted() {
    on_every_database(|database| async {
        let test = app(database);
        let (first, second) = two_generations(&test).await;
        withdraw(&test.app, &operator(&test, "olga"), &leaks(&second))
            .await
            .unwrap();
        let url = &test.database.url;
        database::edit(url, "UPDATE slots SET halted = 0").await;
        let active = format!(
            "UPDATE model_registry SET stage = 'production', is_active = 1 WHERE model_id = '{}'",
            first.model_id
        );
        database::edit(url, &active).await;
        test.clock.advance_ms(16 * 60 * 1000);
        let (renewed, failed) = renew(&test.app).await.unwrap();
        assert_eq!((renewed, failed.len()), (vec![slot()], 0));
        let routine = directive(&test).await;
        assert_eq!((routine.generation, routine.halted), (2, true));
    });
}

#[test]
fn a_slot_whose_rows_were_edited_is_halted_all_the_same() {
    on_every_database(|database| async {
        let test = app(database);
        let (_, second) = two_generations(&test).await;
        let olga = operator(&test, "olga");
        let running = directive(&test).await;
        let url = &test.database.url;
        assert_eq!(broken_periods(&test, &second).await, 0);
        unlock(&test, "production_contracts").await;
        let longer = "UPDATE production_contracts SET contract = REPLACE(contract, '\"max_bar_age_s\": 60', '\"max_bar_age_s\": 600')";
        assert_eq!(database::edit(url, longer).await, 2);
        // The lineage shows it, and the chain names the rows.
        assert_eq!(broken_periods(&test, &second).await, 1);
        let named = check(&test.app.store, &test.artifacts, test.app.keys.trusted(), &[]).await;
        let named = named.unwrap().findings;
        let rows = named
            .iter()
            .filter(|finding| finding.kind == "row" && finding.place.contains("production_contracts"));
        assert_eq!(rows.count(), 2, "{named:?}");
        halt(&test.app, &olga, &stop()).await.unwrap();
        let stopped = directive(&test).await;
        assert_eq!(
            (stopped.halted, stopped.generation, stopped.contract),
            (true, 2, running.contract)
        );

        // The same with a row that is not even one, and no directive that verifies.
        database::edit(url, "UPDATE production_contracts SET model_id = ''").await;
        unlock(&test, "directives").await;
        let other = "UPDATE directives SET directive = REPLACE(directive, '\"halted\":', '\"halted\" :x')";
        assert_eq!(database::edit(url, other).await, 3);
        halt(&test.app, &olga, &stop()).await.unwrap();
        let stopped = directive(&test).await;
        assert_eq!(
            (stopped.halted, stopped.generation, stopped.contract),
            (true, 0, None)
        );
    });
}

#[test]
fn a_slot_whose_key_was_revoked_is_halted_and_its_model_withdrawn() {
    on_every_database(|database| async {
        let mut test = app(database);
        let (_, second) = two_generations(&test).await;
        let folder = test.app.config.keys.clone();
        let old = test.app.keys.contract().key_id();
        keys::generate(&folder, KeyPurpose::Contract, [77; 32]).unwrap();
        assert!(keys::revoke(&folder, KeyPurpose::Contract, &old).unwrap());
        test.app.keys = Keyring::load(&folder).unwrap();
        let olga = operator(&test, "olga");
        halt(&test.app, &olga, &stop()).await.unwrap();
        assert!(directive(&test).await.halted);
        let halted = withdraw(&test.app, &olga, &leaks(&second)).await.unwrap();
        assert_eq!(halted, Some(slot()));
        let stopped = directive(&test).await;
        assert_eq!((stopped.halted, stopped.contract), (true, None));
    });
}

#[test]
fn a_key_that_a_slot_runs_by_is_not_revoked_by_accident() {
    on_every_database(|database| async {
        let test = app(database);
        two_generations(&test).await;
        let (config, folder) = (test.settings_file(), test.app.config.keys.clone());
        let old = test.app.keys.vote().key_id().to_string();
        let spare = keys::generate(&folder, KeyPurpose::Vote, [77; 32]).unwrap();
        keys::generate(&folder, KeyPurpose::Vote, [78; 32]).unwrap();
        let revoke = async |id: &str, more: &[&str]| {
            let words = [
                &[
                    "key",
                    "revoke",
                    "--purpose",
                    "vote",
                    "--id",
                    id,
                    "--config",
                    &config,
                ],
                more,
            ];
            control(&words.concat()).await
        };
        let (said, refused) = revoke(&old, &[]).await;
        assert_eq!(refused, 77, "{said}");
        let trusted = |id: &str| {
            let listed = keys::list(&folder).unwrap();
            listed
                .iter()
                .any(|key| key.key_id.to_string() == id && key.state == keys::KeyState::Trusted)
        };
        assert!(trusted(&old), "nothing was moved");
        assert_eq!(
            revoke(&spare.key_id.to_string(), &[]).await.1,
            0,
            "nothing depends on it"
        );
        let (said, done) = revoke(&old, &["--although-in-use"]).await;
        assert_eq!(done, 0, "{said}");
        assert!(!trusted(&old));
    });
}

#[test]
fn genuine_votes_in_a_contract_written_by_hand_move_nothing() {
    on_every_database(|database| async {
        let test = app(database);
        let experiment = sample::experiment(&test.app, "rita").await;
        let first = sample::model(&test.app, &experiment, "rita", 1).await;
        let second = sample::model(&test.app, &experiment, "rita", 2).await;
        let proposal = sample::proposal(&test.app, &first, 1, Shape::default()).await;
        vote(&test, &proposal, true).await;
        let shape = Shape {
            baseline: Some(first.model_id.clone()),
            ..Shape::default()
        };
        let proposal = sample::proposal(&test.app, &second, 1, shape).await;
        vote(&test, &proposal, false).await;

        // The second model was allowed and never deployed; a row says it ran.
        let row = test.app.store.newest_contract(&slot()).await.unwrap().unwrap();
        let mut tx = test.app.store.begin().await.unwrap();
        let yes = tx.second_vote(&proposal.proposal_id).await.unwrap().unwrap();
        let digest = yes.statement.evidence_digest;
        let evidence = tx
            .evidence_of_digest(&proposal.proposal_id, digest)
            .await
            .unwrap();
        drop(tx);
        let mut forged = ProductionContract::parse(row.contract.as_bytes()).unwrap();
        forged.generation = 9;
        forged.model_id = second.model_id.clone();
        forged.hashes.model_hash = second.model_hash;
        forged.hashes.exec_hash = second.exec_hash;
        forged.hashes.norm_stats_hash = second.norm_stats_hash;
        forged.hashes.bundle_hash = second.bundle_hash;
        forged.artifacts.model = contracts::hash::Digest::from_bytes(*second.model_hash.as_bytes());
        forged.artifacts.exec = second
            .exec_hash
            .map(|hash| contracts::hash::Digest::from_bytes(*hash.as_bytes()));
        forged.artifacts.norm_stats = second.norm_stats_artifact;
        forged.artifacts.golden = second.golden;
        forged.lineage.proposal_id = Some(proposal.proposal_id.clone());
        forged.votes = Some(Votes {
            first: evidence.unwrap().first_vote,
            second: yes,
            promote: None,
            rollback: None,
        });
        let text = serde_json::to_string(&forged).unwrap();
        let read = ProductionContract::parse(text.as_bytes()).unwrap();
        let votes = read.votes.as_ref().unwrap();
        votes.first.verify(test.app.keys.trusted()).unwrap();
        votes.second.verify(test.app.keys.trusted()).unwrap();
        let url = &test.database.url;
        let insert = format!(
            "INSERT INTO production_contracts (slot, generation, contract_digest, model_id, contract, issued_at)
             VALUES ('usdcop-5m', 9, '{}', '{}', '{text}', '2026-01-05T13:05:00.000Z')",
            read.digest().unwrap().to_hex(),
            second.model_id
        );
        assert_eq!(database::edit(url, &insert).await, 1);
        for (model, stage, active) in [
            (&first, "archived", 0),
            (&second, "production", 1),
            (&second, "archived", 0),
        ] {
            let moved = format!(
                "UPDATE model_registry SET stage = '{stage}', is_active = {active} WHERE model_id = '{}'",
                model.model_id
            );
            database::edit(url, &moved).await;
        }
        let olga = operator(&test, "olga");
        assert_eq!(
            code(rollback(&test.app, &olga, &back_to(&second)).await),
            "contract_altered"
        );
        let runs = test.app.store.slot(&slot()).await.unwrap().unwrap();
        assert_eq!(runs.generation, 1);
    });
}

#[test]
fn a_token_stops_nothing_and_an_old_login_does() {
    on_every_database(|database| async {
        let test = app(database);
        two_generations(&test).await;
        test.clock.advance_ms(10 * 60 * 60 * 1000);
        let script = Actor {
            via: Via::Token {
                token_id: "TOK-1".to_owned(),
                scopes: Scope::ALL.to_vec(),
                slot: None,
            },
            ..person("olga", &[Role::Operator])
        };
        let refused = halt(&test.app, &script, &stop()).await.unwrap_err();
        assert!(refused.to_string().contains("a token cannot"), "{refused}");
        assert!(!directive(&test).await.halted);
        let olga = person("olga", &[Role::Operator]);
        halt(&test.app, &olga, &stop()).await.unwrap();
        assert!(directive(&test).await.halted);
    });
}
