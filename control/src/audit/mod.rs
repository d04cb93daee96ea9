//! The one chain of everything that changed: each event holds the hash of the one before it and is signed.
//!
//! An event is appended in the transaction of the change it tells of, last, under one lock: there is no change without its event and no
//! event without its change. An event's body carries what the changed rows then hold, so that a row edited later contradicts it.

mod action;
pub mod export;
pub mod heads;
mod refused;
mod rows;
pub mod verify;

use contracts::hash::Digest;
use contracts::jcs::{self, JcsError};
use contracts::signing::{self, Domain, Signature, SignatureError, SigningKey, TrustedKeys};
use contracts::time::UtcMillis;
use serde::{Deserialize, Serialize};

pub use self::action::Action;
pub use self::refused::{NoteError, Refusal, note_refusal};
pub(crate) use self::rows::as_told;
use crate::store::{StoreError, Tx};

/// Tag of [`EventHash`].
pub enum OfEvent {}
/// SHA-256 of an event's canonical JSON without its hash and signature.
pub type EventHash = Digest<OfEvent>;

/// What an event tells, before it has its place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Who: a username, `token:NAME of USER`, or `control` for what the plane does by itself.
    pub actor: String,
    /// What.
    pub action: Action,
    /// On what: an id.
    pub subject: String,
    /// The rest, for people and for `audit verify`.
    pub body: serde_json::Value,
}

/// An event in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chained {
    /// 1, 2, 3, … without holes.
    pub seq: u64,
    /// Hash of the event before it; 64 zeros before the first.
    pub prev_hash: EventHash,
    /// When.
    pub created_at: UtcMillis,
    /// Who.
    pub actor: String,
    /// What.
    pub action: Action,
    /// On what.
    pub subject: String,
    /// The rest.
    pub body: serde_json::Value,
}

impl Chained {
    /// Its hash.
    ///
    /// # Errors
    /// [`JcsError`] when a number in the body is not finite.
    pub fn hash(&self) -> Result<EventHash, JcsError> {
        jcs::digest(self)
    }
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// The event.
    #[serde(flatten)]
    pub event: Chained,
    /// Its hash as stored.
    pub hash: EventHash,
    /// Over the hash.
    pub signature: Signature,
}

impl Stored {
    /// True when its content is what was hashed, and the audit key signed it. Its place in the chain is [`Walk`]'s to check.
    #[must_use]
    pub fn is_genuine(&self, trusted: &TrustedKeys) -> bool {
        let signatures = std::slice::from_ref(&self.signature);
        self.event.hash() == Ok(self.hash)
            && signing::verify(signatures, trusted, Domain::AuditEvent, self.hash).is_ok()
    }
}

/// Why an event was not appended; the change it tells of must not happen either.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The database.
    #[error("the audit event was not stored")]
    Store(#[from] StoreError),
    /// A number in its body has no canonical form.
    #[error("the audit event has no canonical form")]
    Jcs(#[from] JcsError),
}

/// The member of a body that tells the changed rows: table → row → column → value.
pub(crate) const ROWS: &str = "rows";

/// Appends an event; returns its number. Its body, which is an object, gets the rows the transaction has changed since the event
/// before it.
///
/// # Errors
/// [`AppendError`].
pub async fn append(tx: &mut Tx, key: &SigningKey, at: UtcMillis, event: Event) -> Result<u64, AppendError> {
    let changed = tx.changed_rows().await?;
    let mut body = event.body;
    if !changed.is_empty() {
        body[ROWS] = changed.into();
    }
    let last = tx.last_audit_event().await?;
    let chained = Chained {
        seq: last.map_or(1, |(seq, _)| seq + 1),
        prev_hash: last.map_or_else(first_prev_hash, |(_, hash)| hash),
        created_at: at,
        actor: event.actor,
        action: event.action,
        subject: event.subject,
        body,
    };
    let hash = chained.hash()?;
    let stored = Stored {
        signature: key.sign(Domain::AuditEvent, hash),
        hash,
        event: chained,
    };
    tx.insert_audit_event(&stored).await?;
    Ok(stored.event.seq)
}

/// What the first event holds as the hash before it.
#[must_use]
pub fn first_prev_hash() -> EventHash {
    EventHash::parse(&"0".repeat(64)).expect("64 zeros are a digest")
}

/// What is wrong with a chain at one event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Events are missing before it, or it was moved.
    #[error("event {seq}: {expected} was expected here: events were deleted, added or re-ordered")]
    Number {
        /// What it says.
        seq: u64,
        /// What it should say.
        expected: u64,
    },
    /// The one before it was altered or replaced.
    #[error("event {seq}: it was appended after another event than the one before it")]
    Link {
        /// Which.
        seq: u64,
    },
    /// Its content is not what was hashed.
    #[error("event {seq}: its content was altered")]
    Content {
        /// Which.
        seq: u64,
    },
    /// Nobody with the audit key signed it.
    #[error("event {seq}: its signature does not fit")]
    Signature {
        /// Which.
        seq: u64,
        /// Why.
        source: SignatureError,
    },
    /// A head kept outside the database names an event that is not there, or is another.
    #[error(
        "event {seq}: the head kept outside the database names another event: the chain was cut off or rewritten"
    )]
    Head {
        /// Which.
        seq: u64,
    },
}

/// Walks a chain from its beginning.
#[derive(Debug)]
pub struct Walk<'a> {
    trusted: &'a TrustedKeys,
    next: u64,
    prev: EventHash,
}

impl<'a> Walk<'a> {
    /// Before the first event.
    #[must_use]
    pub fn new(trusted: &'a TrustedKeys) -> Self {
        Self {
            trusted,
            next: 1,
            prev: first_prev_hash(),
        }
    }

    /// Checks the next event.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn step(&mut self, stored: &Stored) -> Result<(), Broken> {
        let seq = stored.event.seq;
        if seq != self.next {
            return Err(Broken::Number {
                seq,
                expected: self.next,
            });
        }
        if stored.event.prev_hash != self.prev {
            return Err(Broken::Link { seq });
        }
        if stored.event.hash() != Ok(stored.hash) {
            return Err(Broken::Content { seq });
        }
        let signatures = std::slice::from_ref(&stored.signature);
        signing::verify(signatures, self.trusted, Domain::AuditEvent, stored.hash)
            .map_err(|source| Broken::Signature { seq, source })?;
        self.next += 1;
        self.prev = stored.hash;
        Ok(())
    }
}
