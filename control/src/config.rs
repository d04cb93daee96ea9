//! `control.toml`: what the control plane is told. Unknown keys are errors.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use contracts::bar::Stamp;
use contracts::ids::{Environment, InstrumentId, SlotId};
use serde::{Deserialize, Serialize};

use crate::notify::{WebhookConfig, WebhookError};

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the API listens.
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
    /// Signed heads of the audit chain, one a line; keep a copy on another machine.
    #[serde(default = "audit_heads")]
    pub audit_heads: PathBuf,
    /// Directory of feature contracts.
    #[serde(default = "features")]
    pub features: PathBuf,
    /// Background jobs.
    #[serde(default)]
    pub jobs: JobsConfig,
    /// The slots there are.
    #[serde(default)]
    pub slots: BTreeMap<SlotId, SlotConfig>,
    /// Who is told what happens.
    #[serde(default)]
    pub webhooks: Vec<WebhookConfig>,
    /// Where the bars of an instrument lie: golden vectors and backtests are made from them.
    #[serde(default)]
    pub markets: BTreeMap<InstrumentId, MarketConfig>,
}

/// How background jobs are worked off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JobsConfig {
    /// Jobs at the same time.
    pub at_once: usize,
    /// Threads of a backtest's inference; no number changes a figure.
    pub threads: usize,
}

impl Default for JobsConfig {
    fn default() -> Self {
        Self {
            at_once: 1,
            threads: 1,
        }
    }
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

/// An instrument's bars and daily values. The files are read when they are needed, so that they may grow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MarketConfig {
    /// `.csv`, `.csv.gz` or `.parquet`.
    pub bars: PathBuf,
    /// Which end of a bar its time column holds.
    pub stamp: Stamp,
    /// Daily values; left out where no feature asks for them.
    #[serde(rename = "macro", default, skip_serializing_if = "Option::is_none")]
    pub daily: Option<PathBuf>,
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
    /// A target of notifications is wrong.
    #[error("{path}: [[webhooks]] cannot be used")]
    Webhook {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: WebhookError,
    },
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
        WebhookConfig::check(&config.webhooks).map_err(|source| ConfigError::Webhook {
            path: path.to_owned(),
            source,
        })?;
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
            ..shown.clone()
        };
        assert_eq!(without_examples, defaults);
        assert_eq!((shown.slots.len(), shown.markets.len()), (1, 1));
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
