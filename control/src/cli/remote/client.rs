//! A small HTTP client: JSON out, JSON or bytes in, no redirects, TLS wherever somebody could listen.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, COOKIE, ETAG, HeaderValue, IF_MATCH, SET_COOKIE};
use reqwest::{Method, Url};
use serde_json::Value;

use super::login_file::Login;
use crate::api::CSRF_HEADER;
use crate::cli::{CliError, Exit, OrExit};
use crate::limits::{CLIENT_CONNECT_S, CLIENT_REQUEST_S};

/// Who asks.
#[derive(Debug)]
pub enum Identity {
    /// Nobody yet.
    Nobody,
    /// Somebody logged in.
    Person(Login),
    /// A program.
    Token(String),
}

/// A request.
#[derive(Debug)]
pub struct Call {
    method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    if_match: Option<String>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    None,
    Json(Value),
    Bytes(&'static str, Vec<u8>),
    Parts(reqwest::multipart::Form),
}

impl Call {
    fn new(method: Method, path: &[&str], body: Body) -> Self {
        Self {
            method,
            path: path.iter().map(|&part| part.to_owned()).collect(),
            query: Vec::new(),
            if_match: None,
            body,
        }
    }

    /// Reads; the parts of the path are joined by `/` and escaped.
    #[must_use]
    pub fn get(path: &[&str]) -> Self {
        Self::new(Method::GET, path, Body::None)
    }

    /// Asks whether something is there, without its bytes.
    #[must_use]
    pub fn head(path: &[&str]) -> Self {
        Self::new(Method::HEAD, path, Body::None)
    }

    /// Puts a file where the path says.
    #[must_use]
    pub fn put_bytes(path: &[&str], bytes: Vec<u8>) -> Self {
        Self::new(Method::PUT, path, Body::Bytes("application/octet-stream", bytes))
    }

    /// Changes something, with a JSON body.
    #[must_use]
    pub fn post(path: &[&str], body: Value) -> Self {
        Self::new(Method::POST, path, Body::Json(body))
    }

    /// Changes something; there is nothing to say about it.
    #[must_use]
    pub fn post_empty(path: &[&str]) -> Self {
        Self::new(Method::POST, path, Body::None)
    }

    /// Hands one file in, of a media type.
    #[must_use]
    pub fn post_bytes(path: &[&str], kind: &'static str, bytes: Vec<u8>) -> Self {
        Self::new(Method::POST, path, Body::Bytes(kind, bytes))
    }

    /// Hands files in.
    #[must_use]
    pub fn upload(path: &[&str], parts: reqwest::multipart::Form) -> Self {
        Self::new(Method::POST, path, Body::Parts(parts))
    }

    /// Adds a parameter where there is a value.
    #[must_use]
    pub fn with<T: ToString>(mut self, name: &'static str, value: Option<T>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// Names the evidence the request is about.
    #[must_use]
    pub fn if_match(mut self, digest: &str) -> Self {
        self.if_match = Some(format!("\"{digest}\""));
        self
    }
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// HTTP's.
    pub status: u16,
    /// True for a problem document.
    pub problem: bool,
    /// Without its quotes.
    pub etag: Option<String>,
    /// `NAME=VALUE` of a cookie that was set.
    pub cookie: Option<String>,
    /// The bytes.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as JSON; an empty one is null.
    ///
    /// # Errors
    /// [`Exit::Unavailable`] when it is none: something else than `control serve` answers there.
    pub fn json(&self) -> Result<Value, CliError> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).or_exit(
            Exit::Unavailable,
            "the answer is no JSON",
            "check that --url names a `control serve`",
        )
    }
}

/// A server and who asks it.
#[derive(Debug)]
pub struct Client {
    base: Url,
    identity: Identity,
    http: reqwest::Client,
}

