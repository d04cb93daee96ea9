//! Takes directives on a thread of its own, so that a halt waits for no artifact, no build and no warm-up.
//!
//! What a directive wants the slot to run reaches the contract follower through the shared gate; a ring of the bell tells it to look.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contracts::hash::ArtifactHash;

use super::bell::{Bell, Looks};
use super::gate::{self, DirectiveGate};
use super::source::{DirectiveSource, Directory};
use crate::edges::control::ControlSender;

/// What directives pass through on their way to the cores.
pub struct DirectiveParts {
    /// Where directives come from.
    pub source: Box<dyn DirectiveSource>,
    /// Where the newest is kept.
    pub cache: Option<Directory>,
    /// Shared with the halt socket and the contract follower.
    pub gate: Arc<Mutex<DirectiveGate>>,
    /// Where verified directives go.
    pub control: ControlSender,
    /// Wakes the contract follower.
    pub bell: Bell,
}

/// Takes directives; see the module.
pub struct Directives {
    parts: DirectiveParts,
    seen: Option<ArtifactHash>,
    /// The cached directive has been taken.
    cache_read: bool,
}

impl Directives {
    /// Nothing has been taken yet.
    #[must_use]
    pub const fn new(parts: DirectiveParts) -> Self {
        Self {
            parts,
            seen: None,
            cache_read: false,
        }
    }

    fn gate(&self) -> MutexGuard<'_, DirectiveGate> {
        self.parts.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&mut self, json: &[u8]) {
        let hash = ArtifactHash::of(json);
        if self.seen == Some(hash) {
            return;
        }
        let mut gate = self.gate();
        let directive = match gate.verify(json) {
            Ok(directive) => directive,
            Err(error) => {
                drop(gate);
                self.seen = Some(hash);
                tracing::error!(code = error.code(), %error, "directive refused");
                return;
            }
        };
        match gate.highest() {
            Some(highest) if directive.number < highest => {
                tracing::error!(
                    number = directive.number,
                    highest,
                    "directive refused: a newer one was accepted"
                );
            }
            // After a restart the journal knows it already.
            Some(highest) if directive.number == highest => gate.recall(&directive),
            _ => match self.parts.control.submit(gate::input(&directive)) {
                Ok(_) => gate.accept(&directive, json),
                // Not marked as seen: handed in again at the next look.
                Err(error) => return tracing::error!(%error, "the engine does not take the directive"),
            },
        }
        drop(gate);
        self.seen = Some(hash);
    }

    /// Caches the newest directive, whoever brought it.
    fn cache_newest(&self) {
        let newest = self.gate().take_uncached();
        if let (Some(json), Some(cache)) = (newest, &self.parts.cache)
            && let Err(error) = cache.store_directive(&json)
        {
            tracing::warn!(%error, "cannot cache the directive");
        }
    }
}

impl Looks for Directives {
    const THREAD: &'static str = "directives";

    /// Takes the cached directive once, then the source's: after a restart the cached one may be the newer, when an operator had
    /// handed it in.
    fn look(&mut self) {
        let before = self.gate().desired();
        if !std::mem::replace(&mut self.cache_read, true)
            && let Some(cache) = &mut self.parts.cache
            && let Ok(Some(json)) = cache.directive()
        {
            self.take(&json);
        }
        match self.parts.source.directive() {
            Ok(Some(json)) => self.take(&json),
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "the source has no directive for us now"),
        }
        let wants = self.gate().desired();
        if wants != before {
            self.parts.bell.ring();
        }
        self.cache_newest();
    }
}
