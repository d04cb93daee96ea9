//! `engine.toml`: one strictly parsed file. An unknown key is an error that names line and column, never a setting that
//! silently does nothing. Every setting and its default is shown in `config/engine.toml`; a test holds the two together.
//!
//! Paths are taken as written: relative ones from the directory the engine is started in.

mod error;
mod follow;
mod sections;
mod tokens;

use std::net::SocketAddr;
use std::path::Path;

use contracts::ids::{EngineId, Environment, SlotId};
use contracts::signing::TrustedKeys;
use contracts::wire::ClockMode;
use serde::Deserialize;

pub use crate::drivers::ring::Wait;
pub use error::ConfigError;
pub use follow::{ContractFrom, ControlConfig};
pub use sections::{
    DriverKind, Durability, FeedConfig, HaltConfig, HistoryConfig, JournalConfig, KeyUse, SignalsConfig,
    TrustedKeyEntry,
};
pub use tokens::{Scope, TokenEntry};

use crate::feeds::Source;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineConfig {
    /// How this engine names itself.
    pub engine_id: EngineId,
    /// The slot it serves; a contract for another is refused.
    pub slot: SlotId,
    /// Its environment (`paper`, `prod`, `local` …); a contract for another is refused.
    pub environment: Environment,
    /// Where signals, bars and metrics are served.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Says that a TLS proxy stands in front; without it only loopback addresses are accepted for `listen`.
    #[serde(default)]
    pub behind_tls_proxy: bool,
    /// `wall`, or `feed` when the feed announces a replay.
    #[serde(default = "default_clock")]
    pub clock: ClockMode,
    /// How bars reach the core.
    #[serde(default)]
    pub driver: DriverKind,
    /// Cores of the pipeline driver.
    #[serde(default = "default_shards")]
    pub shards: u16,
    /// What an idle thread of the pipeline driver does.
    #[serde(default)]
    pub wait: Wait,
    /// `control`, or a directory with `contract.json`, `directive.json` and `artifacts/`.
    pub contract_source: ContractFrom,
    /// The control plane, for `contract_source = "control"`.
    pub control: Option<ControlConfig>,
    /// Whether a contract nobody voted for may run.
    #[serde(default)]
    pub allow_local_contracts: bool,
    /// Keys whose signatures count.
    #[serde(default)]
    pub trusted_keys: Vec<TrustedKeyEntry>,
    /// The journal.
    pub journal: JournalConfig,
    /// Where bars come from.
    pub feed: FeedConfig,
    /// The local halt latch.
    #[serde(default)]
    pub halt: HaltConfig,
    /// Files to start from and to fill gaps with.
    pub history: Option<HistoryConfig>,
    /// The signal stream.
    #[serde(default)]
    pub signals: SignalsConfig,
    /// Who may connect.
    #[serde(default)]
    pub tokens: Vec<TokenEntry>,
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9_300))
}

const fn default_clock() -> ClockMode {
    ClockMode::Wall
}

const fn default_shards() -> u16 {
    1
}

