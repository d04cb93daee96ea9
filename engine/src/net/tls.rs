//! TLS: which authorities are trusted, and what an operator is told when a certificate is refused.
//!
//! The public authorities are built in (a slim image holds no list of its own, and the same binary trusts the same everywhere);
//! `ca_file` adds to them. There is no way to do without the check: prices from somebody
//! else are orders from somebody else, and so are directives.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, Error as TlsError, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Why an authorities' file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaFileError {
    /// It cannot be read, or is no PEM: check path, rights and content.
    #[error("ca_file {} cannot be read as PEM", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// It holds no certificate. Give the authority's certificate, `-----BEGIN CERTIFICATE-----`.
    #[error("ca_file {} holds no certificate; it needs the authority's, in PEM", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A certificate in it is none.
    #[error("ca_file {}: certificate {number} cannot be used as an authority's", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Which, from 1.
        number: usize,
        /// Why.
        source: TlsError,
    },
}

/// Why there is no TLS.
#[derive(Debug)]
pub(crate) struct TlsRefused {
    /// The certificate was refused; otherwise there was no handshake.
    pub certificate: bool,
    /// For the log: what happened, and what to do.
    pub why: String,
}

/// Opens TLS to one host.
pub(crate) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
    /// Where `url` and `ca_file` stand in the settings.
    section: &'static str,
}

impl Tls {
    /// Trusts the public authorities, and those of `ca_file`. `section` is where the settings name both, for messages.
    pub(crate) fn new(
        name: ServerName<'static>,
        ca_file: Option<&Path>,
        section: &'static str,
    ) -> Result<Self, CaFileError> {
        let mut roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        if let Some(path) = ca_file {
            add(&mut roots, path)?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring's suites cover TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            name,
            section,
        })
    }

    /// Shakes hands; the certificate is checked against the authorities, the host's name and the time.
    pub(crate) async fn open(&self, tcp: TcpStream) -> Result<TlsStream<TcpStream>, TlsRefused> {
        let opened = self.connector.connect(self.name.clone(), tcp).await;
        opened.map_err(|error| {
            let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
            match tls {
                Some(TlsError::InvalidCertificate(refused)) => TlsRefused {
                    certificate: true,
                    why: refusal(&self.name.to_str(), refused, self.section),
                },
                _ => TlsRefused {
                    certificate: false,
                    why: format!(
                        "no TLS with {}: {error}; is TLS spoken at that address?",
                        self.name.to_str()
                    ),
                },
            }
        })
    }
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), CaFileError> {
    let unreadable = |source| CaFileError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut number = 0;
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        number += 1;
        let certificate = certificate.map_err(unreadable)?;
        roots
            .add(certificate)
            .map_err(|source| CaFileError::Certificate {
                path: path.to_owned(),
                number,
                source,
            })?;
    }
    if number == 0 {
        return Err(CaFileError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// What is wrong with a certificate, and what to do.
fn refusal(host: &str, refused: &CertificateError, section: &str) -> String {
    let what = match refused {
        CertificateError::UnknownIssuer => format!(
            "is signed by no authority this engine knows; if it is one of your own, name its certificate as ca_file under [{section}]"
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("is for another host; write the host it is for into the url under [{section}]")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has expired; it must be renewed, unless this machine's clock is wrong".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet; check this machine's clock".to_owned()
        }
        other => return format!("the certificate of {host} is refused: {other}"),
    };
    format!("the certificate of {host} {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(content: &str) -> Result<(), CaFileError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let name = ServerName::try_from("feed.example").unwrap();
        Tls::new(name, Some(file.path()), "feed").map(|_| ())
    }

    #[test]
    fn a_file_that_trusts_nobody_is_an_error_that_names_it() {
        let name = ServerName::try_from("feed.example").unwrap();
        assert!(Tls::new(name.clone(), None, "feed").is_ok());
        let missing = Tls::new(name, Some(Path::new("/no/such.pem")), "feed")
            .err()
            .unwrap();
        assert!(matches!(missing, CaFileError::Unreadable { .. }));
        assert!(missing.to_string().contains("/no/such.pem"), "{missing}");
        assert!(matches!(with(""), Err(CaFileError::Empty { .. })));
        assert!(matches!(
            with("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            Err(CaFileError::Certificate { number: 1, .. })
        ));
        assert!(matches!(
            with("-----BEGIN CERTIFICATE-----\nAAAA\n"),
            Err(CaFileError::Unreadable { .. })
        ));
    }

    #[test]
    fn every_refusal_names_the_host_and_what_to_do() {
        for (refused, advice) in [
            (CertificateError::UnknownIssuer, "ca_file"),
            (CertificateError::NotValidForName, "url"),
            (CertificateError::Expired, "renew"),
            (CertificateError::NotValidYet, "clock"),
            (CertificateError::Revoked, "Revoked"),
        ] {
            let text = refusal("feed.example", &refused, "control");
            assert!(text.contains("feed.example") && text.contains(advice), "{text}");
        }
    }
}
