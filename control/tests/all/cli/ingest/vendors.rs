//! From a vendor that is asked over HTTP: a server on loopback that speaks its format.

use std::sync::{Arc, Mutex};

use axum::http::{HeaderMap, Uri};
use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use super::Desk;

const KEY: &str = "k3y-that-nobody-may-see";

type Asked = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// A vendor on a port of its own that answers by `answer`.
fn vendor(desk: &Desk, answer: impl Fn(&str) -> Value + Clone + Send + Sync + 'static) -> (String, Asked) {
    let asked = Asked::default();
    let kept = Arc::clone(&asked);
    let handler = move |headers: HeaderMap, uri: Uri| {
        let key = headers.get("authorization").and_then(|value| value.to_str().ok());
        kept.lock()
            .unwrap()
            .push((uri.to_string(), key.map(str::to_owned)));
        let body = answer(&uri.to_string());
        async move { axum::Json(body).into_response() }
    };
    let url = desk.served.runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(handler);
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    });
    (url, asked)
}

fn pointed_at(desk: &Desk, source: &str, url: &str) {
    let path = format!("config/sources/{source}.yaml");
    let text = std::fs::read_to_string(desk.home().join(&path)).unwrap();
    let text = text.replace("  key_env:", &format!("  base_url: {url}\n  key_env:"));
    let text = text.replace("requests_per_minute: 8 ", "requests_per_minute: 600 ");
    desk.write(
        &path,
        &text.replace("requests_per_minute: 60 ", "requests_per_minute: 600 "),
    );
}

#[test]
fn bars_come_from_the_vendor_and_its_key_is_nowhere() {
    let desk = Desk::new();
    let (url, asked) = vendor(&desk, |asked| {
        if asked.contains("end_date=2026-01-19+12%3A55%3A00") {
            return json!({"code": 400, "message": "No data is available on the specified dates.", "status": "error"});
        }
        let value = |time: &str, close: &str| json!({"datetime": time, "open": close, "high": close, "low": close, "close": close});
        json!({"meta": {"symbol": "USD/COP", "interval": "5min"}, "status": "ok", "values": [
            value("2026-01-19 13:05:00", "4001.5"), value("2026-01-19 13:00:00", "4000.25"),
        ]})
    });
    pointed_at(&desk, "usdcop_twelvedata", &url);
    let line = "ingest bars --source config/sources/usdcop_twelvedata.yaml --from 2026-01-19 --to 2026-01-19 --report q.html --json --log debug";
    let said = desk.run_with(line, &[("TWELVEDATA_API_KEY", KEY)]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let done = said.json();
    assert_eq!(
        (&done["bars"], &done["published"]["added"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(done["first"], "2026-01-19T13:05:00Z");
    let asked = asked.lock().unwrap().clone();
    // The page of two does not reach the first of the day: what is before them is asked for as well.
    assert_eq!(asked.len(), 2);
    assert!(asked[0].0.contains("timezone=UTC") && asked[0].1.as_deref().unwrap().ends_with(KEY));
    let report = std::fs::read_to_string(desk.home().join("q.json")).unwrap();
    let page = std::fs::read_to_string(desk.home().join("q.html")).unwrap();
    for text in [&said.out, &said.err, &report, &page] {
        assert!(!text.contains(KEY));
    }
}

#[test]
fn a_refused_key_is_not_repeated() {
    let desk = Desk::new();
    let (url, _) = vendor(
        &desk,
        |uri| json!({"error_code": 400, "error_message": format!("Bad Request.  The value for variable api_key is not registered. {uri}")}),
    );
    pointed_at(&desk, "fred", &url);
    let line = "ingest macro --source config/sources/fred.yaml --from 2026-01-01 --to 2026-01-31 --log debug";
    let said = desk.run_with(line, &[("FRED_API_KEY", KEY)]);
    assert_eq!(said.code, 77, "{}{}", said.out, said.err);
    assert!(said.err.contains("FRED does not accept the key"), "{}", said.err);
    assert!(!said.err.contains(KEY) && !said.out.contains(KEY), "{}", said.err);
    let said = desk.run(line);
    assert_eq!(said.code, 77);
    assert!(said.err.contains("FRED_API_KEY is not set"), "{}", said.err);
}

#[test]
fn values_come_from_fred_with_their_arrivals() {
    let desk = Desk::new();
    let (url, _) = vendor(&desk, |uri| {
        let rows = if uri.contains("VIXCLS") {
            json!([{"realtime_start": "2026-01-05", "realtime_end": "9999-12-31", "date": "2026-01-02", "value": "14.51"},
                   {"realtime_start": "2026-01-06", "realtime_end": "9999-12-31", "date": "2026-01-05", "value": "."}])
        } else {
            json!([{"realtime_start": "2026-01-05", "realtime_end": "2026-01-08", "date": "2026-01-02", "value": "40"},
                   {"realtime_start": "2026-01-09", "realtime_end": "9999-12-31", "date": "2026-01-02", "value": "41"}])
        };
        json!({"count": 2, "offset": 0, "limit": 100_000, "observations": rows})
    });
    pointed_at(&desk, "fred", &url);
    let line = "ingest macro --source config/sources/fred.yaml --from 2026-01-01 --to 2026-01-31 --json";
    let env = [("FRED_API_KEY", KEY)];
    let said = desk.run_with(line, &env);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let done = said.json();
    assert_eq!(done["published"]["partitions"].as_array().unwrap().len(), 3);
    assert_eq!(
        done["values"], 5,
        "two versions of two series, one value of the third"
    );
    let again = desk.run_with(line, &env).json();
    assert_eq!(again["published"]["ingest_id"], Value::Null);
}
