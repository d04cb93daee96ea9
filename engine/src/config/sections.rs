//! The tables of `engine.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use contracts::bar::Stamp;
use contracts::ids::{InstrumentId, KeyId, SeriesId};
use contracts::signing::{KeyPurpose, PublicKey, TrustedKey};
use serde::Deserialize;

use crate::feeds::codec::Source;
use crate::limits::{CLIENTS_MAX, JOURNAL_SEGMENT_BYTES, RING_MESSAGES_DEFAULT};

/// How bars reach the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriverKind {
    /// One thread owns feed sockets, core, journal writes and the first clients.
    #[default]
    Inline,
    /// Feeds, cores and the journal on threads of their own, rings between them.
    Pipeline,
}

/// When a written batch becomes public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// After `write(2)`: survives the process.
    #[default]
    Process,
    /// After `fdatasync`: survives a loss of power.
    Disk,
}

/// `[journal]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalConfig {
    /// Directory of the segment files.
    pub dir: PathBuf,
    /// When a written batch becomes public.
    #[serde(default)]
    pub durability: Durability,
    /// Whole segments older than this many days are deleted; 0 keeps them all.
    #[serde(default = "default_retention_days")]
    pub retention_days: u32,
    /// The oldest segments are deleted when all together are larger than this; 0 keeps them all.
    #[serde(default = "default_retention_bytes")]
    pub retention_bytes: u64,
    /// Size after which a segment is followed by another, in bytes: what retention deletes at a time.
    #[serde(default = "default_segment_bytes")]
    pub segment_bytes: u64,
}

const fn default_segment_bytes() -> u64 {
    JOURNAL_SEGMENT_BYTES
}

const fn default_retention_days() -> u32 {
    400
}

const fn default_retention_bytes() -> u64 {
    20 << 30
}

/// `[feed]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedConfig {
    /// The source's WebSocket URL; never with a key in it.
    pub url: String,
    /// PEM file of authorities trusted beside the public ones, for `wss://`.
    pub ca_file: Option<PathBuf>,
    /// Its language.
    pub codec: Source,
    /// Instrument → the source's symbol for it.
    pub instruments: BTreeMap<InstrumentId, String>,
    /// Daily series the feed may carry; a contract that needs another is refused.
    #[serde(default = "default_series")]
    pub series: Vec<SeriesId>,
    /// Environment variable that holds the source's API key, where it wants one; the key itself never stands in this file.
    pub api_key_env: Option<String>,
    /// The same for a secret.
    pub api_secret_env: Option<String>,
}

impl FeedConfig {
    /// The setting that cannot be as it is, and what is wrong with it.
    ///
    /// # Errors
    /// Both as texts.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.instruments.is_empty() {
            let detail = "list every instrument of the slot, such as USDCOP = \"USDCOP\"";
            return Err(("feed.instruments", detail.into()));
        }
        // Its messages say BTCUSDT whatever was subscribed: another spelling would never match one.
        let lower = |symbol: &&String| symbol.chars().any(char::is_lowercase);
        if self.codec == Source::Binance
            && let Some(symbol) = self.instruments.values().find(lower)
        {
            let detail = format!(
                "binance calls it `{}`, not `{symbol}`: no message would match",
                symbol.to_uppercase()
            );
            return Err(("feed.instruments", detail));
        }
        let (key, secret) = self.codec.asks_for();
        let unused = |setting| {
            let detail = format!(
                "the {} feed asks its clients for none: take the line out",
                self.codec.word()
            );
            Err((setting, detail))
        };
        if !key && self.api_key_env.is_some() {
            return unused("feed.api_key_env");
        }
        if !secret && self.api_secret_env.is_some() {
            return unused("feed.api_secret_env");
        }
        Ok(())
    }
}

/// The daily series of the original plan: what a contract may ask for without further settings.
const SERIES_DEFAULT: [&str; 18] = [
    "dxy", "vix", "embi", "brent", "wti", "gold", "coffee", "ust2y", "ust10y", "col5y", "col10y", "ibr",
    "tpm", "usdmxn", "usdclp", "usdcop", "colcap", "fedfunds",
];

fn default_series() -> Vec<SeriesId> {
    SERIES_DEFAULT
        .iter()
        .filter_map(|name| SeriesId::parse(name).ok())
        .collect()
}

/// `[halt]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HaltConfig {
    /// Unix socket of `engine halt` and `engine resume`, made with mode 0600.
    pub socket: PathBuf,
    /// The latch is set while a file of this name exists, and stays set when it goes.
    pub file: PathBuf,
}

impl Default for HaltConfig {
    fn default() -> Self {
        Self {
            socket: "state/halt.sock".into(),
            file: "state/HALT".into(),
        }
    }
}

/// `[history]`: read at a cold start and to fill gaps the feed cannot fill.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryConfig {
    /// CSV, CSV.gz or Parquet.
    pub bars: PathBuf,
    /// CSV: `date` and one column per series. Rows added later are live arrivals.
    #[serde(rename = "macro")]
    pub macro_file: Option<PathBuf>,
    /// Which end of a bar its time names.
    pub stamp: Stamp,
}

/// `[signals]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignalsConfig {
    /// Messages the hub keeps in memory.
    pub ring_messages: usize,
    /// Most clients at once.
    pub clients_max: usize,
}

impl Default for SignalsConfig {
    fn default() -> Self {
        Self {
            ring_messages: RING_MESSAGES_DEFAULT,
            clients_max: CLIENTS_MAX,
        }
    }
}

/// What a key may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyUse {
    /// Production contracts and directives.
    Contract,
    /// The first vote.
    FirstVote,
    /// Statements of the second vote.
    Vote,
}

/// An entry of `trusted_keys`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedKeyEntry {
    /// As `key_id` in the key's file and in contracts names it; it follows from the key, and a slip in copying is refused.
    pub id: KeyId,
    /// Ed25519 public key, 64 hex characters.
    pub public_key: PublicKey,
    /// What its signatures count for.
    pub uses: Vec<KeyUse>,
}

impl TrustedKeyEntry {
    /// One entry per use, as signatures are checked against them.
    pub fn trusted(&self) -> impl Iterator<Item = TrustedKey> {
        self.uses.iter().map(|key_use| TrustedKey {
            purpose: match key_use {
                KeyUse::Contract => KeyPurpose::Contract,
                KeyUse::FirstVote => KeyPurpose::Backtest,
                KeyUse::Vote => KeyPurpose::Vote,
            },
            public_key: self.public_key,
        })
    }
}
