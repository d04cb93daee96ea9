//! What a feed is told at its start, and why it cannot begin.

use std::path::PathBuf;
use std::time::Duration;

use contracts::native::FeedMode;
use contracts::time::UtcMillis;

use super::codec::Source;
use super::credentials::{Credentials, CredentialsError};
use super::symbols::SymbolTable;
use crate::limits;
use crate::net::CaFileError;

/// Durations and sizes; the defaults are the constants of [`crate::limits`].
#[derive(Debug, Clone, Copy)]
pub struct FeedLimits {
    /// Longest wait for connection and handshake.
    pub connect: Duration,
    /// Longest silence.
    pub idle: Duration,
    /// First wait before a new attempt.
    pub backoff_first: Duration,
    /// Longest wait before a new attempt.
    pub backoff_max: Duration,
    /// How often timers are looked at.
    pub housekeeping: Duration,
    /// Wait for what makes a candle final, in milliseconds.
    pub grace_ms: i64,
    /// Longest message in bytes.
    pub message_bytes_max: usize,
}

impl Default for FeedLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_millis(limits::FEED_CONNECT_MS),
            idle: Duration::from_millis(limits::FEED_IDLE_MS),
            backoff_first: Duration::from_millis(limits::FEED_BACKOFF_FIRST_MS),
            backoff_max: Duration::from_millis(limits::FEED_BACKOFF_MAX_MS),
            housekeeping: Duration::from_millis(limits::FEED_HOUSEKEEPING_MS),
            grace_ms: limits::FEED_GRACE_MS,
            message_bytes_max: limits::FEED_MESSAGE_BYTES_MAX,
        }
    }
}

/// What a feed is told at its start.
#[derive(Debug, Clone)]
pub struct FeedOptions {
    /// `ws://HOST:PORT/…` or `wss://HOST/…`
    pub url: String,
    /// PEM file of authorities trusted beside the public ones; for `wss://` only.
    pub ca_file: Option<PathBuf>,
    /// Whose language is spoken there.
    pub source: Source,
    /// The instruments and series, and what the source calls them.
    pub symbols: SymbolTable,
    /// What the source asks of its clients.
    pub credentials: Credentials,
    /// Newest close time held, by instrument index: the last journaled one. Empty = nothing held.
    pub after: Vec<Option<UtcMillis>>,
    /// What the source must say it is: [`FeedMode::Replay`] takes nothing before the source has announced a replay,
    /// [`FeedMode::Live`] gives up a connection that does; `None` takes either.
    pub expects: Option<FeedMode>,
    /// Seed of the jitter.
    pub seed: u64,
    /// Durations and sizes.
    pub limits: FeedLimits,
}

impl FeedOptions {
    /// With nothing held, no credentials and the default limits.
    #[must_use]
    pub fn new(url: impl Into<String>, source: Source, symbols: SymbolTable, seed: u64) -> Self {
        Self {
            url: url.into(),
            ca_file: None,
            source,
            symbols,
            credentials: Credentials::default(),
            after: Vec::new(),
            expects: None,
            seed,
            limits: FeedLimits::default(),
        }
    }
}

/// Why a feed cannot even begin. Everything later is counted and tried again.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The URL is none. Correct `[feed] url`.
    #[error("`{url}` is no feed address; write it as ws://HOST:PORT/PATH or wss://HOST/PATH")]
    Url {
        /// As given, without secrets.
        url: String,
    },
    /// Keys: in the URL, or not there.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The authorities' file.
    #[error(transparent)]
    CaFile(#[from] CaFileError),
    /// Authorities for a connection that shows no certificate. Write `wss://`, or take `ca_file` out.
    #[error("ca_file is set but `{url}` uses no TLS: write wss://, or take ca_file out")]
    CaUnused {
        /// As given, without secrets.
        url: String,
    },
    /// `after` holds another number of instruments than the symbol table.
    #[error("{given} close times were given for {instruments} instruments")]
    After {
        /// Entries of `after`.
        given: usize,
        /// Instruments.
        instruments: usize,
    },
}
