//! From a vote to the next signal, and every other way production moves.

use std::io::Write as _;
use std::time::Instant;

use control::auth::{Role, SystemRandom};
use control::{auth, votes};
use serde_json::{Value, json};

use crate::kit::app::person;
use crate::kit::http::login;
use crate::kit::on_every_database;
use crate::place::{Place, Running};
use crate::plane::{Plane, SLOT};

const DAY_MS: i64 = 86_400_000;

/// Deploys and waits for the swap; says how long that took.
async fn measured(plane: &Plane, engine: &mut Running, what: &str, moving: impl Future<Output = u64>) -> u64 {
    let began = Instant::now();
    let generation = moving.await;
    let answered = began.elapsed();
    engine.swapped(generation).await;
    let swapped = began.elapsed();
    // The test runner swallows what the macros print.
    let line = format!(
        "{what} on {}: answered after {answered:?}, adopted after {swapped:?}\n",
        plane.test.database.kind
    );
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    generation
}

async fn moved(plane: &Plane, path: String, body: Value) -> u64 {
    let answer = plane.call(&plane.olga, &path, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["generation"].as_u64().unwrap()
}

#[test]
fn every_move_reaches_the_next_signal() {
    on_every_database(|database| async {
        let plane = Plane::start(database).await;
        let place = Place::new(&plane);
        let (first, proposal) = plane.proposed(1, None).await;
        let mut engine = place.start(&plane.url(), 0).await;
        engine.assert_withheld("no_model").await;

        // Approved: it swaps, says so, and the next signal carries the generation.
        let generation = measured(&plane, &mut engine, "approval", plane.deploy(&proposal)).await;
        assert_eq!(generation, 1);
        engine.assert_signals(1).await;
        let receipt = plane
            .receipt("a receipt of generation 1", |receipt| {
                receipt.generation == Some(1) && receipt.status == "serving"
            })
            .await;
        assert_eq!(receipt.engine_id.as_str(), "engine-1");
        assert!(receipt.receipt["seq"].as_u64().unwrap() > 0);
        let page = engine.metrics();
        assert!(page.contains("\nengine_control_connected 1\n"), "{page}");

        // Rejected: nothing moves.
        let (second, proposal) = plane.proposed(2, Some(&first.model_id)).await;
        let no = json!({"notes": "too few trades"});
        let rejected = plane.decide(&plane.vera, &proposal, "reject", no).await;
        assert_eq!(rejected.status, 200, "{}", rejected.text);
        let yes = json!({"promote_to_production": true});
        let late = plane.decide(&plane.vera, &proposal, "approve", yes.clone()).await;
        assert_eq!(late.status, 409, "{}", late.text);
        engine.assert_signals(1).await;

        // Approved for later, then deployed, then taken back.
        let proposal = plane.propose(&second, 2, Some(&first.model_id)).await;
        let later = json!({"promote_to_production": false});
        let approved = plane.decide(&plane.vera, &proposal, "approve", later).await;
        assert_eq!(
            (approved.status.as_u16(), approved.json()["generation"].clone()),
            (200, json!(null))
        );
        engine.assert_signals(1).await;
        let promote = moved(
            &plane,
            format!("/api/models/{}/promote", second.model_id),
            json!({}),
        );
        assert_eq!(measured(&plane, &mut engine, "later promotion", promote).await, 2);
        engine.assert_signals(2).await;
        let back = json!({"to_model_id": first.model_id, "reason": "worse fills"});
        let rollback = moved(&plane, format!("/api/slots/{SLOT}/rollback"), back);
        assert_eq!(measured(&plane, &mut engine, "rollback", rollback).await, 3);
        engine.assert_signals(3).await;

        halted_and_resumed(&plane, &mut engine).await;

        // Run out: nobody can approve it any more.
        let (_, proposal) = plane.proposed(4, Some(&first.model_id)).await;
        plane.test.clock.advance_ms(8 * DAY_MS);
        votes::expire(&plane.test.app).await.unwrap();
        let vera = login(&plane.test, "vera").await;
        let expired = plane.decide(&vera, &proposal, "approve", yes).await;
        assert_eq!(expired.status, 409, "{}", expired.text);
        assert_eq!(plane.said().await.0, 3);
        engine.assert_signals(3).await;

        told_of(&plane).await;
        engine.stop().await;
    });
}

/// One stops, one alone cannot go on, two can.
async fn halted_and_resumed(plane: &Plane, engine: &mut Running) {
    let halt = json!({"reason": "spread"});
    let path = |verb: &str| format!("/api/slots/{SLOT}/{verb}");
    assert_eq!(plane.call(&plane.olga, &path("halt"), halt).await.status, 200);
    engine
        .message("the halt", |message| {
            message["type"] == "state" && message["state"] == "halted"
        })
        .await;
    engine.assert_withheld("halted").await;
    let ask = json!({"latches": ["control"], "reason": "spread is back"});
    assert_eq!(plane.call(&plane.olga, &path("resume"), ask).await.status, 200);
    let alone = plane.call(&plane.olga, &path("resume/confirm"), json!({})).await;
    assert_eq!(alone.code(), (403, "second_person_required".to_owned()));
    engine.assert_withheld("halted").await;
    let confirmed = plane.call(&plane.otto, &path("resume/confirm"), json!({})).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
    engine
        .message("the end of the halt", |message| {
            message["type"] == "state" && message["state"] == "live"
        })
        .await;
    engine.assert_signals(3).await;
}

/// The heartbeats have told what the engine has accepted.
async fn told_of(plane: &Plane) {
    let mut changes = plane.test.app.listen();
    let root = person("root", &[Role::Admin]);
    let watcher = auth::NewUser {
        username: "victor".parse().unwrap(),
        email: None,
        password: crate::kit::http::PASSWORD.to_owned(),
        roles: vec![Role::Viewer],
    };
    auth::add_user(&plane.test.app, &SystemRandom, &root, &watcher)
        .await
        .unwrap();
    let victor = login(&plane.test, "victor").await;
    testkit::guard::within("a heartbeat", async {
        loop {
            let engines = plane.get(&victor, "/api/engines").await.json();
            let one = &engines["engines"][0];
            let number = one["directive_highest"].as_u64().unwrap_or_default();
            if one["generation_highest"] == 3 && number >= 5 {
                assert_eq!(
                    one["heartbeat"]["halted"],
                    json!({"control": false, "local": false})
                );
                assert_eq!(one["heartbeat"]["serving"]["generation"], 3);
                return;
            }
            drop(changes.recv().await);
        }
    })
    .await;
}
