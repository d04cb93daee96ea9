//! The one way out: a client that connects only to addresses a target may have.
//!
//! The check is made on the very addresses the connection is then opened to, so a name that answers differently a second later changes
//! nothing; redirects are not followed, and no proxy of the environment is used.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use super::network::{Network, why_refused};
use super::settings::WebhookConfig;
use crate::limits::{DELIVERY_CONNECT_S, DELIVERY_S};

/// Addresses of a name.
pub type Found = Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>>;

/// Where names are looked up.
pub trait Lookup: Send + Sync + std::fmt::Debug {
    /// All addresses of `name`.
    fn lookup(&self, name: &str) -> Found;
}

/// The system's.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, name: &str) -> Found {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// An address the target may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// By its range.
    #[error("{ip} is refused ({kind}): list its network under allow_private if this is meant")]
    Range {
        /// The address.
        ip: IpAddr,
        /// What it is.
        kind: &'static str,
    },
    /// Plain HTTP goes only where the settings say so.
    #[error("{ip} is not listed under allow_private, and plain http goes nowhere else")]
    Plain {
        /// The address.
        ip: IpAddr,
    },
    /// The name has none.
    #[error("the name has no address")]
    Nothing,
}

/// Which addresses one target may have.
#[derive(Debug, Clone)]
pub struct Permitted {
    listed: Vec<Network>,
    plain: bool,
}

impl Permitted {
    /// Of a target.
    pub fn of(config: &WebhookConfig, url: &reqwest::Url) -> Self {
        Self {
            listed: config.allow_private.clone(),
            plain: url.scheme() == "http",
        }
    }

    /// Whether `ip` may be connected to.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check(&self, ip: IpAddr) -> Result<(), Refused> {
        if self.listed.iter().any(|network| network.contains(ip)) {
            return Ok(());
        }
        match why_refused(ip) {
            Some(kind) => Err(Refused::Range { ip, kind }),
            None if self.plain => Err(Refused::Plain { ip }),
            None => Ok(()),
        }
    }
}

/// Resolves names into permitted addresses only.
#[derive(Debug, Clone)]
struct Guard {
    permitted: Permitted,
    lookup: Arc<dyn Lookup>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.lookup.lookup(name.as_str());
        let permitted = self.permitted.clone();
        Box::pin(async move {
            let (mut good, mut refused) = (Vec::new(), Refused::Nothing);
            for ip in found.await? {
                match permitted.check(ip) {
                    Ok(()) => good.push(SocketAddr::new(ip, 0)),
                    Err(why) => refused = why,
                }
            }
            if good.is_empty() {
                return Err(refused.into());
            }
            let addresses: Addrs = Box::new(good.into_iter());
            Ok(addresses)
        })
    }
}

/// The client of one target. It keeps no connection open: each try looks its address up and checks it again.
///
/// # Errors
/// reqwest's; its own settings are all given here.
pub fn client(permitted: Permitted, lookup: Arc<dyn Lookup>) -> reqwest::Result<reqwest::Client> {
    let roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring's suites cover TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .use_preconfigured_tls(tls)
        .dns_resolver(Arc::new(Guard { permitted, lookup }))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(0)
        .connect_timeout(Duration::from_secs(DELIVERY_CONNECT_S))
        .timeout(Duration::from_secs(DELIVERY_S))
        .user_agent("twovote-control")
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_may_be_called_and_plain_http_goes_nowhere_else() {
        let permitted = |plain| Permitted {
            listed: vec!["10.1.0.0/16".parse().unwrap()],
            plain,
        };
        let check = |plain: bool, ip: &str| permitted(plain).check(ip.parse().unwrap());
        for plain in [false, true] {
            assert_eq!(check(plain, "10.1.2.3"), Ok(()));
            assert!(matches!(
                check(plain, "10.2.2.3"),
                Err(Refused::Range { kind: "private", .. })
            ));
            assert!(matches!(
                check(plain, "169.254.169.254"),
                Err(Refused::Range { .. })
            ));
        }
        assert_eq!(check(false, "1.1.1.1"), Ok(()));
        assert!(matches!(check(true, "1.1.1.1"), Err(Refused::Plain { .. })));
    }
}
