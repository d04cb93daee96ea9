//! Tokens: who gets in, and who must go.

use contracts::hash::TokenHash;
use contracts::time::UnixNanos;
use engine::config::Scope;
use engine::edges::Tokens;
use serde_json::json;
use tokio_tungstenite::tungstenite::Error as WsError;

use super::kit::{End, Rig, Setup, instrument, run, token};

#[test]
fn the_upgrade_needs_a_living_token_with_the_scope() {
    run(async {
        let mut old = token("old", &[Scope::SignalsRead]);
        old.expires = contracts::time::UtcMillis(0);
        let tokens = Tokens::fixed(vec![
            token("all", &[Scope::SignalsRead]),
            token("metrics", &[Scope::MetricsRead]),
            old,
        ]);
        let rig = Rig::start(Setup {
            tokens,
            ..Setup::default()
        })
        .await;
        for (name, status, code) in [
            ("", 401, "token_missing"),
            ("nobody", 401, "token_unknown"),
            ("old", 401, "token_expired"),
            ("metrics", 403, "scope_missing"),
        ] {
            let Err(WsError::Http(response)) = rig.connect_as(name).await else {
                panic!("`{name}` was let in, or not answered");
            };
            assert_eq!(response.status(), status, "{name}");
            let body: serde_json::Value =
                serde_json::from_slice(response.body().as_deref().unwrap()).unwrap();
            assert_eq!(body["code"], code);
        }
        assert!(rig.metrics.render().contains("engine_auth_refused_total 4\n"));
        assert!(rig.connect_as("all").await.is_ok());
    });
}

#[test]
fn an_expired_token_ends_its_stream() {
    run(async {
        let rig = Rig::start(Setup::default()).await;
        let mut client = rig.resume(1).await;
        rig.clock.set(UnixNanos(1_000_000 * 1_000_000));
        rig.hub.tick(250);
        let (seen, end) = client.drain().await;
        assert_eq!(seen[0]["code"], "token_expired");
        assert_eq!(end, End::Closed(1008, "token_expired".into()));
    });
}

#[test]
fn a_removed_token_ends_its_streams_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("engine.toml");
    let write = |names: &[&str]| {
        let mut text = String::from(
            "engine_id = \"e\"\nslot = \"s\"\nenvironment = \"local\"\ncontract_source = \"c\"\njournal = { dir = \"j\" }\n\
             feed = { url = \"ws://x\", codec = \"native\", instruments = { A = \"A\" } }\n",
        );
        for name in names {
            text += &format!(
                "[[tokens]]\nname = \"{name}\"\nsha256 = \"{}\"\nscopes = [\"signals:read\"]\nexpires = \"2100-01-01T00:00:00Z\"\n",
                TokenHash::of(name.as_bytes())
            );
        }
        std::fs::write(&path, text).unwrap();
    };
    write(&["one", "two"]);
    run(async {
        let tokens = Tokens::from_file(path.clone()).unwrap();
        let mut rig = Rig::start(Setup {
            tokens,
            ..Setup::default()
        })
        .await;
        let mut clients = Vec::new();
        for name in ["one", "two"] {
            let mut client = rig.connect_as(name).await.unwrap();
            client
                .send(json!({"op": "subscribe", "instruments": "*", "resume_from": 1}))
                .await;
            client.object().await;
            clients.push(client);
        }
        std::fs::write(&path, "[[tokens]\n").unwrap();
        assert!(
            rig.handle.reload_tokens().is_err(),
            "a broken file replaces nothing"
        );
        write(&["two", "three"]);
        assert!(rig.handle.reload_tokens().unwrap());
        let (seen, end) = clients[0].drain().await;
        assert_eq!(seen[0]["code"], "token_revoked");
        assert_eq!(end, End::Closed(1008, "token_revoked".into()));
        rig.publish(2);
        assert!(clients[1].expect_seqs(1, 2).await.is_empty());
        assert!(rig.connect_as("one").await.is_err());
        assert!(rig.connect_as("three").await.is_ok());
    });
}

#[test]
fn a_token_for_some_instruments_sees_those() {
    run(async {
        let mut narrow = token("narrow", &[Scope::SignalsRead]);
        narrow.instruments = Some(vec![instrument("B"), instrument("ELSEWHERE")]);
        let rig = Rig::start(Setup {
            tokens: Tokens::fixed(vec![narrow]),
            ..Setup::default()
        })
        .await;
        let mut rig = rig;
        let mut client = rig.connect_as("narrow").await.unwrap();
        client
            .send(json!({"op": "subscribe", "instruments": "*", "resume_from": 1}))
            .await;
        client.object().await;
        rig.publish(300);
        for seq in (2..=300).step_by(2) {
            assert_eq!(client.object().await["seq"].as_u64().or(Some(0)), Some(seq));
        }
        let mut client = rig.connect_as("narrow").await.unwrap();
        client
            .send(json!({"op": "subscribe", "instruments": ["A"]}))
            .await;
        let (seen, end) = client.drain().await;
        assert_eq!(seen[1]["code"], "forbidden");
        assert_eq!(end, End::Closed(1008, "forbidden".into()));
    });
}
