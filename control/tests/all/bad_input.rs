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
use crate::kit::described::assert_described;
use crate::kit::http::{PASSWORD, Who, call, logged_in, login, try_login};
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
    if status < 400 && attempt.path.starts_with("/api/events") {
        // A stream that was begun does not end by itself.
        return status;
    }
    assert!(status < 500 || attempt.path == "/readyz", "{said}");
    assert!(
        response.headers().get("set-cookie").is_none() || status < 400,
        "{said}"
    );
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert_described(&attempt.method, &attempt.path, status, &parts.headers, &text);
    if status >= 400 && attempt.path != "/readyz" {
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
        // Whoever logs out has logged in: what begins a session is looked at by itself.
        if ["audit_events", "auth_events", "sessions"].contains(&name.as_str()) {
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

/// Who tries a path: whom an end of the session would end gets one of their own.
async fn who_tries(test: &TestApp, who: &Who, path: &str) -> Who {
    if path.starts_with("/api/logout") {
        return login(test, "root").await;
    }
    who.clone()
}

/// The routes, each with something that is not there in its path's places.
fn routes() -> Vec<(String, &'static str, String)> {
    let all = api::routes().into_iter();
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
                    let who = who_tries(&test, &who, &asked.path).await;
                    attempt(&test, &who, &asked, "application/json", Body::from(body)).await;
                }
            }
        }
        assert_eq!(rows(&test.database).await, before);
    });
}

const FORM: &str = "multipart/form-data; boundary=x";

fn form(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
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
            "a path for a name",
            FORM,
            form("--x\r\ncontent-disposition: form-data; name=\"../../etc/passwd\"\r\n\r\nabc\r\n--x--"),
        ),
        (
            "a part without a name",
            FORM,
            form("--x\r\ncontent-disposition: form-data\r\n\r\nabc\r\n--x--"),
        ),
        ("a part without a head", FORM, form("--x\r\n\r\nabc\r\n--x--")),
        (
            "a head that does not end",
            FORM,
            form(&format!(
                "--x\r\ncontent-disposition: form-data; name=\"{}\"",
                "a".repeat(20_000)
            )),
        ),
        (
            "parts within a part",
            FORM,
            form(
                "--x\r\ncontent-disposition: form-data; name=\"model\"\r\ncontent-type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\nabc\r\n--y--\r\n--x--",
            ),
        ),
        (
            "an experiment that is SQL",
            FORM,
            form("--x\r\ncontent-disposition: form-data; name=\"contract_id\"\r\n\r\n' OR 1=1--\r\n--x--"),
        ),
        (
            "a field twice",
            FORM,
            form(
                "--x\r\ncontent-disposition: form-data; name=\"trials\"\r\n\r\n1\r\n--x\r\ncontent-disposition: form-data; name=\"trials\"\r\n\r\n2\r\n--x--",
            ),
        ),
        (
            "parts that do not end",
            FORM,
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
                let who = who_tries(&test, &who, &concrete).await;
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
            for kind in ["application/json", FORM] {
                let who = who_tries(&test, &who, &asked.path).await;
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

/// Sessions that stand.
async fn sessions(database: &Database) -> i64 {
    let mut connection = sqlx::AnyConnection::connect(&database.url).await.unwrap();
    let row = sqlx::query("SELECT COUNT(*) FROM sessions")
        .fetch_one(&mut connection)
        .await;
    row.unwrap().get(0)
}

#[test]
fn no_name_and_no_password_but_the_right_ones_begin_a_session() {
    on_every_database(|database| async {
        let (test, _) = prepared(database).await;
        let before = sessions(&test.database).await;
        let long = "x".repeat(10_000);
        let names = [
            "root'--",
            "' OR '1'='1",
            "../../root",
            "root\u{200b}",
            "ROOT",
            "",
            "*",
            long.as_str(),
        ];
        for name in names {
            assert_eq!(try_login(&test, name, PASSWORD).await.code().0, 401, "{name:.40}");
        }
        for password in ["", "' OR '1'='1", "*", long.as_str()] {
            assert_eq!(
                try_login(&test, "root", password).await.code().0,
                401,
                "{password:.40}"
            );
        }
        assert_eq!(sessions(&test.database).await, before);
        // The limit of an address, whichever names it tries.
        for n in 0..20 {
            drop(try_login(&test, &format!("n{n}"), PASSWORD).await);
        }
        let limited = try_login(&test, "root", PASSWORD).await.code();
        assert_eq!(limited, (429, "too_many_logins".to_owned()));
        assert_eq!(sessions(&test.database).await, before);
    });
}

#[test]
fn a_password_is_changed_by_the_present_one_and_into_one_of_its_length() {
    on_every_database(|database| async {
        let (test, who) = prepared(database).await;
        let change = async |present: &str, next: &str| {
            let body = json!({"present": present, "next": next}).to_string();
            call(&test, &who, "POST", "/api/session/password", Some(&body))
                .await
                .code()
        };
        let code = |status: u16, code: &str| (status, code.to_owned());
        for next in ["", "short", &"x".repeat(10_000)] {
            assert_eq!(
                change(PASSWORD, next).await,
                code(422, "password_length"),
                "{next:.20}"
            );
        }
        for present in ["", "' OR '1'='1", "correct horse batter"] {
            assert_eq!(
                change(present, "another horse battery").await,
                code(403, "wrong_password")
            );
        }
        login(&test, "root").await;
    });
}

#[test]
fn a_stream_begins_for_nobody_who_shows_nothing() {
    on_every_database(|database| async {
        let (test, who) = prepared(database).await;
        let asked = |what: &str| Attempt {
            method: "GET".to_owned(),
            path: "/api/events".to_owned(),
            what: what.to_owned(),
        };
        let shown = [
            ("cookie", "twovote=../../x"),
            ("cookie", "twovote=' OR 1=1--"),
            ("cookie", "twovote="),
            ("authorization", "Bearer tvt_' OR 1=1--"),
            ("authorization", "Basic cm9vdDpyb290"),
            ("authorization", "Bearer"),
        ];
        for (name, value) in shown {
            let nobody = Who::default().with(name, value);
            let status = attempt(&test, &nobody, &asked(value), "text/plain", Body::empty()).await;
            assert_eq!(status, 401, "{name}: {value}");
        }
        let elsewhere = who.with("origin", "https://elsewhere.example");
        let status = attempt(
            &test,
            &elsewhere,
            &asked("another origin"),
            "text/plain",
            Body::empty(),
        )
        .await;
        assert_eq!(status, 403);
        let own = who.with("last-event-id", "' OR 1=1--");
        let status = attempt(&test, &own, &asked("its own"), "text/plain", Body::empty()).await;
        assert_eq!(status, 200);
    });
}
