//! The control plane as the source of desired state, and where receipts and heartbeats go.
//!
//! ```text
//! control plane ──events──▶ link task ──directive──▶ [`ControlDirectives`] ──▶ directives (a thread)
//!                                     └─contract──▶ [`ControlSource`] ──▶ contract follower (a thread)
//!               ◀─receipts, heartbeats── report task ◀── [`Outbox`] ◀──────┘
//! ```
//! Both tasks live on the edges' runtime; who follows only reads what the link task has fetched. Artifacts the contract follower fetches
//! itself: a control plane that hangs holds up the contract they are for, no directive, and no newer contract, which ends the fetch. What
//! is fetched is believed by nobody: signatures and hashes are verified.
//!
//! Every request is a connection of its own: there is none that could have died unnoticed, but for the stream of events, which is
//! given up after [`CONTROL_IDLE_MS`] of silence. While there is no stream, the documents are asked for at every attempt to open one;
//! while there is one, every [`CONTROL_POLL_MS`] nevertheless.

mod address;
mod client;
mod events;
mod link;
mod report;
#[cfg(test)]
mod tests;
mod token;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use contracts::hash::ArtifactHash;
use contracts::ids::{EngineId, SlotId};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use self::address::Address;
use self::client::{AskError, Client};
use self::link::{Document, Known, Link};
pub use self::report::{Heartbeat, Outbox, Vitals};
pub use self::token::TokenFileError;
use super::{Bell, ContractSource, DirectiveSource};
use crate::bundle::FetchError;
use crate::clock::SharedClock;
use crate::config::ControlConfig;
use crate::limits::{
    CONTROL_ARTIFACT_WITHIN_MS, CONTROL_BACKOFF_FIRST_MS, CONTROL_BACKOFF_MAX_MS, CONTROL_FIRST_WAIT_MS,
};
#[cfg(doc)]
use crate::limits::{CONTROL_IDLE_MS, CONTROL_POLL_MS};
use crate::metrics::Metrics;
use crate::net::{Backoff, CaFileError};

/// Words of [`Metrics::control_failures`].
pub const FAILURES: &[&str] = &[
    "token",
    "connect",
    "tls",
    "timeout",
    "broken",
    "too_large",
    "refused",
];

/// As the log names it.
const ARTIFACT: &str = "an artifact";

