//! The connectors against a server on loopback that speaks their formats, and the pace against time that a test moves.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse as _;
use contracts::bar::Bar;
use contracts::ids::VendorId;
use contracts::time::{DayNumber, UtcMillis};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::fred::{Fred, Observation, ZONE, known};
use super::http::Http;
use super::twelvedata::TwelveData;
use super::*;
use crate::ingest::source::{BarSource, BaseUrl, Source};

const KEY: &str = "k3y-that-nobody-may-see";

/// What the server answers, one after the other; the last one for ever.
#[derive(Clone)]
struct Script {
    answers: Arc<Mutex<VecDeque<Reply>>>,
    asked: Arc<Mutex<Vec<(String, Option<String>)>>>,
}

#[derive(Clone)]
struct Reply {
    status: u16,
    body: Vec<u8>,
    headers: Vec<(&'static str, String)>,
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply {
        status,
        body: body.to_string().into_bytes(),
        headers: Vec::new(),
    }
}

/// A vendor on a port of its own.
struct Vendor {
    url: String,
    script: Script,
}

impl Vendor {
    async fn start(answers: Vec<Reply>) -> Self {
        let script = Script {
            answers: Arc::new(Mutex::new(answers.into())),
            asked: Arc::default(),
        };
        let router = axum::Router::new().fallback(serve).with_state(script.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, script }
    }

    fn http(&self) -> Http {
        let yaml = format!(
            "kind: bars\nid: x\nvendor: v\nvendor_id: V/X\ninstrument: X\ncalendar: usdcop\ninterval: 5min\nstamp: open\n\
             download: {{connector: twelvedata, key_env: K, requests_per_minute: 60, base_url: '{}'}}\n",
            self.url
        );
        let Ok(Source::Bars(source)) = Source::parse(yaml.as_bytes(), "s") else {
            panic!("a source");
        };
        let BarSource { download, .. } = *source;
        let base: BaseUrl = download.unwrap().base_url;
        Http::new(&base, Key::parse(KEY).unwrap()).unwrap()
    }

    fn asked(&self) -> Vec<(String, Option<String>)> {
        self.script.asked.lock().unwrap().clone()
    }
}

async fn serve(State(script): State<Script>, headers: HeaderMap, uri: Uri) -> axum::response::Response {
    let key = headers.get("authorization").and_then(|value| value.to_str().ok());
    script
        .asked
        .lock()
        .unwrap()
        .push((uri.to_string(), key.map(str::to_owned)));
    let mut answers = script.answers.lock().unwrap();
    let answer = if answers.len() > 1 {
        answers.pop_front().unwrap()
    } else {
        answers.front().cloned().unwrap()
    };
    drop(answers);
    let mut response = (StatusCode::from_u16(answer.status).unwrap(), answer.body).into_response();
    for (name, value) in answer.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// Time that only waiting moves.
#[derive(Default)]
struct TestPace {
    now: Cell<Duration>,
    pauses: RefCell<Vec<Duration>>,
}

impl Pace for TestPace {
    fn elapsed(&self) -> Duration {
        self.now.get()
    }
    async fn pause(&self, how_long: Duration) {
        self.now.set(self.now.get() + how_long);
        self.pauses.borrow_mut().push(how_long);
    }
    fn draw(&self) -> f64 {
        0.0
    }
}

fn at(text: &str) -> UtcMillis {
    UtcMillis::parse(text).unwrap()
}

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
    let (fetched, vendor, pace) =
        fetch_bars(vec![reply(200, &series(&first)), reply(200, &series(&second))]).await;
    let fetched = fetched.unwrap();
    assert_eq!((fetched.rows.len(), fetched.pages), (5_009, 2));
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
    assert_eq!(*pace.pauses.borrow(), [Duration::from_secs(1)]);
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
    let (fetched, _, pace) = fetch_bars(vec![reply(200, &in_body), by_header, ok]).await;
    assert_eq!(fetched.unwrap().rows.len(), 3);
    let pauses = pace.pauses.borrow();
    let seconds: Vec<u64> = pauses.iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [60, 120]);
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
    let (fetched, ..) = fetch_bars(vec![half.clone(), whole]).await;
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
            let mut asked = [0; 4_096];
            socket.read(&mut asked).await.unwrap();
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
    let connector = bars_of("2025-12-01T00:00:00Z", "2026-01-05T16:00:00Z");
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
    let none = json!({"code": 400, "message": "No data is available on the specified dates. Try setting different start/end dates.",
                      "status": "error"});
    let (fetched, ..) = fetch_bars(vec![reply(400, &none)]).await;
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

/// A vendor whose pages never end.
struct Endless;

impl Connector for Endless {
    type Row = ();
    type Cursor = u64;
    fn vendor(&self) -> &'static str {
        "nobody"
    }
    fn first(&self) -> u64 {
        0
    }
    fn request(&self, _: &u64) -> Request {
        Request {
            path: "x",
            query: Vec::new(),
            key: KeyPlace::Authorization,
        }
    }
    fn read(&self, at: &u64, _: &Answer) -> Result<Page<(), u64>, Refusal> {
        let next = Some(if *at == 7 { 3 } else { at + 1 });
        Ok(Page {
            rows: Vec::new(),
            bad: Vec::new(),
            next,
        })
    }
}

