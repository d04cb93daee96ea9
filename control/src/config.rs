//! `control.toml`: what the control plane is told. Unknown keys are errors.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use contracts::bar::Stamp;
use contracts::ids::{Environment, InstrumentId, SlotId};
use serde::{Deserialize, Serialize};

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the API and the dashboard listen.
    #[serde(default = "listen")]
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// True permits an address that is not loopback: a proxy in front speaks TLS.
    #[serde(default)]
    pub behind_tls_proxy: bool,
    /// `sqlite:PATH` or `postgres://USER@HOST/NAME`.
    #[serde(default = "database")]
    pub database: String,
    /// The artifact store's directory.
    #[serde(default = "artifacts")]
    pub artifacts: PathBuf,
    /// The directory of the private keys; neither in the database nor under `artifacts`.
    #[serde(default = "keys")]
    pub keys: PathBuf,
    /// Where signed heads of the audit chain go, outside the database.
    #[serde(default = "audit_heads")]
    pub audit_heads: PathBuf,
    /// Directory of feature contracts.
    #[serde(default = "features")]
    pub features: PathBuf,
    /// The slots there are.
    #[serde(default)]
    pub slots: BTreeMap<SlotId, SlotConfig>,
    /// Bars and daily values per instrument, for backtests.
    #[serde(default)]
    pub markets: BTreeMap<InstrumentId, MarketConfig>,
    /// Who is told.
    #[serde(default)]
    pub webhooks: Vec<WebhookConfig>,
}

/// A slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlotConfig {
    /// `paper`, `prod`, …: an engine of another one refuses the slot's contracts.
    pub environment: Environment,
    /// What runs in it.
    pub instruments: Vec<InstrumentId>,
}

/// Where an instrument's history lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MarketConfig {
    /// CSV, CSV.gz or Parquet.
    pub bars: PathBuf,
    /// Which end of a bar its time names.
    #[schemars(with = "String")]
    pub stamp: Stamp,
    /// Daily series.
    #[serde(default, rename = "macro")]
    pub daily: Option<PathBuf>,
}

/// Somebody to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Its name in the delivery log.
    pub name: String,
    /// Where to.
    pub url: String,
    /// `generic` or `slack`.
    #[serde(default)]
    pub format: WebhookFormat,
    /// Environment variable with the HMAC secret.
    #[serde(default)]
    pub secret_env: Option<String>,
    /// True permits an address on loopback, link-local or private ranges.
    #[serde(default)]
    pub internal: bool,
}

/// How a notification is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookFormat {
    /// The event as JSON.
    #[default]
    Generic,
    /// `{"text": …}`, as Slack and its kin take it.
    Slack,
}

fn listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9200))
}
fn database() -> String {
    "sqlite:state/control.db".to_owned()
}
fn artifacts() -> PathBuf {
    "state/artifacts".into()
}
fn keys() -> PathBuf {
    "state/keys".into()
}
fn audit_heads() -> PathBuf {
    "state/audit-heads.jsonl".into()
}
fn features() -> PathBuf {
    "config/features".into()
}

/// Why the file is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// Which.
        path: PathBuf,
        /// The file system's.
        source: std::io::Error,
    },
    /// It is no such file; the detail names line and key.
    #[error("{path}: {detail}")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// It would listen where everybody hears it.
    #[error(
        "listen = {0} is not loopback: put a proxy that speaks TLS in front and set behind_tls_proxy = true"
    )]
    Exposed(SocketAddr),
}

impl Config {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(path: &std::path::Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let config: Self = toml::from_str(&text).map_err(|error| ConfigError::Malformed {
            path: path.to_owned(),
            detail: error.to_string(),
        })?;
        if !config.listen.ip().is_loopback() && !config.behind_tls_proxy {
            return Err(ConfigError::Exposed(config.listen));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/control.toml")
    }

    #[test]
    fn the_shipped_file_shows_the_defaults() {
        let shown = Config::load(&shipped()).unwrap();
        let defaults: Config = toml::from_str("").unwrap();
        let without_examples = Config {
            slots: BTreeMap::new(),
            markets: BTreeMap::new(),
            webhooks: Vec::new(),
            ..shown.clone()
        };
        assert_eq!(without_examples, defaults);
        assert_eq!(
            (shown.slots.len(), shown.markets.len(), shown.webhooks.len()),
            (1, 1, 1)
        );
    }

    #[test]
    fn a_listen_address_for_everybody_needs_a_proxy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.toml");
        std::fs::write(&path, "listen = \"0.0.0.0:9200\"\n").unwrap();
        assert!(matches!(Config::load(&path), Err(ConfigError::Exposed(_))));
        std::fs::write(&path, "listen = \"0.0.0.0:9200\"\nbehind_tls_proxy = true\n").unwrap();
        Config::load(&path).unwrap();
        std::fs::write(&path, "lisen = \"127.0.0.1:1\"\n").unwrap();
        let refused = Config::load(&path).unwrap_err().to_string();
        assert!(refused.contains("lisen"), "{refused}");
    }
}
