//! Twelve Data.

use std::time::Duration;

use contracts::bar::Bar;
use contracts::ids::VendorId;
use contracts::time::UtcMillis;
use serde_json::{Value, json};

use super::super::twelvedata::TwelveData;
use super::super::*;
use super::{KEY, Reply, TestPace, Vendor, at, reply};

fn bars_of(from: &str, to: &str) -> TwelveData {
    TwelveData {
        symbol: VendorId::parse("USD/COP").unwrap(),
        from: at(from),
        to: at(to),
        now: at("2026-01-05T15:02:00Z"),
    }
}

fn value(open_time: UtcMillis) -> Value {
    let text = open_time.to_string().replace('T', " ").replace('Z', "");
    json!({"datetime": text, "open": "4000.1", "high": "4001", "low": "3999", "close": "4000.5"})
}

/// Values of `count` bars up to one that opens at `last`, newest first.
fn values(last: UtcMillis, count: i64) -> Vec<Value> {
    (0..count).map(|n| value(last.plus_ms(-n * 300_000))).collect()
}

fn series(values: &[Value]) -> Value {
    json!({"meta": {"symbol": "USD/COP", "interval": "5min", "currency_base": "US Dollar", "currency_quote": "Colombian Peso",
                    "type": "Physical Currency"}, "values": values, "status": "ok"})
}

/// As the vendor says that there is no more.
fn no_data() -> Reply {
    let told = json!({"code": 400, "message": "No data is available on the specified dates. Try setting different start/end dates.",
                      "status": "error"});
    reply(400, &told)
}

async fn fetch_bars(answers: Vec<Reply>) -> (Result<fetch::Fetched<Bar>, FetchError>, Vendor, TestPace) {
    let vendor = Vendor::start(answers).await;
    let pace = TestPace::default();
    let connector = bars_of("2025-12-01T00:00:00Z", "2026-01-05T16:00:00Z");
    let fetched = all(&connector, &vendor.http(), &pace, 60, |_, _| ()).await;
    (fetched, vendor, pace)
}

#[tokio::test]
async fn pages_are_followed_backwards_and_a_bad_row_is_named() {
    let mut first = values(at("2026-01-05T14:55:00Z"), 5_000);
    let second = values(at("2026-01-05T14:55:00Z").plus_ms(-5_000 * 300_000), 10);
    // The bar that opens at 14:55 closes at 15:00, two minutes ago.
    first[3]["close"] = json!("none");
    let (fetched, vendor, pace) = fetch_bars(vec![
        reply(200, &series(&first)),
        reply(200, &series(&second)),
        no_data(),
    ])
    .await;
    let fetched = fetched.unwrap();
    assert_eq!((fetched.rows.len(), fetched.pages), (5_009, 3));
    assert_eq!(fetched.bad[0].0, 4);
    assert_eq!(fetched.rows[0].close_time, at("2026-01-05T15:00:00Z"));
    let asked = vendor.asked();
    for part in [
        "symbol=USD%2FCOP",
        "interval=5min",
        "timezone=UTC",
        "outputsize=5000",
        "end_date=2026-01-05+14%3A55%3A00",
    ] {
        assert!(asked[0].0.contains(part), "{part}: {}", asked[0].0);
    }
    assert!(!asked[0].0.contains(KEY), "the key is in a header");
    assert_eq!(asked[0].1.as_deref(), Some(format!("apikey {KEY}").as_str()));
    assert!(
        asked[1].0.contains("end_date=2025-12-19+06%3A15%3A00"),
        "{}",
        asked[1].0
    );
    // One request a second.
    assert_eq!(*pace.pauses.borrow(), [Duration::from_secs(1); 2]);
}

#[tokio::test]
async fn a_vendor_that_caps_its_pages_loses_no_older_bar() {
    let newest = at("2026-01-05T14:55:00Z");
    let page = |number: i64| {
        reply(
            200,
            &series(&values(newest.plus_ms(-number * 100 * 300_000), 100)),
        )
    };
    let (fetched, ..) = fetch_bars(vec![page(0), page(1), page(2), no_data()]).await;
    let fetched = fetched.unwrap();
    assert_eq!((fetched.rows.len(), fetched.pages), (300, 4));
    // An empty page is an end as well, and so is the first bar that was asked for.
    let (fetched, ..) = fetch_bars(vec![page(0), reply(200, &series(&[]))]).await;
    assert_eq!(fetched.unwrap().rows.len(), 100);
    let vendor = Vendor::start(vec![page(0)]).await;
    let connector = bars_of("2026-01-05T06:45:00Z", "2026-01-05T16:00:00Z");
    let fetched = all(&connector, &vendor.http(), &TestPace::default(), 60, |_, _| ()).await;
    assert_eq!((fetched.unwrap().rows.len(), vendor.asked().len()), (100, 1));
}

#[tokio::test]
async fn a_wrong_zone_symbol_or_interval_in_the_answer_is_refused() {
    for (field, found) in [
        ("timezone", "America/Bogota"),
        ("symbol", "EUR/USD"),
        ("interval", "1min"),
        ("exchange_timezone", "America/New_York"),
    ] {
        let mut answer = series(&values(at("2026-01-05T14:00:00Z"), 3));
        answer["meta"][field] = json!(found);
        let (fetched, ..) = fetch_bars(vec![reply(200, &answer)]).await;
        let error = fetched.unwrap_err();
        assert!(matches!(error, FetchError::Refused { .. }), "{error}");
        assert!(error.to_string().contains(found), "{error}");
    }
}

