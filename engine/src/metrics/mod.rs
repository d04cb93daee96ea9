//! What the engine counts: atomics any thread may add to, rendered as Prometheus text when somebody asks.
//!
//! Recording is one relaxed `fetch_add` or `store`: no lock, no allocation, no look-up on the path of a bar. The core counts in plain
//! integers of its own ([`crate::core::counters::Counters`]); its driver copies them here after a step.

mod core_mirror;
mod family;
mod histogram;
mod render;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};

pub use core_mirror::CoreMirror;
pub use family::Family;
pub use histogram::LatencyHistogram;
pub use render::CONTENT_TYPE;

use crate::feeds::event::FeedRefusal;
use crate::follower::control::FAILURES;

/// A stretch of a bar's way whose duration is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Stage {
    /// Last byte of the bar read → decision taken.
    ReceivedToDecided,
    /// Last byte of the bar read → message handed to the client's socket.
    ReceivedToWritten,
    /// One `Core::step`.
    Step,
    /// One `write(2)` of the journal.
    JournalWrite,
    /// One sync of the journal.
    JournalSync,
}

impl Stage {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::ReceivedToDecided,
        Self::ReceivedToWritten,
        Self::Step,
        Self::JournalWrite,
        Self::JournalSync,
    ];

    /// The value of the label `stage`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ReceivedToDecided => "received_to_decided",
            Self::ReceivedToWritten => "received_to_written",
            Self::Step => "step",
            Self::JournalWrite => "journal_write",
            Self::JournalSync => "journal_sync",
        }
    }
}

/// What runs, for the info metric.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunningContract {
    /// Digest of the production contract, hex; empty before the first.
    pub contract: String,
    /// The model.
    pub model_id: String,
    /// The contract's generation.
    pub generation: u64,
    /// `votes` or `local`.
    pub origin: String,
    /// `dense` or `ort`.
    pub executor: String,
}

/// The newest contract that was refused, for the metric and heartbeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRefusal {
    /// A stable word.
    pub code: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// Outcomes of attempts to load and adopt a bundle.
pub const SWAP_OUTCOMES: &[&str] = &["serving", "superseded", "refused"];
/// Rings between threads.
pub const QUEUES: &[&str] = &["feed_to_core", "core_to_journal"];
/// Why a signal client's stream ended.
pub const CLIENT_ENDS: &[&str] = &[
    "client_closed",
    "slow_consumer",
    "token",
    "protocol",
    "history",
    "shutdown",
    "fault",
    "broken",
];

/// Everything the engine counts.
#[derive(Debug)]
pub struct Metrics {
    /// What the cores count, copied by their drivers.
    pub cores: Box<[CoreMirror]>,
    /// What feeds left out, by reason.
    pub feed_refusals: Family,
    /// Connections to the feed made so far.
    pub feed_connections: AtomicU64,
    /// 1 while the feed is connected.
    pub feed_connected: AtomicU64,
    /// Waiting entries per ring.
    pub queue_depth: Family,
    /// Attempts to load and adopt a bundle, by outcome; the reasons of refusals are in the receipts.
    pub swaps: Family,
    /// Whether a latch is set: bit 0 control, bit 1 local.
    pub latches: AtomicU64,
    /// Next seq of the published sequence.
    pub next_seq: AtomicU64,
    /// Bytes appended to the journal.
    pub journal_bytes: AtomicU64,
    /// Bytes cut from a torn tail at start.
    pub journal_torn_bytes: AtomicU64,
    /// Signal clients connected.
    pub clients: AtomicU64,
    /// Streams that ended, by reason.
    pub client_ends: Family,
    /// Times a client fell out of the ring.
    pub client_gaps: AtomicU64,
    /// Requests refused for their token.
    pub auth_refused: AtomicU64,
    /// Times the token list could not be read again; the last good one stays in force.
    pub token_reload_failures: AtomicU64,
    /// Daily values taken from the macro file while running.
    pub macro_file_values: AtomicU64,
    /// Times the macro file could not be used, each fault once.
    pub macro_file_faults: AtomicU64,
    /// 1 while the control plane's stream of events stands.
    pub control_connected: AtomicU64,
    /// When the control plane last answered, in milliseconds since 1970; 0 before that.
    pub control_contact_ms: AtomicU64,
    /// Requests to the control plane that got no good answer, by reason.
    pub control_failures: Family,
    /// Receipts the control plane has not taken yet.
    pub control_receipts_waiting: AtomicU64,
    stages: [LatencyHistogram; Stage::ALL.len()],
    running: ArcSwap<RunningContract>,
    refused: ArcSwapOption<LastRefusal>,
}

impl Metrics {
    /// All zero, for `cores` cores.
    #[must_use]
    pub fn new(cores: usize) -> Arc<Self> {
        Arc::new(Self {
            cores: (0..cores).map(|_| CoreMirror::default()).collect(),
            feed_refusals: Family::new(FeedRefusal::ALL.iter().map(|refusal| refusal.word())),
            feed_connections: AtomicU64::new(0),
            feed_connected: AtomicU64::new(0),
            queue_depth: Family::new(QUEUES.iter().copied()),
            swaps: Family::new(SWAP_OUTCOMES.iter().copied()),
            latches: AtomicU64::new(0),
            next_seq: AtomicU64::new(0),
            journal_bytes: AtomicU64::new(0),
            journal_torn_bytes: AtomicU64::new(0),
            clients: AtomicU64::new(0),
            client_ends: Family::new(CLIENT_ENDS.iter().copied()),
            client_gaps: AtomicU64::new(0),
            auth_refused: AtomicU64::new(0),
            token_reload_failures: AtomicU64::new(0),
            macro_file_values: AtomicU64::new(0),
            macro_file_faults: AtomicU64::new(0),
            control_connected: AtomicU64::new(0),
            control_contact_ms: AtomicU64::new(0),
            control_failures: Family::new(FAILURES.iter().copied()),
            control_receipts_waiting: AtomicU64::new(0),
            stages: std::array::from_fn(|_| LatencyHistogram::default()),
            running: ArcSwap::default(),
            refused: ArcSwapOption::empty(),
        })
    }

    /// The histogram of a stage.
    #[must_use]
    pub const fn stage(&self, stage: Stage) -> &LatencyHistogram {
        &self.stages[stage as usize]
    }

    /// Replaces what runs.
    pub fn set_running(&self, running: RunningContract) {
        self.running.store(Arc::new(running));
    }

    /// What runs.
    #[must_use]
    pub fn running(&self) -> Arc<RunningContract> {
        self.running.load_full()
    }

    /// Notes that a contract was refused.
    pub fn set_refused(&self, refusal: LastRefusal) {
        self.refused.store(Some(Arc::new(refusal)));
    }

    /// The newest refusal.
    #[must_use]
    pub fn refused(&self) -> Option<Arc<LastRefusal>> {
        self.refused.load_full()
    }

    /// Prometheus text, version 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        render::render(self, &self.running.load())
    }
}

/// Adds one; for counters that are plain atomics.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
