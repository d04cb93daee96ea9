//! The `inline` driver: feed sockets, core, journal write and the first signal clients on one thread.
//!
//! One current-thread runtime, so nothing is handed over between a bar's last byte and its signal's first. Order of attention
//! when several things wait: control inputs and contracts before the feed's next batch, because a halt must not wait behind
//! bars. The feed's batch is whatever waited on its socket.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use super::hub_out::HubOut;
use super::inbox::Inbox;
pub use super::intake::DriverEnd;
use super::intake::{self, Intake, Signals};
use super::outlet::OutletError;
use super::pump::Pump;
use super::start::note_contract;
use crate::clock::SharedClock;
use crate::core::{ClockMode, Input};
use crate::edges::control::{ControlError, ControlReceiver, Pending, Synced};
use crate::feeds::{FeedHandle, FeedService};
use crate::journal::Syncer;
use crate::metrics::Metrics;

/// What the tasks of the driver's thread share. Never borrowed across an await.
struct State {
    pump: Pump<HubOut>,
    inputs: Vec<Input>,
    inbox: Arc<Inbox>,
    control: ControlReceiver,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    syncer: Syncer,
    ended: watch::Sender<bool>,
    end: Option<DriverEnd>,
}

/// The parts a driver is made of.
pub struct InlineParts {
    /// Core and outlet, recovered.
    pub pump: Pump<HubOut>,
    /// What the core is told first.
    pub first: Vec<Input>,
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

impl State {
    fn run(&mut self) {
        if self.end.is_some() {
            return;
        }
        let outcome = self.pump.run(&self.inputs);
        self.inputs.clear();
        self.settle(outcome);
    }

    /// One failure ends it for good: what the journal does not hold must never be published.
    fn settle(&mut self, outcome: Result<(), OutletError>) {
        self.metrics.cores[0].store(self.pump.core().counters());
        let latches = u64::from(self.pump.core().latches().to_bits());
        self.metrics.latches.store(latches, Ordering::Relaxed);
        if let Err(error) = outcome {
            self.fail(error.into());
        }
    }

    fn begin_batch(&mut self) {
        self.inputs.clear();
        self.inputs.push(Input::Clock {
            now: self.clock.now(),
        });
    }

    /// In force, journaled and synced before it is acknowledged. A failed write does not cancel it: the core has it, and a core
    /// whose journal failed publishes nothing at all.
    fn take_control(&mut self, pending: Pending) {
        self.begin_batch();
        self.inputs.push(pending.input);
        self.run();
        let synced = if self.end.is_none() {
            self.pump.sync()
        } else {
            Ok(())
        };
        self.settle(synced);
        let lsn = self
            .pump
            .outlet()
            .writer()
            .map_or(0, |writer| writer.next_lsn() - 1);
        let outcome = if self.end.is_some() {
            Err(ControlError::NotWritten)
        } else {
            Ok(Synced { lsn })
        };
        pending.acknowledge(outcome);
    }
}

impl Intake for State {
    fn clock_mode(&self) -> ClockMode {
        self.pump.core().options().clock
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn begin(&mut self) {
        self.begin_batch();
    }

    fn input(&mut self, input: Input) {
        self.inputs.push(input);
    }

    fn complete(&mut self) {
        if self.inputs.len() > 1 {
            self.run();
        }
    }

    fn fail(&mut self, end: DriverEnd) {
        if self.end.is_none() {
            tracing::error!(error = &end as &dyn std::error::Error, "the driver ends");
            self.end = Some(end);
            self.ended.send_replace(true);
        }
    }

    fn look_around(&mut self) {
        while let Some(acceptance) = self.inbox.contract() {
            let now = self.clock.now();
            let noted = note_contract(self.pump.outlet(), &acceptance.verified, now);
            let journaled = noted.is_ok();
            self.settle(noted);
            if journaled {
                // The follower may have been ended meanwhile; the record stands.
                let _unheard = acceptance.journaled.send(());
            }
        }
        while let Some(pending) = self.control.pop() {
            self.take_control(pending);
        }
        self.begin_batch();
        while let Some(position) = self.inbox.position() {
            self.inputs.push(position);
        }
        while let Some(daily) = self.inbox.daily() {
            self.inputs.push(daily);
        }
        self.run();
    }

    fn offer_sync(&mut self) {
        if let Some(request) = self
            .pump
            .outlet()
            .writer()
            .and_then(|writer| writer.sync_request())
        {
            // A request that finds the last one still waiting is covered by the next.
            let _offered = self.syncer.offer(request);
        }
    }

    fn retain(&mut self) {
        let now = self.clock.now();
        if let Some(Err(error)) = self.pump.outlet().writer().map(|writer| writer.retain(now)) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "old segments cannot be deleted"
            );
        }
    }
}

/// Runs the driver until `stop` says so, or the journal fails. Must be called on a current-thread runtime inside a `LocalSet`.
///
/// Returns the pump, for the orderly end, and why it ended when that was not asked for.
pub async fn run<C: Fn() -> contracts::time::UnixNanos + 'static>(
    parts: InlineParts,
    feed: FeedService<C>,
    stop: watch::Receiver<bool>,
) -> (Pump<HubOut>, Option<DriverEnd>) {
    let (ended, has_ended) = watch::channel(false);
    let InlineParts {
        pump,
        first,
        inbox,
        control,
        clock,
        metrics,
        syncer,
        feed: feed_handle,
    } = parts;
    let mut state = State {
        pump,
        inputs: Vec::new(),
        inbox: Arc::clone(&inbox),
        control,
        clock,
        metrics,
        syncer,
        ended,
        end: None,
    };
    if !first.is_empty() {
        state.begin_batch();
        state.inputs.extend(first);
        state.run();
    }
    let signals = Signals {
        inbox,
        feed: feed_handle,
        stop,
        has_ended,
    };
    let state = intake::drive(state, feed, signals).await;
    (state.pump, state.end)
}
