//! What a source file says about fetching. Keys are named, never written: they stand in environment variables.

use std::fmt;

use reqwest::Url;
use serde::{Deserialize, Deserializer};

use crate::limits::REQUESTS_PER_MINUTE_MAX;

/// The name of the environment variable that holds a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEnv(String);

impl KeyEnv {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyEnv {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let starts = name.starts_with(|c: char| c.is_ascii_uppercase());
        if !starts || name.len() > 64 || !name.chars().all(fits) {
            // What stands there may be the key itself: it is not repeated.
            return Err(serde::de::Error::custom(
                "the NAME of an environment variable (A to Z, 0 to 9, _) is expected, not a key",
            ));
        }
        Ok(Self(name))
    }
}

/// A vendor's address: https, or http on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// The address, with a path that ends in `/`.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let mut url = Url::parse(text).ok()?;
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        let local = host == "localhost"
            || host
                .parse()
                .is_ok_and(|address: std::net::IpAddr| address.is_loopback());
        let safe = url.scheme() == "https" || url.scheme() == "http" && local;
        let plain = url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if !safe || !plain {
            return None;
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Some(Self(url))
    }
}

impl<'de> Deserialize<'de> for BaseUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(
                "https://HOST/PATH is expected (http only on this machine: a key travels with it), without user, query or fragment",
            )
        })
    }
}

/// Bars from Twelve Data's `time_series`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwelveDataDownload {
    #[serde(rename = "connector")]
    _connector: TwelveDataWord,
    /// Where the key is.
    pub key_env: KeyEnv,
    /// Requests in a minute that the plan allows.
    #[serde(deserialize_with = "requests")]
    pub requests_per_minute: u32,
    /// Where it is served.
    #[serde(default = "twelve_data")]
    pub base_url: BaseUrl,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TwelveDataWord {
    Twelvedata,
}

/// Daily values from FRED's `series/observations`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FredDownload {
    #[serde(rename = "connector")]
    _connector: FredWord,
    /// Where the key is.
    pub key_env: KeyEnv,
    /// Requests in a minute that FRED allows.
    #[serde(deserialize_with = "requests")]
    pub requests_per_minute: u32,
    /// Where it is served.
    #[serde(default = "fred")]
    pub base_url: BaseUrl,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FredWord {
    Fred,
}

fn twelve_data() -> BaseUrl {
    BaseUrl::parse("https://api.twelvedata.com/").expect("a constant that a test parses")
}

fn fred() -> BaseUrl {
    BaseUrl::parse("https://api.stlouisfed.org/fred/").expect("a constant that a test parses")
}

fn requests<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let requests = u32::deserialize(deserializer)?;
    if (1..=REQUESTS_PER_MINUTE_MAX).contains(&requests) {
        return Ok(requests);
    }
    Err(serde::de::Error::custom(format!(
        "1 to {REQUESTS_PER_MINUTE_MAX} requests per minute are expected"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_travels_encrypted_or_on_this_machine() {
        for good in [
            "https://api.example/v1",
            "http://127.0.0.1:8080",
            "http://[::1]:1/x/",
        ] {
            assert!(
                BaseUrl::parse(good).unwrap().url().path().ends_with('/'),
                "{good}"
            );
        }
        for bad in [
            "http://api.example",
            "https://user@api.example",
            "https://api.example/?apikey=x",
            "ftp://127.0.0.1",
            "api.example",
        ] {
            assert!(BaseUrl::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(twelve_data().url().host_str(), Some("api.twelvedata.com"));
        assert_eq!(fred().url().path(), "/fred/");
    }
}
