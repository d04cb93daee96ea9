//! The feed's thread: every input to the core it concerns.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use tokio::sync::watch;

use super::journal_thread::JournalFlags;
use super::{CoreFlags, ToJournal};
use crate::core::{ClockMode, Input, InstrumentIndex};
use crate::drivers::inbox::Inbox;
use crate::drivers::intake::{DriverEnd, Intake};
use crate::drivers::ring::Producer;
use crate::edges::control::{ControlError, ControlReceiver, Pending, Synced};
use crate::limits::PIPELINE_JOURNAL_LOOK_MS;
use crate::metrics::Metrics;

/// The way to one core.
pub(super) struct Shard {
    pub inputs: Producer<Input>,
    pub flags: Arc<CoreFlags>,
    /// Inputs it was given so far.
    pub pushed: u64,
}

pub(super) struct Front {
    pub shards: Vec<Shard>,
    pub journal: Producer<ToJournal>,
    pub journal_flags: Arc<JournalFlags>,
    pub inbox: Arc<Inbox>,
    pub control: ControlReceiver,
    pub metrics: Arc<Metrics>,
    pub clock_mode: ClockMode,
    pub ended: watch::Sender<bool>,
    pub end: Option<DriverEnd>,
}

impl Front {
    /// Why it ended on its own, if it did; closes the rings.
    pub fn into_end(self) -> Option<DriverEnd> {
        self.end
    }

    /// The core an input concerns; `None`: all of them.
    fn owner(&self, input: &Input) -> Option<usize> {
        let of = |instrument: InstrumentIndex| instrument.0 as usize % self.shards.len();
        match *input {
            Input::Bar { instrument, .. }
            | Input::Position { instrument, .. }
            | Input::Gap { instrument, .. } => Some(of(instrument)),
            Input::Clock { .. }
            | Input::Macro { .. }
            | Input::Halt { .. }
            | Input::Directive { .. }
            | Input::Mode { .. }
            | Input::Snapshot => None,
        }
    }

    /// Waits while the ring is full. A core that is gone takes nothing: then the journal has ended, and says why.
    pub fn push(&mut self, shard: usize, input: Input) {
        let shard = &mut self.shards[shard];
        if shard.inputs.push(input).is_ok() {
            shard.pushed += 1;
        }
    }

    fn nudge(&self) {
        for shard in &self.shards {
            shard.flags.nudged.store(true, Ordering::Release);
            shard.inputs.waker().wake();
        }
    }

    fn wake_journal(&self) {
        self.journal.waker().wake();
    }

    /// To every core, then acknowledged when what all of them wrote about it is on disk. A failed write does not cancel it: the
    /// cores have it, and nothing is published once the journal has failed.
    fn take_control(&mut self, pending: Pending) {
        self.input(pending.input);
        let (done, synced) = sync_channel(1);
        let reach = self.shards.iter().map(|shard| shard.pushed).collect();
        let outcome = match self.journal.push(ToJournal::Sync { reach, done }) {
            Ok(()) => self.synced(&synced),
            Err(_) => None,
        };
        pending.acknowledge(outcome.map(|lsn| Synced { lsn }).ok_or(ControlError::NotWritten));
    }

    fn synced(&self, done: &std::sync::mpsc::Receiver<u64>) -> Option<u64> {
        loop {
            match done.recv_timeout(Duration::from_millis(PIPELINE_JOURNAL_LOOK_MS)) {
                Ok(lsn) => return Some(lsn),
                Err(RecvTimeoutError::Timeout) if !self.journal.is_closed() => {}
                Err(_) => return None,
            }
        }
    }
}

impl Intake for Front {
    fn clock_mode(&self) -> ClockMode {
        self.clock_mode
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Nothing: each core reads the clock when it takes its inputs.
    fn begin(&mut self) {}

    fn input(&mut self, input: Input) {
        match self.owner(&input) {
            Some(shard) => self.push(shard, input),
            None => (0..self.shards.len()).for_each(|shard| self.push(shard, input)),
        }
    }

    /// Nothing: a core takes what waits when it is ready.
    fn complete(&mut self) {}

    fn fail(&mut self, end: DriverEnd) {
        if self.end.is_none() {
            tracing::error!(error = &end as &dyn std::error::Error, "the driver ends");
            self.end = Some(end);
            self.ended.send_replace(true);
        }
    }

    fn look_around(&mut self) {
        while let Some(acceptance) = self.inbox.contract() {
            // A journal that is gone lets go of it, and the follower learns that the engine is ending.
            let _gone = self.journal.push(ToJournal::Contract(acceptance));
        }
        while let Some(pending) = self.control.pop() {
            self.take_control(pending);
        }
        while let Some(position) = self.inbox.position() {
            self.input(position);
        }
        while let Some(daily) = self.inbox.daily() {
            self.input(daily);
        }
        self.nudge();
        let waiting: usize = self.shards.iter().map(|shard| shard.inputs.len()).sum();
        self.metrics.queue_depth.set("feed_to_core", waiting as u64);
        self.metrics
            .queue_depth
            .set("core_to_journal", self.journal.len() as u64);
    }

    fn offer_sync(&mut self) {
        self.journal_flags.sync.store(true, Ordering::Release);
        self.wake_journal();
    }

    fn retain(&mut self) {
        self.journal_flags.retain.store(true, Ordering::Release);
        self.wake_journal();
    }
}