#[tokio::test]
async fn too_many_requests_are_waited_out_whichever_way_they_are_told() {
    let ok = reply(200, &series(&values(at("2026-01-05T14:00:00Z"), 3)));
    let in_body = json!({"code": 429, "message": "You have run out of API credits", "status": "error"});
    let mut by_header = reply(429, &json!({}));
    by_header.headers.push(("retry-after", "120".to_owned()));
    let (fetched, _, pace) = fetch_bars(vec![reply(200, &in_body), by_header, ok, no_data()]).await;
    assert_eq!(fetched.unwrap().rows.len(), 3);
    let pauses = pace.pauses.borrow();
    let seconds: Vec<u64> = pauses.iter().map(Duration::as_secs).collect();
    // And one between two pages.
    assert_eq!(seconds, [60, 120, 1]);
}

#[tokio::test]
async fn faults_are_asked_again_with_growing_pauses_and_then_given_up() {
    let page = Reply {
        status: 502,
        body: b"<html>Bad Gateway</html>".to_vec(),
        headers: Vec::new(),
    };
    let (fetched, vendor, pace) = fetch_bars(vec![page]).await;
    let error = fetched.unwrap_err();
    assert!(matches!(error, FetchError::Faulty { tries: 5, .. }), "{error}");
    assert!(error.to_string().contains("HTTP 502"), "{error}");
    assert_eq!(vendor.asked().len(), 5);
    let seconds: Vec<u64> = pace.pauses.borrow().iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [1, 2, 4, 8]);
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_asked_for_again() {
    let whole = reply(200, &series(&values(at("2026-01-05T14:00:00Z"), 3)));
    let mut half = whole.clone();
    half.body.truncate(half.body.len() / 2);
    let (fetched, ..) = fetch_bars(vec![half.clone(), whole, no_data()]).await;
    assert_eq!(fetched.unwrap().rows.len(), 3);
    // For ever: an error that says what was wrong.
    let (fetched, ..) = fetch_bars(vec![half]).await;
    let error = fetched.unwrap_err().to_string();
    assert!(error.contains("no time series"), "{error}");
}

#[tokio::test]
async fn a_connection_that_ends_in_the_body_is_asked_again() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let body = series(&values(at("2026-01-05T14:00:00Z"), 3)).to_string();
    tokio::spawn(async move {
        for sent in [body.len() / 2, body.len()] {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(socket.read_u8().await.unwrap());
            }
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            socket.write_all(head.as_bytes()).await.unwrap();
            socket.write_all(&body.as_bytes()[..sent]).await.unwrap();
        }
    });
    let vendor = Vendor::start(vec![reply(200, &json!({}))]).await;
    let mut http = vendor.http();
    http.point_at(&url);
    // The oldest of the three is the first that is asked for.
    let connector = bars_of("2026-01-05T13:55:00Z", "2026-01-05T16:00:00Z");
    let fetched = all(&connector, &http, &TestPace::default(), 60, |_, _| ())
        .await
        .unwrap();
    assert_eq!(fetched.rows.len(), 3);
}

#[tokio::test]
async fn a_wrong_key_is_said_at_once_and_never_shown() {
    let told =
        json!({"code": 401, "message": format!("apikey {KEY} is incorrect or expired"), "status": "error"});
    let (fetched, vendor, _) = fetch_bars(vec![reply(200, &told)]).await;
    let error = fetched.unwrap_err();
    assert!(matches!(error, FetchError::Key { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains(KEY), "{error}");
    assert!(error.to_string().contains("(key) is incorrect"), "{error}");
    assert_eq!(vendor.asked().len(), 1, "it will not get better");
    assert!(!format!("{:?}", vendor.http()).contains(KEY));
}

#[tokio::test]
async fn nothing_in_a_period_is_no_fault() {
    let (fetched, ..) = fetch_bars(vec![no_data()]).await;
    assert_eq!(fetched.unwrap().rows.len(), 0);
    let wrong = json!({"code": 404, "message": "**symbol** not found: USD/COPP", "status": "error"});
    let (fetched, ..) = fetch_bars(vec![reply(404, &wrong)]).await;
    assert!(matches!(fetched, Err(FetchError::Refused { .. })));
}

#[tokio::test]
async fn pages_that_do_not_go_on_end() {
    // Always the same newest 5,000: the second page lies after the end that was asked for.
    let same = series(&values(at("2026-01-05T14:55:00Z"), 5_000));
    let (fetched, vendor, _) = fetch_bars(vec![reply(200, &same)]).await;
    let error = fetched.unwrap_err();
    assert!(
        error.to_string().contains("after the end that was asked for"),
        "{error}"
    );
    assert_eq!(vendor.asked().len(), 2);
}

#[test]
fn a_bar_in_progress_and_one_before_the_time_asked_for_are_left_out() {
    let connector = TwelveData {
        to: at("2026-01-05T16:00:00Z"),
        now: at("2026-01-05T15:02:00Z"),
        ..bars_of("2026-01-05T14:50:00Z", "2026-01-05T16:00:00Z")
    };
    let body = series(&values(at("2026-01-05T15:00:00Z"), 5))
        .to_string()
        .into_bytes();
    let answer = Answer {
        status: 200,
        retry_after: None,
        body,
    };
    let page = connector.read(&at("2026-01-05T15:00:00Z"), &answer).unwrap();
    let closes: Vec<String> = page.rows.iter().map(|bar| bar.close_time.to_string()).collect();
    assert_eq!(
        closes,
        [
            "2026-01-05T15:00:00Z",
            "2026-01-05T14:55:00Z",
            "2026-01-05T14:50:00Z"
        ]
    );
    assert_eq!(page.next, None);
}
