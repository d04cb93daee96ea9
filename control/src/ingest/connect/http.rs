//! HTTP: no redirects (a key would travel along), bounded answers, time-outs.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};

use super::{Answer, Key, KeyPlace, Request, Transport, TransportError};
use crate::ingest::source::BaseUrl;
use crate::limits::{VENDOR_ANSWER_BYTES_MAX, VENDOR_CONNECT_S, VENDOR_REQUEST_S};

/// A vendor's address and the key to it.
#[derive(Debug)]
pub struct Http {
    base: Url,
    key: Key,
    client: reqwest::Client,
}

impl Http {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// [`TransportError`] when TLS cannot be set up.
    pub fn new(base: &BaseUrl, key: Key) -> Result<Self, TransportError> {
        let roots = rustls::RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed("TLS cannot be set up", error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .use_preconfigured_tls(tls)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("control/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(VENDOR_CONNECT_S))
            .timeout(Duration::from_secs(VENDOR_REQUEST_S));
        let client = if base.url().scheme() == "http" {
            client.no_proxy()
        } else {
            client
        };
        let client = client
            .build()
            .map_err(|error| failed("there is no HTTP client", error))?;
        Ok(Self {
            base: base.url().clone(),
            key,
            client,
        })
    }

    /// The same key for another address.
    #[cfg(test)]
    pub(super) fn point_at(&mut self, base: &str) {
        self.base = Url::parse(base).unwrap();
    }

    fn url(&self, request: &Request) -> Result<Url, TransportError> {
        let mut url = self
            .base
            .join(request.path)
            .map_err(|error| failed("the address cannot be put together", error))?;
        let mut query = url.query_pairs_mut();
        query.extend_pairs(&request.query);
        if let KeyPlace::Query(name) = request.key {
            query.append_pair(name, self.key.reveal());
        }
        drop(query);
        Ok(url)
    }
}

impl Transport for Http {
    async fn get(&self, request: &Request) -> Result<Answer, TransportError> {
        let mut call = self.client.get(self.url(request)?);
        if request.key == KeyPlace::Authorization {
            let mut value = HeaderValue::from_str(&format!("apikey {}", self.key.reveal()))
                .map_err(|_| TransportError::plain("the key fits into no header"))?;
            value.set_sensitive(true);
            call = call.header(AUTHORIZATION, value);
        }
        let sent = call.send().await;
        // The address may hold the key: it is in no error.
        let mut response = sent.map_err(|error| failed("no answer", error.without_url()))?;
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let status = response.status().as_u16();
        let mut body = Vec::new();
        loop {
            let chunk = response.chunk().await;
            let chunk = chunk.map_err(|error| failed("the answer ends early", error.without_url()))?;
            let Some(chunk) = chunk else { break };
            if body.len() + chunk.len() > VENDOR_ANSWER_BYTES_MAX {
                return Err(TransportError::plain(&format!(
                    "the answer is longer than {VENDOR_ANSWER_BYTES_MAX} bytes"
                )));
            }
            body.extend_from_slice(&chunk);
        }
        let text = String::from_utf8_lossy(&body);
        let body = match text.contains(self.key.reveal()) {
            true => self.key.cut_from(&text).into_bytes(),
            false => body,
        };
        Ok(Answer {
            status,
            retry_after,
            body,
        })
    }
}

impl TransportError {
    fn plain(what: &str) -> Self {
        Self {
            what: what.to_owned(),
            source: None,
        }
    }
}

fn failed(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> TransportError {
    TransportError {
        what: what.to_owned(),
        source: Some(Box::new(error)),
    }
}
