//! Where the control plane is: its URL taken apart once.

use std::net::IpAddr;

use axum::http::Uri;
use rustls::pki_types::ServerName;

use super::ControlError;

/// See the module.
#[derive(Debug)]
pub(super) struct Address {
    /// Host without brackets.
    pub host: String,
    /// Port, the scheme's where the URL names none.
    pub port: u16,
    /// The `Host` header.
    pub authority: String,
    /// What the certificate must be for; `None` for `http://`.
    pub secured: Option<ServerName<'static>>,
    /// What every path begins with; without a slash at its end.
    pub base: String,
}

impl Address {
    /// Takes `url` apart. Only this machine may be talked to in clear.
    pub(super) fn new(url: &str) -> Result<Self, ControlError> {
        let bad = || ControlError::Url { url: redacted(url) };
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad()),
        };
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        if host.is_empty() || authority.contains('@') || uri.query().is_some() {
            return Err(bad());
        }
        let here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        if !secure && !here {
            return Err(ControlError::InClear { host });
        }
        let secured = match ServerName::try_from(host.clone()) {
            _ if !secure => None,
            Ok(name) => Some(name),
            Err(_) => return Err(bad()),
        };
        Ok(Self {
            port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            authority: authority.to_owned(),
            base: uri.path().trim_end_matches('/').to_owned(),
            host,
            secured,
        })
    }
}

/// Without the query and without user and password.
fn redacted(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    match plain.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit('@').next().unwrap_or_default()),
        None => plain.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_host_port_and_path() {
        let here = Address::new("http://127.0.0.1:9200").unwrap();
        assert_eq!(
            (here.host.as_str(), here.port, here.base.as_str()),
            ("127.0.0.1", 9200, "")
        );
        assert!(here.secured.is_none());
        let far = Address::new("https://control.example/two/").unwrap();
        assert_eq!(
            (far.host.as_str(), far.port, far.base.as_str()),
            ("control.example", 443, "/two")
        );
        assert_eq!(far.secured.unwrap().to_str(), "control.example");
        assert_eq!(Address::new("http://[::1]:1").unwrap().host, "::1");
    }

    #[test]
    fn a_token_travels_in_clear_on_this_machine_only_and_no_secret_is_repeated() {
        let far = Address::new("http://control.example").unwrap_err();
        assert!(matches!(far, ControlError::InClear { .. }), "{far}");
        for bad in [
            "",
            "control.example",
            "ws://127.0.0.1",
            "https://a:secret@b",
            "https://b/?k=secret",
        ] {
            let error = Address::new(bad).unwrap_err().to_string();
            assert!(
                error.contains("[control]") && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
