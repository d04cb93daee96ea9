//! Where a feed is: its URL taken apart once, with the key that some sources want in it, and a form that may be logged.

use std::net::IpAddr;

use rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::Uri;

use super::codec::Source;
use super::credentials::{Credentials, CredentialsError};
use super::options::FeedError;

/// See the module.
pub(super) struct Address {
    /// The handshake's request.
    pub request: Request,
    /// Host without brackets.
    pub host: String,
    /// Port, the scheme's where the URL names none.
    pub port: u16,
    /// What its certificate must be for; `None` for `ws://`.
    pub secured: Option<ServerName<'static>>,
    /// Scheme, host and path: nothing that is secret.
    pub shown: String,
}

impl Address {
    /// Takes `url` apart.
    pub(super) fn new(url: &str, source: Source, credentials: &Credentials) -> Result<Self, FeedError> {
        let bad = || FeedError::Url { url: redacted(url) };
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let secure = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            _ => return Err(bad()),
        };
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(bad)?
            .trim_matches(['[', ']'])
            .to_owned();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') || uri.query().is_some_and(names_a_key) {
            return Err(CredentialsError::InUrl.into());
        }
        let here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        if !secure && !here && source.asks_for().0 {
            return Err(CredentialsError::InClear { from: source, host }.into());
        }
        let secured = match ServerName::try_from(host.clone()) {
            _ if !secure => None,
            Ok(name) => Some(name),
            Err(_) => return Err(bad()),
        };
        let asked = if source.key_in_url() && !credentials.key.is_empty() {
            let mark = if uri.query().is_some() { '&' } else { '?' };
            format!("{url}{mark}apikey={}", encoded(&credentials.key))
        } else {
            url.to_owned()
        };
        Ok(Self {
            request: asked.as_str().into_client_request().map_err(|_| bad())?,
            port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            host,
            secured,
            shown: redacted(url),
        })
    }
}

/// The names under which vendors take keys in a query.
fn names_a_key(query: &str) -> bool {
    query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
        matches!(
            name.replace(['_', '-'], "").as_str(),
            "apikey" | "key" | "token" | "secret"
        )
    })
}

/// Without the query and without user and password.
fn redacted(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    match plain.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => plain.to_owned(),
    }
}

/// Percent-encoded, so that a key cannot become another parameter.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str, source: Source) -> Result<Address, FeedError> {
        let credentials = Credentials {
            key: "a key&1".to_owned(),
            secret: "s".to_owned(),
        };
        Address::new(url, source, &credentials)
    }

    #[test]
    fn scheme_host_and_port() {
        let plain = of("ws://127.0.0.1:9400/feed", Source::Native).unwrap();
        assert_eq!((plain.host.as_str(), plain.port), ("127.0.0.1", 9_400));
        assert!(plain.secured.is_none());
        for (url, host, port) in [
            ("wss://feed.example/v1", "feed.example", 443),
            ("wss://[::1]:9/", "::1", 9),
            ("wss://127.0.0.1:8443", "127.0.0.1", 8_443),
        ] {
            let secure = of(url, Source::Native).unwrap();
            assert_eq!((secure.host.as_str(), secure.port), (host, port));
            assert_eq!(secure.secured.unwrap().to_str(), host);
        }
        assert_eq!(of("ws://feed.example", Source::Native).unwrap().port, 80);
        for bad in ["", "127.0.0.1:9", "http://127.0.0.1:9", "ws://", "wss://a b/"] {
            assert!(
                matches!(of(bad, Source::Native), Err(FeedError::Url { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_key_goes_into_the_request_and_nowhere_else() {
        let address = of("wss://ws.twelvedata.com/v1/quotes/price", Source::TwelveData).unwrap();
        assert_eq!(address.request.uri().query(), Some("apikey=a%20key%261"));
        assert_eq!(address.shown, "wss://ws.twelvedata.com/v1/quotes/price");
        let more = of("wss://x.example/p?plan=pro", Source::TwelveData).unwrap();
        assert_eq!(more.request.uri().query(), Some("plan=pro&apikey=a%20key%261"));
        assert_eq!(more.shown, "wss://x.example/p");
        let other = of("wss://x.example/p", Source::Polygon).unwrap();
        assert_eq!(other.request.uri().query(), None);
    }

    #[test]
    fn a_key_travels_in_clear_on_this_machine_only() {
        for own in [
            "ws://localhost:1",
            "ws://127.0.0.1:1",
            "ws://[::1]:1",
            "wss://far.example",
        ] {
            assert!(of(own, Source::Alpaca).is_ok(), "{own}");
        }
        let far = of("ws://far.example", Source::Alpaca).err().unwrap();
        assert!(far.to_string().contains("in clear"), "{far}");
        assert!(of("ws://far.example", Source::Binance).is_ok());
    }

    #[test]
    fn a_key_in_the_settings_is_refused_and_not_repeated() {
        for url in [
            "wss://x.example/p?apikey=abc",
            "wss://x.example/p?a=1&API_KEY=abc",
            "wss://me:abc@x.example/p",
        ] {
            let error = of(url, Source::TwelveData).err().unwrap().to_string();
            assert!(
                error.contains("environment variable") && !error.contains("abc"),
                "{error}"
            );
        }
        let error = of("http://me:abc@x.example/p?apikey=abc", Source::Native)
            .err()
            .unwrap();
        assert!(!error.to_string().contains("abc"), "{error}");
    }
}
