//! What a client is told about itself and about the stream; what it may not say.

use contracts::reason::Position;
use contracts::wire::ClockMode;
use engine::edges::Publication;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::kit::{End, Rig, Setup, run, text_of};

#[test]
fn without_resume_from_a_snapshot_and_then_what_follows_it() {
    run(async {
        let mut rig = Rig::start(Setup {
            next_seq: 100,
            ..Setup::default()
        })
        .await;
        rig.publisher.publish(Publication {
            seq: 100,
            instrument: Some("B"),
            position_after: Some(Position::Short),
            halted: None,
            received_at: None,
            text: text_of(100).into(),
        });
        rig.publisher.publish(Publication {
            seq: 101,
            instrument: None,
            position_after: None,
            halted: Some(true),
            received_at: None,
            text: text_of(101).into(),
        });
        rig.journal.next.store(102, std::sync::atomic::Ordering::SeqCst);
        let mut client = rig.connect().await;
        let welcome = client.object().await;
        assert_eq!(
            welcome,
            json!({"type": "welcome", "engine_id": "engine-t", "slot": "slot-t", "environment": "local", "origin": null,
                   "model_id": null, "generation": null, "clock": "wall", "epoch": 1, "oldest_seq": 1, "next_seq": 102, "schema": 1})
        );
        client.send(json!({"op": "subscribe", "instruments": "*"})).await;
        assert_eq!(
            client.object().await,
            json!({"type": "snapshot", "through": 101, "halted": true, "positions": {"A": 1, "B": -1}})
        );
        rig.publish(3);
        assert!(client.expect_seqs(102, 104).await.is_empty());
        let mut only_a = rig.connect().await;
        only_a
            .send(json!({"op": "subscribe", "instruments": ["A"]}))
            .await;
        only_a.object().await;
        assert_eq!(only_a.object().await["positions"], json!({"A": 1}));
    });
}

#[test]
fn a_filtered_client_can_tell_that_it_has_everything() {
    run(async {
        let mut rig = Rig::start(Setup {
            next_seq: 1_001,
            ..Setup::default()
        })
        .await;
        let mut client = rig.connect().await;
        client
            .send(json!({"op": "subscribe", "instruments": ["A"], "resume_from": 901, "epoch": 1}))
            .await;
        client.object().await;
        rig.publish(20);
        let mut seqs = Vec::new();
        while seqs.last() != Some(&1_019) {
            seqs.push(client.object().await["seq"].as_u64().unwrap());
        }
        assert!(seqs.into_iter().eq((901..=1_019).step_by(2)));
        rig.hub.tick(5_000);
        assert_eq!(
            client.object().await,
            json!({"type": "progress", "through": 1_020, "caught_up": true})
        );
        // Not a tick too early, and every time.
        rig.hub.tick(9_999);
        rig.publish(1);
        assert_eq!(client.object().await["seq"], 1_021);
        rig.hub.tick(10_000);
        assert_eq!(client.object().await["through"], 1_021);
    });
}

#[test]
fn a_replay_says_so_in_every_message_of_the_stream() {
    run(async {
        let rig = Rig::start(Setup {
            clock: ClockMode::Feed,
            ..Setup::default()
        })
        .await;
        let mut client = rig.connect().await;
        client.send(json!({"op": "subscribe", "instruments": "*"})).await;
        for wanted in ["welcome", "snapshot"] {
            let value = client.object().await;
            assert_eq!(
                (value["type"].as_str(), &value["simulated"]),
                (Some(wanted), &json!(true))
            );
        }
        rig.hub.tick(5_000);
        assert_eq!(client.object().await["simulated"], true);
        client.send_text("nonsense").await;
        assert_eq!(client.object().await["simulated"], true);
    });
}

#[test]
fn what_is_no_message_ends_the_stream_with_a_reason() {
    run(async {
        let rig = Rig::start(Setup::default()).await;
        let subscribe =
            |instruments: Value| json!({"op": "subscribe", "instruments": instruments}).to_string();
        for (text, code) in [
            (String::new(), "malformed"),
            ("{".into(), "malformed"),
            ("[]".into(), "malformed"),
            ("\"subscribe\"".into(), "malformed"),
            (r#"{"op":"unsubscribe"}"#.into(), "malformed"),
            (
                r#"{"op":"subscribe","instruments":"*","resume_from":-1}"#.into(),
                "malformed",
            ),
            (
                r#"{"op":"subscribe","instruments":"*","extra":1}"#.into(),
                "malformed",
            ),
            (
                r#"{"op":"position","instrument":"A","position":3,"as_of":"2026-01-05T13:05:00Z"}"#.into(),
                "malformed",
            ),
            (subscribe(json!([])), "malformed"),
            (subscribe(json!(["A", "no such/../thing!"])), "malformed"),
            (subscribe(json!(["A", "C"])), "unknown_instrument"),
            ("[".repeat(60_000), "malformed"),
        ] {
            let mut client = rig.connect().await;
            client.send_text(&text).await;
            let (seen, end) = client.drain().await;
            let shown: String = text.chars().take(80).collect();
            assert_eq!(seen[1]["code"], code, "{shown}");
            assert_eq!(end, End::Closed(1008, code.into()), "{shown}");
        }
        let mut client = rig.connect().await;
        client.send_raw(Message::binary(vec![1, 2, 3])).await;
        assert_eq!(client.drain().await.1, End::Closed(1008, "malformed".into()));
        let mut client = rig.connect().await;
        client.send_text(&"x".repeat(70_000)).await;
        let (seen, end) = client.drain().await;
        assert_eq!(seen.len(), 1, "welcome only");
        assert!(matches!(end, End::Closed(1009, _) | End::Broken), "{end:?}");
        // The engine is none the worse for it.
        let mut client = rig.connect().await;
        client.send_raw(Message::Ping(vec![7].into())).await;
        client.send(json!({"op": "subscribe", "instruments": "*"})).await;
        client.object().await;
        assert_eq!(client.object().await["type"], "snapshot");
    });
}

#[test]
fn who_does_not_subscribe_is_sent_away() {
    run(async {
        let rig = Rig::start(Setup::default()).await;
        let mut client = rig.connect().await;
        assert_eq!(client.object().await["type"], "welcome");
        rig.hub.tick(10_000);
        let (seen, end) = client.drain().await;
        assert_eq!(seen[0]["code"], "subscribe_timeout");
        assert_eq!(end, End::Closed(1008, "subscribe_timeout".into()));
    });
}
