//! Edits by hand, replays and documents of somebody else: nothing moves without a signed vote.

use contracts::ids::{Environment, SlotId};
use contracts::production::ProductionContract;
use control::app::{App, Changed};
use control::routine;
use control::store::{ReceiptRow, Store};
use serde_json::json;

use crate::kit::database::edit;
use crate::kit::on_every_database;
use crate::liar::{Liar, Offer};
use crate::place::Place;
use crate::plane::{Plane, SLOT};

const QUARTER_MS: i64 = 15 * 60 * 1000;

fn refused(code: &'static str, generation: u64) -> impl Fn(&ReceiptRow) -> bool {
    move |receipt| {
        receipt.status == "refused"
            && receipt.receipt["code"] == code
            && receipt.generation == Some(generation)
    }
}

/// What drops the rule that refuses changes of contracts: whoever edits by hand can do that too.
fn without_rule(plane: &Plane) -> &'static str {
    match plane.test.database.kind {
        "sqlite" => "DROP TRIGGER production_contracts_no_update",
        _ => "DROP TRIGGER production_contracts_append_only ON production_contracts",
    }
}

#[test]
fn a_status_set_by_hand_moves_nothing_whoever_is_asked() {
    on_every_database(|database| async {
        let mut plane = Plane::start(database).await;
        let place = Place::new(&plane);
        let (first, proposal) = plane.proposed(1, None).await;
        assert_eq!(plane.deploy(&proposal).await, 1);
        let mut engine = place.start(&plane.url(), 0).await;
        engine.assert_signals(1).await;
        let (second, proposal) = plane.proposed(2, Some(&first.model_id)).await;
        let before = plane.said().await;

        let url = plane.test.database.url.clone();
        let approved = format!(
            "UPDATE promotion_proposals SET status = 'APPROVED', reviewer = 'mallory', reviewed_at = created_at, \
             deploy_by = expires_at WHERE proposal_id = '{}'",
            proposal.proposal_id
        );
        let noted = format!(
            "UPDATE model_registry SET l4_proposal_id = '{}', approved_by = 'mallory', approved_at = created_at \
             WHERE model_id = '{}'",
            proposal.proposal_id, second.model_id
        );
        for sql in [approved, noted] {
            assert_eq!(edit(&url, &sql).await, 1, "{sql}");
        }
        let promote = format!("/api/models/{}/promote", second.model_id);
        let back = format!("/api/slots/{SLOT}/rollback");
        let to = json!({"to_model_id": second.model_id, "reason": "by hand"});
        for (path, body) in [(promote, json!({})), (back, to)] {
            let answer = plane.call(&plane.olga, &path, body).await;
            assert_eq!(answer.status, 409, "{path}: {}", answer.text);
        }
        let yes = json!({"promote_to_production": true});
        let voted = plane.decide(&plane.vera, &proposal, "approve", yes).await;
        assert_eq!(voted.status, 409, "{}", voted.text);
        engine.assert_signals(1).await;

        // As production at once, with the model that runs moved out of the way.
        let stages = [
            format!(
                "UPDATE model_registry SET stage = 'archived', is_active = 0 WHERE model_id = '{}'",
                first.model_id
            ),
            format!(
                "UPDATE model_registry SET stage = 'production', is_active = 1 WHERE model_id = '{}'",
                second.model_id
            ),
        ];
        for sql in stages {
            assert_eq!(edit(&url, &sql).await, 1, "{sql}");
        }
        // A control plane that is started anew and goes its rounds.
        plane.close().await;
        let app = &plane.test.app;
        let anew = App::new(
            Store::open(&url).await.unwrap(),
            app.artifacts.clone(),
            app.keys.clone(),
            app.clock.clone(),
            app.config.clone(),
        );
        plane.test.app = anew;
        plane.open().await;
        plane.test.clock.advance_ms(2 * QUARTER_MS);
        routine::round(&plane.test.app).await;
        assert_eq!(
            plane.said().await,
            before,
            "the same contract, and wanted by every directive"
        );
        engine.assert_signals(1).await;
        engine.stop().await;
    });
}

#[test]
fn an_edited_contract_is_refused_and_the_model_that_runs_goes_on() {
    on_every_database(|database| async {
        let plane = Plane::start(database).await;
        let place = Place::new(&plane);
        let (_, proposal) = plane.proposed(1, None).await;
        plane.deploy(&proposal).await;
        let mut engine = place.start(&plane.url(), 0).await;
        engine.assert_signals(1).await;

        let url = plane.test.database.url.clone();
        edit(&url, without_rule(&plane)).await;
        let set = |from: &str, to: &str| {
            format!("UPDATE production_contracts SET contract = replace(contract, '{from}', '{to}')")
        };
        let (age, older) = ("\"max_bar_age_s\": 60", "\"max_bar_age_s\": 6000");
        assert_eq!(edit(&url, &set(age, older)).await, 1);
        let slot: SlotId = SLOT.parse().unwrap();
        plane.test.app.tell(Changed::Slot { slot });
        plane.receipt("the refusal", refused("bad_signature", 1)).await;
        engine.assert_signals(1).await;
        let page = engine.metrics();
        assert!(
            page.contains("engine_contract_refused_timestamp_seconds{code=\"bad_signature\"}"),
            "{page}"
        );
        engine.stop().await;
    });
}

