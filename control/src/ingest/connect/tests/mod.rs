//! The connectors against a server on loopback that speaks their formats, and the pace against time that a test moves.

mod bars;
mod daily;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse as _;
use contracts::time::UtcMillis;
use serde_json::Value;

use super::http::Http;
use super::*;
use crate::ingest::source::{BarSource, BaseUrl, Source};

const KEY: &str = "k3y-that-nobody-may-see";

/// Addresses that were asked for, each with its key's header.
type Asked = Vec<(String, Option<String>)>;

/// What the server answers, one after the other; the last one for ever.
#[derive(Clone)]
struct Script {
    answers: Arc<Mutex<VecDeque<Reply>>>,
    asked: Arc<Mutex<Asked>>,
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

    fn asked(&self) -> Asked {
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