/// Answers everything with nothing.
struct Nothing;

impl Transport for Nothing {
    async fn get(&self, _: &Request) -> Result<Answer, TransportError> {
        Ok(Answer {
            status: 200,
            retry_after: None,
            body: Vec::new(),
        })
    }
}

#[tokio::test]
async fn a_circle_of_pages_is_found() {
    let error = all(&Endless, &Nothing, &TestPace::default(), 600, |_, _| ()).await;
    assert!(matches!(error, Err(FetchError::Endless { .. })));
}

#[tokio::test]
async fn nobody_there_is_an_error_without_the_address() {
    let vendor = Vendor::start(vec![reply(200, &json!({}))]).await;
    let mut http = vendor.http();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = free.local_addr().unwrap();
    drop(free);
    http.point_at(&format!("http://{gone}/"));
    let connector = fred("2026-01-01", "2026-01-31");
    let error = all(&connector, &http, &TestPace::default(), 600, |_, _| ())
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::Silent { tries: 5, .. }), "{error}");
    let mut chain = format!("{error:?}");
    let mut next = std::error::Error::source(&error);
    while let Some(cause) = next {
        chain.push_str(&cause.to_string());
        next = cause.source();
    }
    assert!(!chain.contains(KEY), "{chain}");
}

fn fred(from: &str, to: &str) -> Fred {
    let day = |text: &str| DayNumber::parse(text).unwrap();
    Fred {
        id: VendorId::parse("VIXCLS").unwrap(),
        from: day(from),
        to: day(to),
        zone: TimeZone::get(ZONE).unwrap(),
        today: day("2026-02-02"),
    }
}

fn observations(offset: u64, count: u64, rows: &[(&str, &str, &str)]) -> Value {
    let rows: Vec<Value> = rows
        .iter()
        .map(|(known, date, value)| json!({"realtime_start": known, "realtime_end": "9999-12-31", "date": date, "value": value}))
        .collect();
    json!({"realtime_start": "2026-01-01", "realtime_end": "9999-12-31", "observation_start": "2026-01-01",
           "observation_end": "9999-12-31", "units": "lin", "output_type": 1, "file_type": "json", "order_by": "observation_date",
           "sort_order": "asc", "count": count, "offset": offset, "limit": 100_000, "observations": rows})
}

async fn fetch_fred(
    connector: &Fred,
    answers: Vec<Reply>,
) -> (Result<fetch::Fetched<Observation>, FetchError>, Vendor) {
    let vendor = Vendor::start(answers).await;
    let fetched = all(connector, &vendor.http(), &TestPace::default(), 600, |_, _| ()).await;
    (fetched, vendor)
}

#[tokio::test]
async fn a_value_arrives_at_the_end_of_the_day_it_was_first_known_and_a_dot_is_a_blank() {
    let first = observations(
        0,
        4,
        &[
            ("2026-01-05", "2026-01-02", "14.51"),
            ("2026-01-06", "2026-01-05", "."),
        ],
    );
    let second = observations(
        2,
        4,
        &[
            ("2026-01-07", "2026-01-06", "14.90"),
            ("2026-01-09", "2026-01-06", "14.95"),
        ],
    );
    let connector = fred("2026-01-01", "2026-01-31");
    let (fetched, vendor) = fetch_fred(&connector, vec![reply(200, &first), reply(200, &second)]).await;
    let known = known(&fetched.unwrap().rows);
    let rows: Vec<_> = known
        .values
        .iter()
        .map(|one| {
            (
                one.date.to_string(),
                one.value,
                one.arrived_at.unwrap().to_string(),
            )
        })
        .collect();
    let row = |date: &str, value: f64, arrived: &str| (date.to_owned(), value, arrived.to_owned());
    assert_eq!(
        rows,
        [
            row("2026-01-02", 14.51, "2026-01-06T06:00:00Z"),
            row("2026-01-06", 14.90, "2026-01-08T06:00:00Z"),
            row("2026-01-06", 14.95, "2026-01-10T06:00:00Z"),
        ]
    );
    assert_eq!(known.blanks, [DayNumber::parse("2026-01-05").unwrap()]);
    let asked = vendor.asked();
    for part in [
        "series_id=VIXCLS",
        "realtime_start=2026-01-01",
        "realtime_end=2026-02-02",
        "output_type=1",
        "offset=0",
    ] {
        assert!(asked[0].0.contains(part), "{part}: {}", asked[0].0);
    }
    assert!(asked[1].0.contains("offset=2"), "{}", asked[1].0);
    assert!(asked[0].0.contains(&format!("api_key={KEY}")) && asked[0].1.is_none());
}

