//! A served control as a process of its own, and people who talk to it over HTTP.

use std::path::Path;

use control::keys::{self, Keyring};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use testkit::guard::{HANG, within};
use testkit::process::{Process, Watch, binary};

use crate::kit::database::Database;
use crate::plane::SLOT;

/// Begins the line that names the address.
const LISTENING: &str = "listening on ";
/// Of everybody.
const PASSWORD: &str = "correct horse battery";

/// `control serve` on a fresh store.
pub struct Served {
    _process: Process,
    pub url: String,
    link: String,
    http: reqwest::Client,
    pub keys: Keyring,
}

/// Somebody with a session.
pub struct Person {
    cookie: String,
    csrf: String,
}

/// Serves on a free port; `markets` are lines of `control.toml`.
pub fn serve(folder: &Path, database: &Database, markets: &str) -> Served {
    for (n, purpose) in (1_u8..).zip(keys::PURPOSES) {
        keys::generate(&folder.join("keys"), purpose, [n; 32]).unwrap();
    }
    let path = |name: &str| folder.join(name);
    let settings = format!(
        "listen = \"127.0.0.1:0\"\ndatabase = {database:?}\nartifacts = {artifacts:?}\nkeys = {keys:?}\n\
         audit_heads = {heads:?}\nfeatures = {features:?}\n\
         [slots.{SLOT}]\nenvironment = \"paper\"\ninstruments = [\"USDCOP\"]\n{markets}",
        database = database.url,
        artifacts = path("artifacts"),
        keys = path("keys"),
        heads = path("heads.jsonl"),
        features = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/features"),
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
    pub fn request(
        &self,
        who: Option<&Person>,
        method: reqwest::Method,
        path: &str,
    ) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match who {
            None => request,
            Some(who) => request
                .header("cookie", &who.cookie)
                .header("x-csrf-token", &who.csrf),
        }
    }

    pub async fn post(&self, who: Option<&Person>, path: &str, body: Value) -> reqwest::Response {
        let request = self.request(who, reqwest::Method::POST, path).json(&body);
        within(path, request.send()).await.unwrap()
    }

    pub async fn get(&self, who: &Person, path: &str) -> reqwest::Response {
        let request = self.request(Some(who), reqwest::Method::GET, path);
        within(path, request.send()).await.unwrap()
    }

    pub async fn login(&self, name: &str) -> Person {
        let body = json!({"username": name, "password": PASSWORD});
        let answer = self.post(None, "/api/login", body).await;
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let csrf = said(answer, 200).await["csrf"].as_str().unwrap().to_owned();
        Person { cookie, csrf }
    }

    /// Makes the first admin and everybody else; the token of an engine.
    pub async fn people(&self) -> String {
        let setup = json!({"link": self.link, "username": "ada", "password": PASSWORD});
        assert!(self.post(None, "/api/setup", setup).await.status().is_success());
        let ada = self.login("ada").await;
        for (name, role) in [("rita", "researcher"), ("vera", "approver"), ("motor", "engine")] {
            let user = json!({"username": name, "password": PASSWORD, "roles": [role]});
            assert!(
                self.post(Some(&ada), "/api/users", user)
                    .await
                    .status()
                    .is_success()
            );
        }
        self.token(&ada, "motor", "engine:sync", Some(SLOT)).await
    }

    /// A token made by an admin.
    pub async fn token(&self, admin: &Person, owner: &str, scope: &str, slot: Option<&str>) -> String {
        let token = json!({"owner": owner, "name": "test", "scopes": [scope], "slot": slot, "days": 1});
        let token = said(self.post(Some(admin), "/api/tokens", token).await, 201).await;
        token["token"].as_str().unwrap().to_owned()
    }

    /// The pending proposal and its tag, once it has this revision: asked for at every event.
    pub async fn proposal(&self, who: &Person, revision: u64) -> (Value, String) {
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

    pub async fn vote(&self, who: &Person, path: &str, tag: &str, body: Value) -> reqwest::Response {
        let request = self
            .request(Some(who), reqwest::Method::POST, path)
            .header("if-match", tag)
            .json(&body);
        within(path, request.send()).await.unwrap()
    }
}

pub async fn said(answer: reqwest::Response, status: u16) -> Value {
    let found = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    assert_eq!(found, status, "{text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}
