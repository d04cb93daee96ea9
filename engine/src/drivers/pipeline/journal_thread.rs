//! The journal's thread: numbers batches as they come, writes them, publishes them.
//!
//! What waits together is committed together: under `disk` durability one sync covers it all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

use tokio::sync::watch;

use super::swaps::Swaps;
use super::{Batch, CoreFlags, ToJournal};
use crate::clock::SharedClock;
use crate::core::{Input, Records};
use crate::drivers::inbox::Acceptance;
use crate::drivers::intake::DriverEnd;
use crate::drivers::outlet::{Outlet, OutletError, Publish};
use crate::drivers::ring::{Consumer, Producer, Waker, Woken};
use crate::drivers::start::note_contract;
use crate::journal::Syncer;

/// Calls for the journal beside its ring; whoever raises one wakes it.
#[derive(Default)]
pub(super) struct JournalFlags {
    /// Sync in the background.
    pub sync: AtomicBool,
    /// Delete old segments.
    pub retain: AtomicBool,
}

/// One core as the journal sees it.
struct Seen {
    free: Producer<Box<Batch>>,
    waker: Waker<Input>,
    flags: Arc<CoreFlags>,
    /// Inputs of which the journal holds everything the core wrote.
    done: u64,
    /// A snapshot was asked for and has not come yet.
    asked: bool,
}

pub(super) struct JournalThread<P> {
    outlet: Outlet<P>,
    ring: Consumer<ToJournal>,
    cores: Vec<Seen>,
    flags: Arc<JournalFlags>,
    syncer: Syncer,
    clock: SharedClock,
    ended: watch::Sender<bool>,
    swaps: Swaps,
    /// The journal's own records.
    own: Records,
    /// Written, not yet published.
    #[expect(
        clippy::vec_box,
        reason = "each goes home through its ring in the box it came in"
    )]
    held: Vec<Box<Batch>>,
    syncs: Vec<(Box<[u64]>, SyncSender<u64>)>,
}

impl<P: Publish> JournalThread<P> {
    #[expect(
        clippy::too_many_arguments,
        reason = "one caller, which made each of them a line before"
    )]
    pub fn new(
        outlet: Outlet<P>,
        ring: Consumer<ToJournal>,
        free: Vec<Producer<Box<Batch>>>,
        wakers: Vec<(Waker<Input>, Arc<CoreFlags>)>,
        flags: Arc<JournalFlags>,
        syncer: Syncer,
        clock: SharedClock,
        ended: watch::Sender<bool>,
    ) -> Self {
        let cores = free.into_iter().zip(wakers).map(|(free, (waker, flags))| Seen {
            free,
            waker,
            flags,
            done: 0,
            asked: false,
        });
        let cores: Vec<_> = cores.collect();
        Self {
            outlet,
            ring,
            flags,
            syncer,
            clock,
            ended,
            swaps: Swaps::new(cores.len()),
            own: Records::default(),
            held: Vec::new(),
            syncs: Vec::new(),
            cores,
        }
    }

    /// Runs until every producer is gone and everything is published, or the journal fails.
    pub fn run(mut self) -> (Outlet<P>, Option<DriverEnd>) {
        let end = self.work().err();
        if let Some(end) = &end {
            tracing::error!(error = end as &dyn std::error::Error, "the driver ends");
            self.ended.send_replace(true);
        }
        (self.outlet, end)
    }

    fn work(&mut self) -> Result<(), DriverEnd> {
        self.ask_for_snapshots();
        loop {
            while let Some(message) = self.ring.pop() {
                match message {
                    ToJournal::Batch(batch) => self.append(batch)?,
                    ToJournal::Contract(acceptance) => self.note(acceptance)?,
                    ToJournal::Sync { reach, done } => self.syncs.push((reach, done)),
                    ToJournal::Lost => return Err(DriverEnd::Panicked),
                }
            }
            self.release()?;
            self.acknowledge()?;
            self.ask_for_snapshots();
            self.timers();
            let flags = &*self.flags;
            let called = || flags.sync.load(Ordering::Acquire) || flags.retain.load(Ordering::Acquire);
            if self.ring.wait_unless(called) == Woken::Closed {
                return Ok(());
            }
        }
    }

    fn append(&mut self, mut batch: Box<Batch>) -> Result<(), OutletError> {
        let at = batch.at;
        self.outlet.append(&mut batch.records, at)?;
        self.own.clear();
        self.own.set_simulated(batch.records.is_simulated());
        self.swaps.note(&batch.records, &mut self.own);
        self.held.push(batch);
        if !self.own.is_empty() {
            self.release()?;
            self.outlet.take(&mut self.own, at)?;
        }
        Ok(())
    }

    /// Commits and publishes what was appended, and sends the batches home.
    fn release(&mut self) -> Result<(), OutletError> {
        if self.held.is_empty() {
            return Ok(());
        }
        self.outlet.commit()?;
        for batch in &self.held {
            self.outlet.publish(&batch.records)?;
        }
        for batch in self.held.drain(..) {
            let core = &mut self.cores[usize::from(batch.records.shard())];
            core.done = batch.through;
            core.asked &= !batch.snapshot;
            // The ring holds all batches of its core; a core that is gone needs none.
            let _gone = core.free.push(batch);
        }
        Ok(())
    }

    fn note(&mut self, acceptance: Acceptance) -> Result<(), OutletError> {
        self.release()?;
        note_contract(&mut self.outlet, &acceptance.verified, self.clock.now())?;
        // The follower may have been ended meanwhile; the record stands.
        let _unheard = acceptance.journaled.send(());
        Ok(())
    }

    /// Syncs for those whose inputs every core has answered.
    fn acknowledge(&mut self) -> Result<(), OutletError> {
        let cores = &self.cores;
        let is_done = |reach: &[u64]| reach.iter().zip(cores).all(|(reach, core)| core.done >= *reach);
        if !self.syncs.iter().any(|(reach, _)| is_done(reach)) {
            return Ok(());
        }
        let lsn = match self.outlet.writer() {
            Some(writer) => {
                writer.sync()?;
                writer.next_lsn() - 1
            }
            None => 0,
        };
        self.syncs.retain(|(reach, done)| {
            let answered = is_done(reach);
            if answered {
                // Whoever asked waits for it, or has ended.
                let _unheard = done.try_send(lsn);
            }
            !answered
        });
        Ok(())
    }

    fn ask_for_snapshots(&mut self) {
        for (shard, core) in (0..).zip(&mut self.cores) {
            if !core.asked && self.outlet.wants_snapshot(shard) {
                core.asked = true;
                core.flags.snapshot.store(true, Ordering::Release);
                core.waker.wake();
            }
        }
    }

    fn timers(&mut self) {
        if self.flags.sync.swap(false, Ordering::AcqRel)
            && let Some(request) = self.outlet.writer().and_then(|writer| writer.sync_request())
        {
            // A request that finds the last one still waiting is covered by the next.
            let _offered = self.syncer.offer(request);
        }
        if self.flags.retain.swap(false, Ordering::AcqRel) {
            let now = self.clock.now();
            if let Some(Err(error)) = self.outlet.writer().map(|writer| writer.retain(now)) {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "old segments cannot be deleted"
                );
            }
        }
    }
}
