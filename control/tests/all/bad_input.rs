//! Input that is no input, at every route of the OpenAPI document: a problem document with a code, never a failure inside, never a row.

use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::Request;
use control::api;
use control::auth::Role;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _};
use tower::ServiceExt as _;

use crate::kit::app::{TestApp, app};
use crate::kit::database::Database;
use crate::kit::http::{Who, logged_in};
use crate::kit::on_every_database;
use crate::kit::sample::{self, Shape};

/// Texts that are no name of anything, or try to be more than one; as they stand in a URL.
const TEXTS: [&str; 12] = [
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e",
    "'%20OR%201=1--",
    "x';DROP%20TABLE%20models;--",
    "%00",
    "%ff%fe",
    "%F0%9F%92%A9",
    "-1",
    "18446744073709551616",
    "null",
    "{{7*7}}",
    "%0d%0aSet-Cookie:%20a=b",
];

/// What was asked, for messages.
struct Attempt {
    method: String,
    path: String,
    what: String,
}

/// Sends it; the status, after checking that a refusal is one a program can read.
async fn attempt(test: &TestApp, who: &Who, attempt: &Attempt, kind: &str, body: Body) -> u16 {
    let mut request = Request::builder()
        .method(attempt.method.as_str())
        .uri(&attempt.path)
        .header("host", "127.0.0.1:9200")
        .header("content-type", kind);
    for (name, value) in &who.0 {
        request = request.header(*name, value);
    }
    let mut request = request.body(body).unwrap();
    let peer: SocketAddr = "127.0.0.1:50000".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = api::router(test.app.clone()).oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let said = format!("{} {} ({}): {status}", attempt.method, attempt.path, attempt.what);
    assert!(status < 500 || attempt.path == "/readyz", "{said}");
    assert!(
        response.headers().get("set-cookie").is_none() || status < 400,
        "{said}"
    );
    if status >= 400 && attempt.path != "/readyz" {
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(kind, "application/problem+json", "{said}");
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let problem: Value = serde_json::from_slice(&bytes).unwrap();
        let code = problem["code"].as_str().unwrap_or_default();
        assert!(
            !code.is_empty() && problem["status"] == status,
            "{said}: {problem}"
        );
    }
    status
}

/// Rows of every table but those that note attempts.
async fn rows(database: &Database) -> Vec<(String, i64)> {
    let mut connection = sqlx::AnyConnection::connect(&database.url).await.unwrap();
    let names = if database.kind == "sqlite" {
        "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    } else {
        "SELECT CAST(table_name AS TEXT) FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
    };
    let names = sqlx::query(names).fetch_all(&mut connection).await.unwrap();
    let mut counted = Vec::new();
    for name in names {
        let name: String = name.get(0);
        if ["audit_events", "auth_events"].contains(&name.as_str()) {
            continue;
        }
        let count = format!("SELECT COUNT(*) FROM {name}");
        let row = sqlx::query(sqlx::AssertSqlSafe(count))
            .fetch_one(&mut connection)
            .await;
        counted.push((name, row.unwrap().get(0)));
    }
    counted
}

/// Somebody who may do everything, on a store with something to hit.
async fn prepared(database: Database) -> (TestApp, Who) {
    let test = app(database);
    let experiment = sample::experiment(&test.app, "rita").await;
    let model = sample::model(&test.app, &experiment, "rita", 1).await;
    sample::proposal(&test.app, &model, 1, Shape::default()).await;
    let who = logged_in(&test, "root", Role::ALL).await;
    (test, who.with("if-match", &format!("\"{}\"", "0".repeat(64))))
}

/// Routes that are not tried: a stream does not end, leaving ends the caller's session, and logins are limited by number.
const LEFT_OUT: [&str; 4] = [
    "/api/events",
    "/api/logout",
    "/api/login",
    "/api/session/password",
];

/// The routes, each with something that is not there in its path's places.
fn routes() -> Vec<(String, &'static str, String)> {
    let all = api::routes()
        .into_iter()
        .filter(|(_, path, _)| !LEFT_OUT.contains(path));
    all.map(|(method, path, _)| {
        let concrete = filled(path, |name| match name {
            "sha256" => "0".repeat(64),
            "slot" => "usdcop-5m".to_owned(),
            _ => "none".to_owned(),
        });
        (method.to_string(), path, concrete)
    })
    .collect()
}