impl Client {
    /// # Errors
    /// [`Exit::Usage`] for a URL that names no server, or one that would send secrets in the clear.
    pub fn new(url: &str, identity: Identity) -> Result<Self, CliError> {
        let base = Url::parse(url).or_exit(
            Exit::Usage,
            format!("`{url}` is no URL"),
            "write it as https://HOST:PORT",
        )?;
        let local = base.host_str().is_some_and(is_loopback);
        if !(base.scheme() == "https" || base.scheme() == "http" && local) || base.cannot_be_a_base() {
            return Err(CliError::new(
                Exit::Usage,
                format!("`{url}` would send passwords and tokens in the clear"),
                "use https:// for every server that is not on this machine",
            ));
        }
        let mut http = reqwest::Client::builder()
            .use_preconfigured_tls(tls()?)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("control/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(CLIENT_CONNECT_S))
            .timeout(Duration::from_secs(CLIENT_REQUEST_S));
        if local {
            http = http.no_proxy();
        }
        let http = http
            .build()
            .or_exit(Exit::Unavailable, "there is no HTTP client", "")?;
        Ok(Self { base, identity, http })
    }

    /// The server, without a path.
    pub fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// One request, one answer, whatever its status.
    ///
    /// # Errors
    /// [`Exit::Unavailable`] when nobody answers.
    pub async fn send(&self, call: Call) -> Result<Reply, CliError> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| CliError::new(Exit::Usage, "the URL names no server", ""))?
            .pop_if_empty()
            .extend(&call.path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let changes = !matches!(call.method, Method::GET | Method::HEAD);
        let mut request = self.http.request(call.method, url);
        request = match &self.identity {
            Identity::Nobody => request,
            Identity::Token(token) => request.bearer_auth(token),
            Identity::Person(login) => {
                let request = request.header(COOKIE, secret(&login.cookie)?);
                if changes {
                    request.header(CSRF_HEADER, secret(&login.csrf)?)
                } else {
                    request
                }
            }
        };
        if let Some(tag) = &call.if_match {
            request = request.header(IF_MATCH, tag);
        }
        request = match call.body {
            Body::None => request,
            Body::Json(body) => request.json(&body),
            Body::Bytes(kind, bytes) => request.header(CONTENT_TYPE, kind).body(bytes),
            Body::Parts(parts) => request.multipart(parts),
        };
        let silent = |error: reqwest::Error| {
            CliError::new(
                Exit::Unavailable,
                format!("{} does not answer", self.url()),
                "check that `control serve` runs there, and --url",
            )
            .caused_by(error.without_url())
        };
        let response = request.send().await.map_err(silent)?;
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let kind = text(CONTENT_TYPE).unwrap_or_default();
        let cookie = text(SET_COOKIE).and_then(|line| line.split(';').next());
        Ok(Reply {
            status: response.status().as_u16(),
            problem: kind.starts_with("application/problem+json"),
            etag: text(ETAG).map(|tag| tag.trim_matches('"').to_owned()),
            cookie: cookie.map(str::to_owned),
            body: response.bytes().await.map_err(silent)?.to_vec(),
        })
    }
}

/// A header that no log shows.
fn secret(text: &str) -> Result<HeaderValue, CliError> {
    let mut value = HeaderValue::from_str(text).or_exit(
        Exit::Data,
        "the kept login cannot be used",
        "run `control login` again",
    )?;
    value.set_sensitive(true);
    Ok(value)
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn tls() -> Result<rustls::ClientConfig, CliError> {
    let roots = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.or_exit(Exit::Software, "TLS cannot be set up", "")?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_in_the_clear_to_this_machine_only() {
        for url in [
            "http://127.0.0.1:9200",
            "http://localhost:1",
            "http://[::1]:9200",
            "https://control.example",
        ] {
            Client::new(url, Identity::Nobody).unwrap();
        }
        for url in [
            "http://control.example",
            "http://10.0.0.1:9200",
            "http://localhost.evil.example",
            "ftp://127.0.0.1",
            "127.0.0.1:9200",
            "",
        ] {
            let error = Client::new(url, Identity::Nobody).unwrap_err();
            assert_eq!(error.exit(), Exit::Usage, "{url}");
        }
    }
}
