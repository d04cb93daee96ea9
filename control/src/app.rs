//! What every operation of the control plane works with.

use std::sync::Arc;

use contracts::ids::SlotId;
use contracts::time::UtcMillis;
use tokio::sync::broadcast;

use crate::artifacts::ArtifactStore;
use crate::clock::Clock;
use crate::config::Config;
use crate::inspect::Inspector;
use crate::jobs::JobId;
use crate::keys::Keyring;
use crate::limits::EVENTS_WAITING_MAX;
use crate::store::Store;

/// Something changed: whoever shows it reads it again.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Changed {
    /// A proposal was made, revised or decided.
    Proposal {
        /// Which.
        proposal_id: String,
    },
    /// A slot has another contract or directive.
    Slot {
        /// Which.
        slot: SlotId,
    },
    /// A head of the audit chain was signed.
    AuditHead,
    /// A job was taken up, went on or ended.
    Job {
        /// Which.
        job_id: JobId,
    },
    /// An engine said something.
    Engine {
        /// Of which slot.
        slot: SlotId,
    },
}

/// The control plane's parts, shared by handlers and jobs.
#[derive(Debug, Clone)]
pub struct App {
    /// The database.
    pub store: Store,
    /// Files by hash.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// Keys.
    pub keys: Keyring,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Settings.
    pub config: Arc<Config>,
    /// How models are looked into.
    pub inspector: Inspector,
    events: broadcast::Sender<Changed>,
}

impl App {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        store: Store,
        artifacts: Arc<dyn ArtifactStore>,
        keys: Keyring,
        clock: Arc<dyn Clock>,
        config: Arc<Config>,
    ) -> Self {
        Self {
            store,
            artifacts,
            keys,
            clock,
            config,
            inspector: Inspector::default(),
            events: broadcast::Sender::new(EVENTS_WAITING_MAX),
        }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> UtcMillis {
        self.clock.now()
    }

    /// Tells whoever listens; nobody has to.
    pub fn tell(&self, changed: Changed) {
        drop(self.events.send(changed));
    }

    /// Listens from now on. One that falls behind is told so and reads everything again.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Changed> {
        self.events.subscribe()
    }
}