/// The path with its places filled.
fn filled(path: &str, with: impl Fn(&str) -> String) -> String {
    let part = |part: &str| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        Some(name) => with(name),
        None => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[test]
fn nothing_in_a_path_or_a_query_is_more_than_a_name() {
    on_every_database(|database| async {
        let (test, who) = prepared(database).await;
        let before = rows(&test.database).await;
        let document: Value = serde_json::from_str(&api::document()).unwrap();
        for (method, path, concrete) in routes() {
            for text in TEXTS {
                let mut paths = vec![format!("{concrete}?{text}={text}")];
                if path.contains('{') {
                    paths.push(filled(path, |_| text.to_owned()));
                }
                let named = document["paths"][path][method.to_lowercase()]["parameters"].as_array();
                for parameter in named.into_iter().flatten().filter(|one| one["in"] == "query") {
                    paths.push(format!(
                        "{concrete}?{}={text}",
                        parameter["name"].as_str().unwrap()
                    ));
                }
                for path in paths {
                    let asked = Attempt {
                        method: method.clone(),
                        path,
                        what: text.to_owned(),
                    };
                    let body = if method == "POST" { "[]" } else { "" };
                    attempt(&test, &who, &asked, "application/json", Body::from(body)).await;
                }
            }
        }
        assert_eq!(rows(&test.database).await, before);
    });
}

/// Bodies that are none, with their kind and a word for messages.
fn bodies() -> Vec<(&'static str, &'static str, Bytes)> {
    let json = "application/json";
    let deep = "[".repeat(100_000);
    let objects = format!("{}1{}", r#"{"a":"#.repeat(5_000), "}".repeat(5_000));
    vec![
        ("empty", json, Bytes::new()),
        ("cut off", json, Bytes::from_static(br#"{"reason": "#)),
        ("no JSON", json, Bytes::from_static(b"reason=x")),
        ("two documents", json, Bytes::from_static(b"{}{}")),
        ("an array", json, Bytes::from_static(b"[]")),
        ("null", json, Bytes::from_static(b"null")),
        ("a text", json, Bytes::from_static(b"\"x\"")),
        (
            "not UTF-8",
            json,
            Bytes::from_static(b"{\"reason\": \"\xff\xfe\"}"),
        ),
        (
            "a lone surrogate",
            json,
            Bytes::from_static(br#"{"reason": "\ud800"}"#),
        ),
        (
            "unknown fields",
            json,
            Bytes::from_static(br#"{"__proto__": {}, "constructor": 1}"#),
        ),
        (
            "a field twice",
            json,
            Bytes::from_static(br#"{"reason": "a", "reason": "b"}"#),
        ),
        (
            "a number beyond numbers",
            json,
            Bytes::from_static(br#"{"days": 1e999}"#),
        ),
        ("deep arrays", json, Bytes::from(deep)),
        ("deep objects", json, Bytes::from(objects)),
        ("another kind", "text/plain", Bytes::from_static(b"{}")),
        (
            "a form",
            "application/x-www-form-urlencoded",
            Bytes::from_static(b"a=b"),
        ),
        (
            "parts without a boundary",
            "multipart/form-data",
            Bytes::from_static(b"--x\r\n\r\n--x--"),
        ),
        (
            "parts that do not end",
            "multipart/form-data; boundary=x",
            Bytes::from_static(b"--x\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nabc"),
        ),
    ]
}

/// A value of no type that a field could want.
fn wrong() -> [Value; 6] {
    let nested = json!([[[{"a": [1, 2, {"b": null}]}]]]);
    [
        json!(null),
        json!(-1.5),
        json!(true),
        json!({"a": {}}),
        nested,
        json!("\u{0}"),
    ]
}

#[test]
fn no_body_but_the_one_that_is_asked_for_does_anything() {
    on_every_database(|database| async {
        let (test, who) = prepared(database).await;
        let before = rows(&test.database).await;
        let document: Value = serde_json::from_str(&api::document()).unwrap();
        for (method, path, concrete) in routes().into_iter().filter(|(method, ..)| method != "GET") {
            let asked = |what: &str| Attempt {
                method: method.clone(),
                path: concrete.clone(),
                what: what.to_owned(),
            };
            let operation = &document["paths"][path][method.to_lowercase()];
            let takes_body = operation["requestBody"].is_object();
            for (what, kind, body) in bodies() {
                let status = attempt(&test, &who, &asked(what), kind, Body::from(body)).await;
                assert!(!takes_body || status >= 400, "{path} took {what}");
            }
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let fields = schema["properties"].as_object().cloned().unwrap_or_default();
            for field in fields.keys() {
                for value in wrong() {
                    // All other fields as texts: most are.
                    let mut body: serde_json::Map<String, Value> =
                        fields.keys().map(|name| (name.clone(), json!("x"))).collect();
                    body.insert(field.clone(), value.clone());
                    let what = format!("{field} = {value}");
                    let body = Body::from(Value::Object(body).to_string());
                    attempt(&test, &who, &asked(&what), "application/json", body).await;
                }
            }
        }
        // A halt of the slot with a reason of one letter is one that was asked for, and told; so is nothing else.
        let after = rows(&test.database).await;
        let changed: Vec<_> = before.iter().zip(&after).filter(|(a, b)| a != b).collect();
        let expected = |name: &str| ["directives", "outbox", "slots"].contains(&name);
        assert!(changed.iter().all(|(table, _)| expected(&table.0)), "{changed:?}");
    });
}

#[test]
fn a_gigabyte_is_refused_long_before_its_end() {
    on_every_database(|database| async {
        let (test, who) = prepared(database).await;
        let before = rows(&test.database).await;
        for (method, _, concrete) in routes().into_iter().filter(|(method, ..)| method != "GET") {
            let asked = Attempt {
                method,
                path: concrete,
                what: "a gigabyte".to_owned(),
            };
            for kind in ["application/json", "multipart/form-data; boundary=x"] {
                let sent = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
                let count = sent.clone();
                let piece = Bytes::from(vec![b' '; 1 << 20]);
                let pieces = futures_util::stream::iter(0..1024).map(move |_| {
                    count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    Ok::<_, std::io::Error>(piece.clone())
                });
                attempt(&test, &who, &asked, kind, Body::from_stream(pieces)).await;
                let sent = sent.load(std::sync::atomic::Ordering::SeqCst);
                assert!(sent < 200, "{}: {sent} MiB were read", asked.path);
            }
        }
        assert_eq!(rows(&test.database).await, before);
    });
}
