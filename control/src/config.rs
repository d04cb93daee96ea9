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
    /// Where the bars of an instrument lie, unless they were ingested: golden vectors and backtests are made from them.
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

/// An instrument's bars and daily values: files, which are read when they are needed, so that they may grow; or, without files, what was
/// ingested.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MarketConfig {
    /// True says in so many words that the market store is read, which it is where no bars are named.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub store: bool,
    /// `.csv`, `.csv.gz` or `.parquet`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bars: Option<PathBuf>,
    /// Which end of a bar its time column holds; beside bars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
    /// Daily values; left out where no feature asks for them.
    #[serde(rename = "macro", skip_serializing_if = "Option::is_none")]
    pub daily: Option<PathBuf>,
}

/// The files of an instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketFiles {
    /// Its bars.
    pub bars: PathBuf,
    /// Which end of a bar their time column holds.
    pub stamp: Stamp,
    /// Daily values.
    pub daily: Option<PathBuf>,
}

impl MarketConfig {
    /// Bars in a file, and daily values in another.
    #[must_use]
    pub const fn of_files(bars: PathBuf, stamp: Stamp, daily: Option<PathBuf>) -> Self {
        Self {
            store: false,
            bars: Some(bars),
            stamp: Some(stamp),
            daily,
        }
    }

    /// The files; none where the market store is read.
    ///
    /// # Errors
    /// What contradicts what, in words.
    pub fn files(&self) -> Result<Option<MarketFiles>, &'static str> {
        match (&self.bars, self.stamp, &self.daily, self.store) {
            (Some(_), _, _, true) => Err("name bars, or say store = true: not both"),
            (Some(_), None, ..) => Err("bars need a stamp: open or close"),
            (Some(bars), Some(stamp), daily, false) => Ok(Some(MarketFiles {
                bars: bars.clone(),
                stamp,
                daily: daily.clone(),
            })),
            (None, None, None, _) => Ok(None),
            (None, ..) => Err("stamp and macro belong to bars in a file: name the file, or leave them out"),
        }
    }
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
    /// A section of a market contradicts itself.
    #[error("{path}: [markets.{instrument}]: {what}")]
    Market {
        /// The file.
        path: PathBuf,
        /// Whose section.
        instrument: InstrumentId,
        /// What is wrong.
        what: &'static str,
    },
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
        for (instrument, market) in &config.markets {
            market.files().map_err(|what| ConfigError::Market {
                path: path.to_owned(),
                instrument: instrument.clone(),
                what,
            })?;
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
    fn a_market_is_files_or_the_store_and_never_both() {
        let of = |text: &str| toml::from_str::<MarketConfig>(text).unwrap();
        assert_eq!(of("").files(), Ok(None));
        assert_eq!(of("store = true").files(), Ok(None));
        let files = of("bars = \"a.csv\"\nstamp = \"close\"")
            .files()
            .unwrap()
            .unwrap();
        assert_eq!((files.stamp, files.daily), (Stamp::Close, None));
        for bad in [
            "bars = \"a.csv\"",
            "stamp = \"open\"",
            "macro = \"m.csv\"",
            "store = true\nbars = \"a.csv\"\nstamp = \"open\"",
            "store = true\nmacro = \"m.csv\"",
        ] {
            of(bad).files().unwrap_err();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("control.toml");
            std::fs::write(&path, format!("[markets.USDCOP]\n{bad}\n")).unwrap();
            let refused = Config::load(&path).unwrap_err().to_string();
            assert!(refused.contains("[markets.USDCOP]"), "{refused}");
        }
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