#[tokio::test]
async fn long_histories_are_asked_for_in_windows_that_cut_no_arrival() {
    let connector = fred("2018-01-01", "2025-12-31");
    let (fetched, vendor) = fetch_fred(&connector, vec![reply(200, &observations(0, 0, &[]))]).await;
    assert_eq!(fetched.unwrap().pages, 3);
    for (url, _) in vendor.asked() {
        let of = |name: &str| {
            let start = url.find(name).unwrap() + name.len() + 1;
            url[start..start + 10].to_owned()
        };
        assert_eq!(of("observation_start"), of("realtime_start"), "{url}");
        assert!(of("observation_end") <= of("realtime_end"), "{url}");
    }
}

#[test]
fn an_arrival_years_later_says_when_the_archive_began() {
    let value = |date: &str, arrived: &str, value: f64| {
        Observation::Value(crate::ingest::read::Daily {
            date: DayNumber::parse(date).unwrap(),
            value,
            arrived_at: Some(at(arrived)),
        })
    };
    let found = known(&[
        value("2005-01-03", "2010-06-01T05:00:00Z", 14.0),
        value("2005-01-03", "2011-06-01T05:00:00Z", 14.5),
        Observation::Blank(DayNumber::parse("2012-01-02").unwrap()),
        value("2012-01-02", "2012-08-01T05:00:00Z", 20.0),
    ]);
    let arrivals: Vec<_> = found.values.iter().map(|one| one.arrived_at.is_some()).collect();
    // The revision's arrival is believed, and so is that of a value which was blank before.
    assert_eq!(arrivals, [false, true, true]);
    assert_eq!((found.archived, found.blanks.len()), (1, 0));
}

#[tokio::test]
async fn what_fred_refuses_is_told_by_kind() {
    let refuse =
        |code: u16, message: &str| reply(code, &json!({"error_code": code, "error_message": message}));
    let connector = fred("2026-01-01", "2026-01-31");
    let key = refuse(
        400,
        "Bad Request.  The value for variable api_key is not registered.",
    );
    let (fetched, _) = fetch_fred(&connector, vec![key]).await;
    assert!(matches!(fetched, Err(FetchError::Key { .. })));
    let vintages = refuse(
        400,
        "Bad Request.  This exceeds the maximum number of vintage dates allowed (2000).",
    );
    let (fetched, _) = fetch_fred(&connector, vec![vintages]).await;
    let error = fetched.unwrap_err();
    assert!(
        matches!(error, FetchError::Refused { .. }) && error.to_string().contains("vintage"),
        "{error}"
    );
    let slow = refuse(429, "Too Many Requests.  Exceeded Rate Limit");
    let (fetched, _) = fetch_fred(&connector, vec![slow, reply(200, &observations(0, 0, &[]))]).await;
    assert_eq!(fetched.unwrap().rows.len(), 0);
    for wrong in [
        observations(7, 9, &[]),
        observations(0, 9, &[]),
        json!({"observations": []}),
    ] {
        let (fetched, _) = fetch_fred(&connector, vec![reply(200, &wrong)]).await;
        assert!(matches!(fetched, Err(FetchError::Refused { .. })), "{wrong}");
    }
    let bad = observations(
        0,
        2,
        &[
            ("2026-01-05", "2026-01-02", "x"),
            ("2026-01-05", "1999-01-02", "1"),
        ],
    );
    let (fetched, _) = fetch_fred(&connector, vec![reply(200, &bad)]).await;
    assert_eq!(fetched.unwrap().bad.len(), 2);
}
