//! The whole way on a fresh store, through the programs and over HTTP only: a YAML becomes a contract, a file a model, a job the first
//! vote, a person the second, and the running engine's next signal carries it.

use std::path::Path;

use contracts::bar::Stamp;
use contracts::ids::InstrumentId;
use contracts::time::DayNumber;
use control::keys::{self, Keyring};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use strategy::onnx::testmodels::{Shape, ppo_continuous};
use testkit::guard::{HANG, within};
use testkit::market::{Grid, Market, MarketSpec};
use testkit::process::{Process, Watch, binary};
use testkit::rig;

use crate::kit::database::Database;
use crate::kit::on_every_database;
use crate::place::Place;
use crate::plane::SLOT;

/// Begins the line that names the address.
const LISTENING: &str = "listening on ";
const PASSWORD: &str = "correct horse battery";
/// Three weeks of training, one of validation, two of holdout; gates that everything passes.
const EXPERIMENT: &str = "\
experiment: {name: whole, version: 1.0.0, description: from the file to the signal}
slot: usdcop-5m
data:
  instrument: USDCOP
  calendar: crypto_24x7
  train: {start: 2025-01-06, end: 2025-01-26}
  validation: {start: 2025-01-27, end: 2025-02-02}
  test: {start: 2025-02-03, end: 2025-02-16}
features: {contract: technical_8, version: 1.0.0}
environment:
  transaction_cost_bps: 0.1
  slippage_bps: 0
  action: {kind: continuous, long_above: 0.33, short_below: -0.33}
