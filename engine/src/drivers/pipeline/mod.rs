//! The `pipeline` driver: feed thread → ring → core threads → ring → journal thread → hub.
//!
//! ```text
//! feed thread ──inputs──▶ core 0 ──batches──▶ journal thread: number, write, publish
//!      │      ──inputs──▶ core 1 ──batches──▶      │
//!      └──────── contracts, syncs ────────────────▶┘ ──empty batches──▶ cores
//! ```
//! A core owns its instruments and keeps their order; numbers are given as batches are popped. Nothing is dropped: a full ring
//! makes the feed wait, and a core reads the clock when it takes its inputs, so bars that waited are late by its own rule. Batches
//! circulate, so a core neither allocates nor frees. Whichever thread ends first takes the others with it, through the ends of
//! its rings.

mod core_thread;
mod front;
mod journal_thread;
mod swaps;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use contracts::time::UnixNanos;
use tokio::sync::watch;

use self::core_thread::CoreThread;
use self::front::{Front, Shard};
use self::journal_thread::{JournalFlags, JournalThread};
use super::inbox::{Acceptance, Inbox};
use super::intake::{self, DriverEnd, Signals};
use super::outlet::{Outlet, Publish};
use super::pump::records_for;
use super::ring::{Wait, ring};
use crate::clock::SharedClock;
use crate::core::{Core, Input, Records};
use crate::edges::control::ControlReceiver;
use crate::feeds::{FeedHandle, FeedService};
use crate::journal::Syncer;
use crate::limits::{CONTRACTS_WAITING_MAX, PIPELINE_BATCHES_PER_CORE, PIPELINE_INPUTS_WAITING_MAX};
use crate::metrics::Metrics;

/// What one core wrote in one step.
struct Batch {
    records: Records,
    /// Inputs this core has taken so far, those of this batch included.
    through: u64,
    /// When it was decided.
    at: UnixNanos,
    /// True when it answers a call for a snapshot.
    snapshot: bool,
}

/// What reaches the journal's thread.
enum ToJournal {
    Batch(Box<Batch>),
    Contract(Acceptance),
    /// Answered with the last record's number once the journal holds, on disk, what every core wrote about this many inputs.
    Sync {
        reach: Box<[u64]>,
        done: std::sync::mpsc::SyncSender<u64>,
    },
    /// A core panicked.
    Lost,
}

/// Calls for a core beside its inputs; whoever raises one wakes it.
#[derive(Default)]
struct CoreFlags {
    /// Look at the clock and for a bundle.
    nudged: AtomicBool,
    /// Begin the next batch with a snapshot.
    snapshot: AtomicBool,
}

/// The parts a pipeline is made of.
pub struct PipelineParts<P> {
    /// All cores in the order of their numbers, recovered.
    pub cores: Vec<Core>,
    /// Where records go.
    pub outlet: Outlet<P>,
    /// First inputs of single cores, by their numbers.
    pub first: Vec<(usize, Input)>,
    /// How its threads wait.
    pub wait: Wait,
    /// Positions and contracts.
    pub inbox: Arc<Inbox>,
    /// Halts and directives.
    pub control: ControlReceiver,
    /// Wall time.
    pub clock: SharedClock,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Syncs the journal in the background.
    pub syncer: Syncer,
    /// The feed's counters; holding the handle keeps the feed running.
    pub feed: FeedHandle,
}

/// A pipeline whose cores and journal run and wait for a feed.
pub struct Pipeline<P> {
    front: Front,
    signals: (Arc<Inbox>, FeedHandle, watch::Receiver<bool>),
    cores: Vec<JoinHandle<()>>,
    journal: JoinHandle<(Outlet<P>, Option<DriverEnd>)>,
}

impl<P: Publish + 'static> Pipeline<P> {
    /// Starts the threads of cores and journal.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(parts: PipelineParts<P>) -> std::io::Result<Self> {
        let PipelineParts {
            cores,
            outlet,
            first,
            wait,
            inbox,
            control,
            clock,
            metrics,
            syncer,
            feed,
        } = parts;
        let (ended, has_ended) = watch::channel(false);
        let clock_mode = cores[0].options().clock;
        // Everything that can be under way at once: batches, a report of a lost core each, contracts, one sync.
        let capacity = cores.len() * (PIPELINE_BATCHES_PER_CORE + 1) + CONTRACTS_WAITING_MAX + 1;
        let (to_journal, from_all) = ring(capacity, wait);
        let (mut shards, mut free, mut threads, mut wakers) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for core in cores {
            let options = core.options().clone();
            let (inputs, from_feed) = ring(PIPELINE_INPUTS_WAITING_MAX, wait);
            let (empty, from_journal) = ring(PIPELINE_BATCHES_PER_CORE, wait);
            for _ in 0..PIPELINE_BATCHES_PER_CORE {
                // The ring is new and holds as many.
                let _full = empty.push(Box::new(Batch {
                    records: records_for(options.owned().count()).for_shard(options.shard),
                    through: 0,
                    at: UnixNanos(0),
                    snapshot: false,
                }));
            }
            let flags = Arc::new(CoreFlags::default());
            let thread = CoreThread {
                core,
                inputs: from_feed,
                free: from_journal,
                out: to_journal.another(),
                flags: Arc::clone(&flags),
                clock: Arc::clone(&clock),
                metrics: Arc::clone(&metrics),
            };
            let name = format!("core-{}", options.shard);
            threads.push(
                std::thread::Builder::new()
                    .name(name)
                    .spawn(move || thread.run())?,
            );
            wakers.push((inputs.waker(), Arc::clone(&flags)));
            free.push(empty);
            shards.push(Shard {
                inputs,
                flags,
                pushed: 0,
            });
        }
        let flags = Arc::new(JournalFlags::default());
        let journal = JournalThread::new(
            outlet,
            from_all,
            free,
            wakers,
            Arc::clone(&flags),
            syncer,
            Arc::clone(&clock),
            ended.clone(),
        );
        let journal = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || journal.run())?;
        let mut front = Front {
            shards,
            journal: to_journal,
            journal_flags: flags,
            inbox: Arc::clone(&inbox),
            control,
            metrics,
            clock_mode,
            ended,
            end: None,
        };
        for (shard, input) in first {
            front.push(shard, input);
        }
        Ok(Self {
            front,
            signals: (inbox, feed, has_ended),
            cores: threads,
            journal,
        })
    }

    /// Runs until `stop` says so, or the journal fails. Must be called on a current-thread runtime inside a `LocalSet`.
    ///
    /// Returns the outlet, for the orderly end (`None` when its thread panicked), and why it ended when that was not asked for.
    pub async fn run<C: Fn() -> UnixNanos + 'static>(
        self,
        feed: FeedService<C>,
        stop: watch::Receiver<bool>,
    ) -> (Option<Outlet<P>>, Option<DriverEnd>) {
        let (inbox, handle, has_ended) = self.signals;
        let signals = Signals {
            inbox,
            feed: handle,
            stop,
            has_ended,
        };
        let front = intake::drive(self.front, feed, signals).await;
        let end = front.into_end();
        // The cores' rings are closed now: they finish what waits there, and the journal what comes of it.
        let panicked = self
            .cores
            .into_iter()
            .filter_map(|core| core.join().err())
            .count()
            > 0;
        let (outlet, journal_end) = match self.journal.join() {
            Ok((outlet, end)) => (Some(outlet), end),
            Err(_) => (None, Some(DriverEnd::Panicked)),
        };
        let end = journal_end
            .or(end)
            .or_else(|| panicked.then_some(DriverEnd::Panicked));
        (outlet, end)
    }
}