/// Why the control plane cannot be followed with these settings.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Not `https://HOST[:PORT][/PATH]` or `http://…`.
    #[error("url under [control] is no address of a control plane: `{url}`; write https://HOST[:PORT]")]
    Url {
        /// As given, without user and password.
        url: String,
    },
    /// The token would travel where anybody on the way can read it. Write `https://`.
    #[error("the token would travel to {host} in clear: write https:// into the url under [control]")]
    InClear {
        /// The host.
        host: String,
    },
    /// `ca_file` without TLS.
    #[error("ca_file under [control] is for https:// only, and the url is {url}")]
    CaUnused {
        /// The URL.
        url: String,
    },
    /// The authorities' file.
    #[error(transparent)]
    CaFile(#[from] CaFileError),
    /// The token's file.
    #[error(transparent)]
    Token(#[from] TokenFileError),
}

/// Who follows, and with what.
pub struct ControlParts {
    /// Where the control plane is.
    pub config: ControlConfig,
    /// This engine.
    pub engine_id: EngineId,
    /// Its slot.
    pub slot: SlotId,
    /// Wakes the follower.
    pub bell: Bell,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Wall time.
    pub clock: SharedClock,
    /// What heartbeats say.
    pub vitals: Vitals,
    /// Runs the tasks.
    pub runtime: Handle,
    /// True from the order to stop.
    pub stopped: watch::Receiver<bool>,
    /// Seed of the jitter.
    pub seed: u64,
}

/// The control plane, as an engine follows it.
pub struct Following {
    /// For the contract follower.
    pub source: ControlSource,
    /// For who takes directives.
    pub directives: ControlDirectives,
    /// Where receipts are put.
    pub outbox: Outbox,
}

/// Begins to follow.
///
/// # Errors
/// [`ControlError`]; a control plane that does not answer is none.
pub fn start(parts: ControlParts) -> Result<Following, ControlError> {
    let ControlConfig {
        url,
        token_file,
        ca_file,
    } = &parts.config;
    token::read(token_file)?;
    let address = Address::new(url)?;
    let client = Client::new(address, ca_file.as_deref(), PathBuf::from(token_file))?;
    let link = Arc::new(Link::new(
        client,
        parts.slot.clone(),
        parts.bell,
        parts.metrics,
        parts.clock,
    ));
    let outbox = Outbox::new(parts.engine_id, parts.slot);
    let following = Arc::clone(&link).follow(parts.seed);
    let reporting = report::run(Arc::clone(&link), outbox.clone(), parts.vitals);
    let mut stopped = parts.stopped.clone();
    parts.runtime.spawn(async move {
        tokio::select! {
            () = following => {}
            () = reporting => {}
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
    });
    let directives = ControlDirectives {
        link: Arc::clone(&link),
    };
    let source = ControlSource {
        contract_seen: link.contract_changes(),
        link,
        runtime: parts.runtime,
        stopped: parts.stopped,
        backoff: Backoff::new(
            Duration::from_millis(CONTROL_BACKOFF_FIRST_MS),
            Duration::from_millis(CONTROL_BACKOFF_MAX_MS),
            parts.seed ^ 1,
        ),
        not_before: None,
    };
    Ok(Following {
        source,
        directives,
        outbox,
    })
}

/// The directive the link task knows.
#[derive(Clone)]
pub struct ControlDirectives {
    link: Arc<Link>,
}

impl DirectiveSource for ControlDirectives {
    fn directive(&mut self) -> Result<Option<Vec<u8>>, FetchError> {
        answer(&known(&self.link).directive)
    }
}

/// At the start the first answer is waited for, once and for a bounded time: what is wanted now rather than what the cache has.
fn known(link: &Link) -> MutexGuard<'_, Known> {
    link.wait_for_first(Duration::from_millis(CONTROL_FIRST_WAIT_MS));
    link.known()
}

fn answer(document: &Document) -> Result<Option<Vec<u8>>, FetchError> {
    match document {
        Document::Unasked => Err(unavailable("the control plane has not answered yet")),
        Document::Absent => Ok(None),
        Document::Present(bytes) => Ok(Some(bytes.clone())),
    }
}

/// The contract the link task knows; its artifacts are fetched.
pub struct ControlSource {
    link: Arc<Link>,
    /// Changes when the contract is another than the one that was given last.
    contract_seen: watch::Receiver<()>,
    runtime: Handle,
    stopped: watch::Receiver<bool>,
    /// Between attempts to fetch artifacts that cannot be had.
    backoff: Backoff,
    not_before: Option<Instant>,
}

impl ControlSource {
    fn fetch(&self, hash: ArtifactHash, bytes_max: usize) -> Result<Vec<u8>, FetchError> {
        let (mut stopped, mut seen) = (self.stopped.clone(), self.contract_seen.clone());
        let path = format!("/api/artifacts/{hash}");
        let within = Duration::from_millis(CONTROL_ARTIFACT_WITHIN_MS);
        let asked = self.runtime.block_on(async {
            tokio::select! {
                asked = self.link.client().get(&path, bytes_max, within) => Ok(asked),
                _ = stopped.wait_for(|stopped| *stopped) => Err(unavailable("the engine is stopping")),
                // The sender lives as long as the link.
                Ok(()) = seen.changed() => Err(FetchError::Replaced),
            }
        });
        match asked? {
            Ok(bytes) => {
                self.link.answered(ARTIFACT);
                // Another answer may come the next time; what is handed on as wrong is refused for good.
                if ArtifactHash::of(&bytes) != hash {
                    return Err(unavailable("what came has another hash"));
                }
                Ok(bytes)
            }
            Err(error) => {
                self.link.failed(ARTIFACT, &error);
                Err(match error {
                    AskError::Refused { status: 404, .. } => FetchError::Missing,
                    AskError::TooLarge { bytes, bytes_max } => FetchError::TooLarge { bytes, bytes_max },
                    other => FetchError::Unavailable(io::Error::other(other)),
                })
            }
        }
    }
}

fn unavailable(why: &'static str) -> FetchError {
    FetchError::Unavailable(io::Error::other(why))
}

impl ContractSource for ControlSource {
    fn contract(&mut self) -> Result<Option<Vec<u8>>, FetchError> {
        let known = known(&self.link);
        // It changes under the same lock.
        self.contract_seen.mark_unchanged();
        answer(&known.contract)
    }

    /// After a failure nothing is asked for until the wait is over: the follower looks twice a second.
    fn artifact(&mut self, hash: ArtifactHash, bytes_max: usize) -> Result<Vec<u8>, FetchError> {
        if self
            .not_before
            .is_some_and(|not_before| Instant::now() < not_before)
        {
            return Err(unavailable("it could not be fetched and is tried again later"));
        }
        let fetched = self.fetch(hash, bytes_max);
        self.not_before = match &fetched {
            Ok(_) | Err(FetchError::Replaced) => {
                self.backoff.reset();
                None
            }
            Err(_) => Some(Instant::now() + self.backoff.next().1),
        };
        fetched
    }
}