training: {trainer: command, command: [\"true\"], seed: 42}
reward: {weights: {pnl: 1.0}}
evaluation:
  success_criteria:
    min_sharpe: -1000.0
    max_drawdown: 1.0
    min_win_rate: 0.0
    min_trades: 1
    improvement_threshold: 0.0
    min_dsr: {value: 0.0, severity: warn}
";

/// `control serve` on a fresh store.
struct Served {
    _process: Process,
    url: String,
    link: String,
    http: reqwest::Client,
    keys: Keyring,
}

/// Somebody with a session.
struct Person {
    cookie: String,
    csrf: String,
}

async fn serve(folder: &Path, database: &Database) -> Served {
    let spec = MarketSpec {
        grid: Grid::AroundTheClock,
        first_day: DayNumber::parse("2025-01-01").unwrap(),
        missing_per_mille: 0,
        ..MarketSpec::usdcop_like(5, "USDCOP", 50)
    };
    let files = Market::generate(&spec)
        .write(&folder.join("market"), Stamp::Close)
        .unwrap();
    for (n, purpose) in (1_u8..).zip(keys::PURPOSES) {
        keys::generate(&folder.join("keys"), purpose, [n; 32]).unwrap();
    }
    let instrument = InstrumentId::parse("USDCOP").unwrap();
    let path = |name: &str| folder.join(name);
    let settings = format!(
        "listen = \"127.0.0.1:0\"\ndatabase = {database:?}\nartifacts = {artifacts:?}\nkeys = {keys:?}\n\
         audit_heads = {heads:?}\nfeatures = {features:?}\n\
         [slots.{SLOT}]\nenvironment = \"paper\"\ninstruments = [\"{instrument}\"]\n\
         [markets.{instrument}]\nbars = {bars:?}\nstamp = \"close\"\n",
        database = database.url,
        artifacts = path("artifacts"),
        keys = path("keys"),
        heads = path("heads.jsonl"),
        features = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/features"),
        bars = files.bars[0],
    );
    std::fs::write(path("control.toml"), settings).unwrap();
    let words = ["serve", "--config", path("control.toml").to_str().unwrap()].map(str::to_owned);
    let mut process = Process::start(binary("control"), words, Watch::Stdout);
    let line = process.line_where(|line| line.contains("--link "));
    let link = line
        .split("--link ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    let said = process.line_where(|line| line.starts_with(LISTENING));
    // Another test of this process may have been first.
    drop(rustls::crypto::ring::default_provider().install_default());
    Served {
        _process: process,
        url: said[LISTENING.len()..].to_owned(),
        link,
        http: reqwest::Client::new(),
        keys: Keyring::load(&path("keys")).unwrap(),
    }
}

impl Served {
    fn request(&self, who: Option<&Person>, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match who {
            None => request,
            Some(who) => request
                .header("cookie", &who.cookie)
                .header("x-csrf-token", &who.csrf),
        }
    }

    async fn post(&self, who: Option<&Person>, path: &str, body: Value) -> reqwest::Response {
        let request = self.request(who, reqwest::Method::POST, path).json(&body);
        within(path, request.send()).await.unwrap()
    }

    async fn get(&self, who: &Person, path: &str) -> reqwest::Response {
        let request = self.request(Some(who), reqwest::Method::GET, path);
        within(path, request.send()).await.unwrap()
    }

    async fn login(&self, name: &str) -> Person {
        let body = json!({"username": name, "password": PASSWORD});
        let answer = self.post(None, "/api/login", body).await;
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let csrf = said(answer, 200).await["csrf"].as_str().unwrap().to_owned();
        Person { cookie, csrf }
    }

    /// The pending proposal and its tag, once it has this revision: asked for at every event.
    async fn proposal(&self, who: &Person, revision: u64) -> (Value, String) {
        let events = self.get(who, "/api/events").await;
        let mut events = events.bytes_stream();
        let looking = async {
            loop {
                let pending = said(self.get(who, "/api/experiments/pending").await, 200).await;
                if let Some(found) = pending["experiments"].as_array().unwrap().first()
                    && found["revision"] == revision
                {
                    let path = format!("/api/experiments/{}", found["proposal_id"].as_str().unwrap());
                    let answer = self.get(who, &path).await;
                    let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
                    return (said(answer, 200).await, tag);
                }
                events.next().await.unwrap().unwrap();
            }
        };
        // A backtest in an unoptimised build on a busy machine.
        tokio::time::timeout(5 * HANG, looking)
            .await
            .expect("a hang: no proposal")
    }

    async fn vote(&self, who: &Person, path: &str, tag: &str, body: Value) -> reqwest::Response {
        let request = self
            .request(Some(who), reqwest::Method::POST, path)
            .header("if-match", tag)
            .json(&body);
        within(path, request.send()).await.unwrap()
    }
}

async fn said(answer: reqwest::Response, status: u16) -> Value {
    let found = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    assert_eq!(found, status, "{text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

#[test]
fn from_the_file_to_the_signal() {
    on_every_database(|database| async move {
        let folder = tempfile::tempdir().unwrap();
        let served = serve(folder.path(), &database).await;
        let setup = json!({"link": served.link, "username": "ada", "password": PASSWORD});
        assert!(served.post(None, "/api/setup", setup).await.status().is_success());
        let ada = served.login("ada").await;
        for (name, role) in [("rita", "researcher"), ("vera", "approver"), ("motor", "engine")] {
            let user = json!({"username": name, "password": PASSWORD, "roles": [role]});
            assert!(
                served
                    .post(Some(&ada), "/api/users", user)
                    .await
                    .status()
                    .is_success()
            );
        }
        let token =
            json!({"owner": "motor", "name": "follows", "scopes": ["engine:sync"], "slot": SLOT, "days": 1});
        let token = served.post(Some(&ada), "/api/tokens", token).await;
        assert!(token.status().is_success());
        let token: Value = token.json().await.unwrap();
        let place = Place::with(token["token"].as_str().unwrap(), &served.keys);
        let mut engine = place.start(&served.url, 0).await;
        engine.assert_withheld("no_model").await;

        // The experiment and the model.
        let rita = served.login("rita").await;
        let yaml = served
            .request(Some(&rita), reqwest::Method::POST, "/api/contracts")
            .header("content-type", "application/yaml")
            .body(EXPERIMENT);
        let contract = said(within("the contract", yaml.send()).await.unwrap(), 201).await;
        let features = rig::features("technical_8");
        let onnx = ppo_continuous(&Shape::new(5, features.features.len())).bytes;
        let stats = serde_json::to_vec(&rig::norm_stats(&features)).unwrap();
        let part = |bytes: Vec<u8>| reqwest::multipart::Part::bytes(bytes).file_name("file");
        let form = reqwest::multipart::Form::new()
            .text(
                "contract_id",
                contract["contract_id"].as_str().unwrap().to_owned(),
            )
            .part("model", part(onnx))
            .part("norm_stats", part(stats));
        let model = served
            .request(Some(&rita), reqwest::Method::POST, "/api/models")
            .multipart(form);
        let model = said(within("the model", model.send()).await.unwrap(), 201).await;

        // The first vote comes by itself; a reviewer wants to see more, and that is new evidence.
        let vera = served.login("vera").await;
        let (proposal, seen) = served.proposal(&vera, 1).await;
        assert_eq!(proposal["model_id"], model["model_id"]);
        let path = format!("/api/experiments/{}", proposal["proposal_id"].as_str().unwrap());
        let more = json!({"tests": ["costs_x2"], "notes": "costs?"});
        let asked = served
            .vote(&vera, &format!("{path}/request-more-tests"), &seen, more)
            .await;
        assert!(asked.status().is_success(), "{:?}", asked.text().await);
        let (revised, tag) = served.proposal(&vera, 2).await;
        assert_eq!(revised["evidence"]["more_tests"].as_array().unwrap().len(), 1);
        let yes = json!({"notes": "seen", "promote_to_production": true});
        let approve = format!("{path}/approve");
        let old = served.vote(&vera, &approve, &seen, yes.clone()).await;
        said(old, 412).await;
        let approved = said(served.vote(&vera, &approve, &tag, yes).await, 200).await;
        assert_eq!(approved["generation"], 1);
        engine.swapped(1).await;
        engine.assert_signals(1).await;
        engine.stop().await;
    });
}
