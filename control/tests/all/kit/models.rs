//! Models that can be registered: an experiment, the bars its golden vectors come from, and files.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use contracts::ids::ContractId;
use contracts::time::UtcMillis;
use control::api;
use control::auth::{Actor, Role};
use control::config::{Config, MarketConfig};
use control::experiments::{self, Register};
use control::inspect::Inspector;
use strategy::onnx::testmodels::{self, Shape};
use tower::ServiceExt as _;

use super::app::{TestApp, app, person};
use super::database::Database;
use super::http::{Answer, Who};

/// Features of the experiment.
pub const WIDTH: usize = 8;
/// Between the parts of a form.
const BOUNDARY: &str = "xXx-boundary-xXx";

/// An app with bars for `USDCOP` before its experiment's holdout, and the program that inspects.
pub fn app_with_bars(database: Database) -> TestApp {
    let mut test = app(database);
    let bars = test.folder.path().join("bars.csv");
    std::fs::write(&bars, bars_csv(900)).unwrap();
    let config: &Config = &test.app.config;
    let mut config = config.clone();
    let market = MarketConfig::of_files(bars, contracts::bar::Stamp::Close, None);
    config.markets.insert("USDCOP".parse().unwrap(), market);
    test.app.config = Arc::new(config);
    test.app.inspector = Inspector {
        program: Some(env!("CARGO_BIN_EXE_control").into()),
        ..Inspector::default()
    };
    test
}

/// Five-minute bars from 2024-06-03 on, with a close that wanders and a range of its own.
fn bars_csv(count: u32) -> String {
    let mut text = "close_time,open,high,low,close,volume\n".to_owned();
    let mut close = 4000.0_f64;
    let mut state = 1_u64;
    for n in 0..count {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let draw = f64::from(u32::try_from(state >> 40).unwrap()) / f64::from(1 << 24) - 0.5;
        let open = close;
        close *= 1.0 + draw * 0.004;
        let time = UtcMillis(1_717_372_800_000 + i64::from(n + 1) * 300_000);
        let (high, low) = (open.max(close) * 1.0003, open.min(close) * 0.9997);
        writeln!(text, "{time},{open},{high},{low},{close},7").unwrap();
    }
    text
}

/// The shipped experiment on eight technical features.
pub fn yaml() -> String {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../config/experiments/usdcop_ppo_baseline.yaml"
    );
    let text = std::fs::read_to_string(path).unwrap();
    text.replace("contract: usdcop_15", "contract: technical_8")
        .replace("version: 2.1.0", "version: 1.0.0")
        .replace("calendar: usdcop", "calendar: crypto_24x7")
}

/// Registers it.
pub async fn experiment(test: &TestApp, author: &str) -> ContractId {
    experiment_of(test, author, yaml()).await
}

pub async fn experiment_of(test: &TestApp, author: &str, yaml: String) -> ContractId {
    let request = Register {
        yaml: yaml.into_bytes(),
        file: "experiment.yaml".to_owned(),
    };
    let done = experiments::register(&test.app, &researcher(author), &request).await;
    done.unwrap().experiment.contract_id
}

pub fn researcher(name: &str) -> Actor {
    person(name, &[Role::Researcher])
}

/// A policy of its own per seed.
pub fn model(seed: u64) -> Vec<u8> {
    testmodels::ppo_continuous(&Shape::new(seed, WIDTH)).bytes
}

/// A scaler for it.
pub fn norm_stats() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/features/technical_8.yaml");
    let features = contracts::features::load_contract(path.as_ref()).unwrap();
    serde_json::to_vec(&testmodels::norm_stats(&features)).unwrap()
}

/// A form of parts: name, file name, bytes.
pub fn form(parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file, bytes) in parts {
        let file = file.map_or_else(String::new, |file| {
            format!("; filename=\"{file}\"\r\nContent-Type: application/octet-stream")
        });
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// Sends any body of any type.
pub async fn send(
    test: &TestApp,
    who: &Who,
    path: &str,
    kind: &str,
    length: Option<u64>,
    body: Body,
) -> Answer {
    let mut request = Request::builder()
        .method("POST")
        .uri(path)
        .header("host", "127.0.0.1:9200")
        .header("content-type", kind);
    if let Some(length) = length {
        request = request.header("content-length", length);
    }
    for (name, value) in &who.0 {
        request = request.header(*name, value);
    }
    let mut request = request.body(body).unwrap();
    let peer: SocketAddr = "127.0.0.1:50000".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = api::router(test.app.clone()).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// Sends a form to the registration of models.
pub async fn upload(test: &TestApp, who: &Who, body: Vec<u8>) -> Answer {
    let kind = form_type();
    send(test, who, "/api/models", &kind, None, Body::from(body)).await
}

pub fn form_type() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}