impl EngineConfig {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`] naming the file, and line and column or the setting.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// The same from a text; `path` is only named in errors.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|source| ConfigError::Malformed {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        config.check(path)?;
        Ok(config)
    }

    /// The keys whose signatures count.
    #[must_use]
    pub fn trusted(&self) -> TrustedKeys {
        TrustedKeys::new(
            self.trusted_keys
                .iter()
                .flat_map(TrustedKeyEntry::trusted)
                .collect(),
        )
    }

    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let refuse = |setting: &'static str, detail: String| {
            Err(ConfigError::Setting {
                path: path.to_owned(),
                setting,
                detail,
            })
        };
        if !self.listen.ip().is_loopback() && !self.behind_tls_proxy {
            return refuse(
                "listen",
                format!(
                    "{} is not loopback: tokens would travel in clear; put a TLS proxy in front and set behind_tls_proxy = true",
                    self.listen
                ),
            );
        }
        if self.shards == 0 {
            return refuse("shards", "at least one core is needed".into());
        }
        if self.clock == ClockMode::Feed && self.feed.codec != Source::Native {
            return refuse(
                "clock",
                "\"feed\" needs a source that announces a replay, which only codec = \"native\" can".into(),
            );
        }
        if self.driver == DriverKind::Inline && (self.shards != 1 || self.wait != Wait::Park) {
            return refuse(
                "driver",
                "shards and wait concern driver = \"pipeline\" only".into(),
            );
        }
        if self.signals.ring_messages == 0 || self.signals.clients_max == 0 {
            return refuse(
                "signals",
                "ring_messages and clients_max must be at least 1".into(),
            );
        }
        if let Err((setting, detail)) = follow::check(&self.contract_source, self.control.as_ref()) {
            return refuse(setting, detail);
        }
        if let Err((setting, detail)) = self.feed.check() {
            return refuse(setting, detail);
        }
        for key in &self.trusted_keys {
            let own = key.public_key.key_id();
            if key.id != own {
                return refuse(
                    "trusted_keys",
                    format!("the key with id `{}` has id `{own}`: copy it again", key.id),
                );
            }
        }
        let mut names: Vec<_> = self.tokens.iter().map(|token| &token.name).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return refuse("tokens", format!("two entries are named `{}`", twice[0]));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use contracts::signing::KeyPurpose;

    use super::*;

    fn example() -> String {
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/engine.toml")).unwrap()
    }

    fn parse(text: &str) -> Result<EngineConfig, String> {
        EngineConfig::parse(text, Path::new("engine.toml")).map_err(|e| {
            let source = std::error::Error::source(&e)
                .map(ToString::to_string)
                .unwrap_or_default();
            format!("{e} {source}")
        })
    }

    /// The shortest file: everything else is a default.
    const SHORTEST: &str = r#"
        engine_id = "engine-1"
        slot = "usdcop-5m"
        environment = "paper"
        contract_source = "state/contract"
        [journal]
        dir = "state/journal"
        [feed]
        url = "ws://127.0.0.1:9400"
        codec = "native"
        [feed.instruments]
        USDCOP = "USDCOP"
    "#;

    #[test]
    fn the_example_shows_the_defaults() {
        let example = parse(&example()).unwrap();
        let mut shortest = parse(SHORTEST).unwrap();
        // These have no default but absence; the example shows their form.
        shortest.history = example.history.clone();
        shortest.tokens = example.tokens.clone();
        shortest.trusted_keys = example.trusted_keys.clone();
        assert_eq!(example, shortest);
    }

    #[test]
    fn trusted_keys_are_told_apart_by_use_and_checked_against_their_id() {
        let config = parse(&example()).unwrap();
        let key = config.trusted_keys[0].public_key;
        let found = |purpose| config.trusted().find(&key.key_id(), purpose);
        assert_eq!(found(KeyPurpose::Contract), Some(key));
        assert_eq!(found(KeyPurpose::Vote), None);
        let slip = example().replace(
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        );
        assert!(parse(&slip).unwrap_err().to_string().contains("trusted_keys"));
    }

    #[test]
    fn the_example_names_every_setting() {
        let example = example();
        for setting in [
            "engine_id",
            "slot",
            "environment",
            "listen",
            "behind_tls_proxy",
            "clock",
            "driver",
            "shards",
            "wait",
            "contract_source",
            "[control]",
            "token_file",
            "allow_local_contracts",
            "trusted_keys",
            "dir",
            "durability",
            "retention_days",
            "retention_bytes",
            "segment_bytes",
            "url",
            "codec",
            "instruments",
            "ca_file",
            "api_key_env",
            "api_secret_env",
            "socket",
            "file",
            "bars",
            "macro",
            "stamp",
            "ring_messages",
            "clients_max",
            "name",
            "sha256",
            "scopes",
            "expires",
        ] {
            assert!(
                example.contains(setting),
                "config/engine.toml does not show {setting}"
            );
        }
    }

    #[test]
    fn a_feed_is_asked_for_what_it_knows_and_told_what_it_asks_for() {
        let feed = |codec: &str, symbol: &str, line: &str| {
            let text = SHORTEST.replace("\"native\"", &format!("\"{codec}\"\n{line}"));
            parse(&text.replace("= \"USDCOP\"", &format!("= \"{symbol}\""))).map(drop)
        };
        assert_eq!(feed("binance", "BTCUSDT", ""), Ok(()));
        let error = feed("binance", "btcusdt", "").unwrap_err();
        assert!(error.contains("`BTCUSDT`, not `btcusdt`"), "{error}");
        assert_eq!(feed("native", "usdcop", ""), Ok(()));
        let (key, secret) = ("api_key_env = \"K\"", "api_secret_env = \"S\"");
        assert_eq!(feed("polygon", "X", key), Ok(()));
        assert_eq!(feed("alpaca", "X", &format!("{key}\n{secret}")), Ok(()));
        for (codec, line) in [("binance", key), ("native", key), ("polygon", secret)] {
            let error = feed(codec, "X", line).unwrap_err();
            let setting = line.split(' ').next().unwrap();
            assert!(error.contains(setting) && error.contains(codec), "{error}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (change, expected) in [
            ("slot = \"usdcop-5m\"\nslots = 1", "unknown field `slots`"),
            ("slot = \"usd cop\"", "slot name"),
            ("slot = \"x\"\nlisten = \"0.0.0.0:9300\"", "behind_tls_proxy"),
            ("slot = \"x\"\nshards = 2", "pipeline"),
            ("slot = \"x\"\nclock = \"sun\"", "unknown variant `sun`"),
        ] {
            let error = parse(&SHORTEST.replace("slot = \"usdcop-5m\"", change)).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let other = SHORTEST.replace("\"native\"", "\"okx\"");
        let error = parse(&other.replace("slot = ", "clock = \"feed\"\nslot = ")).unwrap_err();
        assert!(error.contains("replay"), "{error}");
        let error = parse(&SHORTEST.replace("USDCOP = \"USDCOP\"", "")).unwrap_err();
        assert!(error.contains("feed.instruments"), "{error}");
        let token = "[[tokens]]\nname = \"a\"\nsha256 = \"HASH\"\nscopes = [\"signals:read\"]\nexpires = \"2030-01-01T00:00:00Z\"\n";
        let token = token.replace("HASH", &"0".repeat(64));
        assert!(parse(&format!("{SHORTEST}\n{token}")).is_ok());
        let error = parse(&format!("{SHORTEST}\n{token}{token}")).unwrap_err();
        assert!(error.contains("two entries"), "{error}");
    }
}
