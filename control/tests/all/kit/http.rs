//! Calls of the API without a socket, and people who are logged in.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use control::api;
use control::auth::{self, Role, Scope, SystemRandom};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::app::{TestApp, person};
use super::described::assert_described;

/// Everybody's.
pub const PASSWORD: &str = "correct horse battery";

pub struct Answer {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub fn code(&self) -> (u16, String) {
        let kind = self.headers.get("content-type").unwrap();
        assert_eq!(kind, "application/problem+json", "{}", self.text);
        (
            self.status.as_u16(),
            self.json()["code"].as_str().unwrap().to_owned(),
        )
    }
}

/// A cookie and its CSRF value, or a token, or nothing.
#[derive(Clone, Default)]
pub struct Who(pub Vec<(&'static str, String)>);

impl Who {
    pub fn token(text: &str) -> Self {
        Self(vec![("authorization", format!("Bearer {text}"))])
    }

    pub fn with(&self, name: &'static str, value: &str) -> Self {
        let mut all = self.0.clone();
        all.retain(|(other, _)| *other != name);
        all.push((name, value.to_owned()));
        Self(all)
    }

    pub fn without(&self, name: &str) -> Self {
        let mut all = self.0.clone();
        all.retain(|(other, _)| *other != name);
        Self(all)
    }
}

pub async fn call(test: &TestApp, who: &Who, method: &str, path: &str, body: Option<&str>) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1:9200");
    for (name, value) in &who.0 {
        request = request.header(*name, value);
    }
    if body.is_some() && !who.0.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/json");
    }
    let mut request = request
        .body(Body::from(body.unwrap_or_default().to_owned()))
        .unwrap();
    let peer: SocketAddr = "127.0.0.1:50000".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = api::router(test.app.clone()).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert_described(method, path, parts.status.as_u16(), &parts.headers, &text);
    Answer {
        status: parts.status,
        headers: parts.headers,
        text,
    }
}

/// A client for a server with a socket.
pub fn client() -> reqwest::Client {
    // Refused where another test has done it: one is as good as the other.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::new()
}

pub async fn user(test: &TestApp, name: &str, roles: &[Role]) {
    let new = auth::NewUser {
        username: name.parse().unwrap(),
        email: None,
        password: PASSWORD.to_owned(),
        roles: roles.to_vec(),
    };
    let admin = person("root", &[Role::Admin]);
    auth::add_user(&test.app, &SystemRandom, &admin, &new)
        .await
        .unwrap();
}

pub async fn try_login(test: &TestApp, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password}).to_string();
    call(test, &Who::default(), "POST", "/api/login", Some(&body)).await
}

pub async fn login(test: &TestApp, name: &str) -> Who {
    let answer = try_login(test, name, PASSWORD).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    session_of(&answer)
}

/// What a login answered with, for the next request.
pub fn session_of(answer: &Answer) -> Who {
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
    let pair = cookie.split(';').next().unwrap().to_owned();
    let csrf = answer.json()["csrf"].as_str().unwrap().to_owned();
    Who(vec![("cookie", pair), ("x-csrf-token", csrf)])
}

pub async fn logged_in(test: &TestApp, name: &str, roles: &[Role]) -> Who {
    user(test, name, roles).await;
    login(test, name).await
}

pub async fn token(test: &TestApp, owner: &str, scope: Scope, slot: Option<&str>) -> (String, String) {
    let new = auth::NewToken {
        owner: owner.parse().unwrap(),
        name: "for tests".to_owned(),
        scopes: vec![scope],
        slot: slot.map(|slot| slot.parse().unwrap()),
        days: 1,
    };
    let admin = person("root", &[Role::Admin]);
    let (secret, id, _) = auth::create_token(&test.app, &SystemRandom, &admin, &new)
        .await
        .unwrap();
    (secret.reveal().to_owned(), id)
}