#[test]
fn an_edited_artifact_is_refused_until_it_is_what_was_voted_for() {
    on_every_database(|database| async {
        let mut plane = Plane::start(database).await;
        let place = Place::new(&plane);
        let (mut running, proposal) = plane.proposed(1, None).await;
        plane.deploy(&proposal).await;
        let mut engine = place.start(&plane.url(), 0).await;
        engine.assert_signals(1).await;
        for (generation, seed) in [(2, 2), (3, 3)] {
            let (model, proposal) = plane.proposed(seed, Some(&running.model_id)).await;
            // Between the vote and the engine's first look.
            plane.close().await;
            assert_eq!(plane.deploy(&proposal).await, generation);
            let edited = if generation == 2 {
                model.golden
            } else {
                contracts::hash::Digest::from_bytes(*model.model_hash.as_bytes())
            };
            let path = plane.test.artifacts.path(edited);
            let bytes = std::fs::read(&path).unwrap();
            let mut other = bytes.clone();
            *other.last_mut().unwrap() ^= 1;
            std::fs::write(&path, &other).unwrap();
            plane.open().await;
            plane
                .receipt("the refusal", refused("not_available", generation))
                .await;
            engine.assert_signals(generation - 1).await;
            std::fs::write(&path, &bytes).unwrap();
            engine.swapped(generation).await;
            engine.assert_signals(generation).await;
            running = model;
        }
        engine.stop().await;
    });
}

#[test]
fn norm_stats_edited_before_the_vote_are_never_signed() {
    on_every_database(|database| async {
        let plane = Plane::start(database).await;
        let (model, proposal) = plane.proposed(1, None).await;
        let path = plane.test.artifacts.path(model.norm_stats_artifact);
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let yes = json!({"promote_to_production": true});
        let voted = plane.decide(&plane.vera, &proposal, "approve", yes.clone()).await;
        assert_eq!(voted.code(), (409, "altered".to_owned()), "{}", voted.text);
        assert_eq!(plane.said().await, (0, None));

        // Or by naming another document in the row, whose rule is dropped first: the votes are about other norm stats.
        let (model, proposal) = plane.proposed(2, None).await;
        let url = &plane.test.database.url;
        match plane.test.database.kind {
            "sqlite" => edit(url, "DROP TRIGGER model_registry_identity").await,
            _ => edit(url, "ALTER TABLE model_registry DISABLE TRIGGER USER").await,
        };
        let named = format!(
            "UPDATE model_registry SET norm_stats_hash = '{}' WHERE model_id = '{}'",
            "0".repeat(64),
            model.model_id
        );
        assert_eq!(edit(url, &named).await, 1);
        let voted = plane.decide(&plane.vera, &proposal, "approve", yes).await;
        assert_eq!(voted.code(), (409, "altered".to_owned()), "{}", voted.text);
        assert_eq!(plane.said().await, (0, None));
    });
}

/// The contract of generation `n`, edited and signed again with the true key.
fn signed_again(plane: &Plane, text: &str, change: impl FnOnce(&mut ProductionContract)) -> String {
    let mut contract = ProductionContract::parse(text.as_bytes()).unwrap();
    change(&mut contract);
    contract.signatures.clear();
    contract.sign(plane.test.app.keys.contract()).unwrap();
    serde_json::to_string(&contract).unwrap()
}

#[test]
fn what_is_older_or_meant_for_others_is_refused_also_by_an_engine_without_its_cache() {
    on_every_database(|database| async {
        let plane = Plane::start(database).await;
        let place = Place::new(&plane);
        let slot: SlotId = SLOT.parse().unwrap();
        let store = &plane.test.app.store;
        let (first, proposal) = plane.proposed(1, None).await;
        plane.deploy(&proposal).await;
        let old = Offer {
            contract: Some(store.newest_contract(&slot).await.unwrap().unwrap().contract),
            directive: store.newest_directive(&slot).await.unwrap(),
        };
        let (_, proposal) = plane.proposed(2, Some(&first.model_id)).await;
        plane.deploy(&proposal).await;
        let new = Offer {
            contract: Some(store.newest_contract(&slot).await.unwrap().unwrap().contract),
            directive: store.newest_directive(&slot).await.unwrap(),
        };
        let mut engine = place.start(&plane.url(), 0).await;
        engine.assert_signals(2).await;
        let from = engine.stop().await;
        std::fs::remove_dir_all(place.path("journal/cache")).unwrap();

        let mut liar = Liar::start(old, plane.test.artifacts.clone()).await;
        let mut engine = place.start(&liar.url(), from).await;
        let receipt = liar.receipt().await;
        assert_eq!(
            (&receipt["code"], &receipt["generation"]),
            (&json!("older_generation"), &json!(1))
        );
        engine.assert_withheld("no_model").await;

        let text = new.contract.clone().unwrap();
        let elsewhere = signed_again(&plane, &text, |contract| {
            contract.environment = Environment::parse("prod").unwrap();
            contract.generation = 3;
        });
        let of_another = signed_again(&plane, &text, |contract| {
            contract.slot = SlotId::parse("other-5m").unwrap();
            contract.generation = 3;
        });
        let newer = signed_again(&plane, &text, |contract| contract.max_bar_age_s += 1);
        for (contract, codes) in [
            (elsewhere, ["environment_mismatch"].as_slice()),
            // Its votes are about this slot, and it is not: whichever is seen first.
            (of_another, &["bad_vote", "slot_mismatch", "bad_contract"]),
            (newer, &["generation_taken"]),
        ] {
            liar.offer(Offer {
                contract: Some(contract),
                ..new.clone()
            });
            let receipt = liar.receipt().await;
            let code = receipt["code"].as_str().unwrap();
            assert!(codes.contains(&code), "{receipt}");
            engine.assert_withheld("no_model").await;
        }
        liar.offer(new);
        engine.swapped(2).await;
        engine.assert_signals(2).await;
        engine.stop().await;
    });
}
