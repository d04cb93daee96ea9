//! The HTTP beside the stream.

use std::sync::atomic::Ordering;

use contracts::ids::ModelId;
use engine::config::Scope;
use engine::edges::{Serving, Tokens};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::kit::{Rig, Setup, instrument, run, token};

/// Status and body of one request.
async fn request(rig: &Rig, head: &str, token: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    let text = format!("{head} HTTP/1.1\r\nHost: engine\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn bars_come_in_pages_from_the_journal() {
    run(async {
        let rig = Rig::start(Setup {
            next_seq: 20_001,
            ..Setup::default()
        })
        .await;
        let get = |query: String| format!("GET /v1/bars?{query}");
        let (status, body) = request(
            &rig,
            &get("instrument=A&from=1970-01-01T00:05:00Z&to=1970-01-01T00:20:00Z".into()),
            "all",
        )
        .await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(
            body,
            r#"{"instrument":"A","bars":[{"close_time":"1970-01-01T00:05:00Z","open":1.5,"high":1.5,"low":1.5,"close":1.5,"volume":0.0},{"close_time":"1970-01-01T00:15:00Z","open":1.5,"high":1.5,"low":1.5,"close":1.5,"volume":0.0}],"next_from":null}"#
        );
        // All 10,000 bars of B, page by page.
        let (mut from, mut count) = ("1970-01-01T00:00:00Z".to_owned(), 0);
        loop {
            let (_, body) = request(
                &rig,
                &get(format!("instrument=B&from={from}&to=2000-01-01T00:00:00Z")),
                "all",
            )
            .await;
            let page: Value = serde_json::from_str(&body).unwrap();
            count += page["bars"].as_array().unwrap().len();
            match page["next_from"].as_str() {
                Some(next) => from = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(count, 10_000);
        for (query, status) in [
            (
                "instrument=C&from=1970-01-01T00:05:00Z&to=1970-01-01T00:20:00Z",
                404,
            ),
            ("instrument=A&from=yesterday&to=1970-01-01T00:20:00Z", 400),
            ("instrument=A&from=1970-01-01T00:05:00Z", 400),
            ("", 400),
        ] {
            assert_eq!(
                request(&rig, &get(query.into()), "all").await.0,
                status,
                "{query}"
            );
        }
        assert_eq!(request(&rig, &get("instrument=A".into()), "nobody").await.0, 401);
    });
}

#[test]
fn scopes_and_instruments_hold_for_http_too() {
    run(async {
        let mut narrow = token("narrow", &[Scope::SignalsRead]);
        narrow.instruments = Some(vec![instrument("B")]);
        let tokens = Tokens::fixed(vec![narrow, token("metrics", &[Scope::MetricsRead])]);
        let rig = Rig::start(Setup {
            tokens,
            ..Setup::default()
        })
        .await;
        let bars = "GET /v1/bars?instrument=A&from=1970-01-01T00:05:00Z&to=1970-01-01T00:20:00Z";
        assert_eq!(request(&rig, bars, "narrow").await.0, 403);
        assert_eq!(request(&rig, bars, "metrics").await.0, 403);
        assert_eq!(request(&rig, "GET /metrics", "narrow").await.0, 403);
        let (status, page) = request(&rig, "GET /metrics", "metrics").await;
        assert_eq!(status, 200);
        assert!(page.contains("engine_next_seq 1\n"), "{page}");
        assert!(page.contains("engine_auth_refused_total 2\n"), "{page}");
    });
}

#[test]
fn readiness_says_what_is_missing() {
    run(async {
        let rig = Rig::start(Setup::default()).await;
        assert_eq!(request(&rig, "GET /healthz", "").await, (200, "ok\n".into()));
        let (status, body) = request(&rig, "GET /readyz", "").await;
        assert_eq!(status, 503);
        assert!(
            body.contains("no contract has been adopted; the feed is not connected"),
            "{body}"
        );
        rig.metrics.feed_connected.store(1, Ordering::Relaxed);
        rig.hub.set_serving(Serving {
            model_id: Some(ModelId::parse("m").unwrap()),
            ..Serving::default()
        });
        assert_eq!(request(&rig, "GET /readyz", "").await, (200, "ready\n".into()));
    });
}

#[test]
fn other_requests_get_an_answer_too() {
    run(async {
        let rig = Rig::start(Setup::default()).await;
        assert_eq!(request(&rig, "GET /nothing", "all").await.0, 404);
        assert_eq!(request(&rig, "POST /metrics", "all").await.0, 405);
        assert_eq!(request(&rig, "GET /v1/signals", "all").await.0, 426);
        assert_eq!(request(&rig, "NONSENSE", "all").await.0, 400);
    });
}
