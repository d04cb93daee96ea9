//! The `inline` driver: feed sockets, core, journal write and the first signal clients on one thread.
//!
//! One current-thread runtime, so nothing is handed over between a bar's last byte and its signal's first. Order of attention
//! when several things wait: control inputs and contracts before the feed's next batch, because a halt must not wait behind
//! bars. The feed's batch is whatever waited on its socket.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use contracts::native::FeedMode;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::hub_out::HubOut;
use super::inbox::Inbox;
use super::outlet::OutletError;
use super::pump::Pump;
use super::start::note_contract;
use crate::clock::SharedClock;
use crate::core::{ClockMode, Input};
use crate::edges::control::{ControlError, ControlReceiver, Pending, Synced};
use crate::feeds::{FeedEvent, FeedHandle, FeedService, FeedSink};
use crate::journal::Syncer;
use crate::limits::{DRIVER_TICK_MS, JOURNAL_RETENTION_MS, JOURNAL_SYNC_MS};
use crate::metrics::Metrics;

/// Why a driver ended.
#[derive(Debug, thiserror::Error)]
pub enum DriverEnd {
    /// The journal failed: nothing more was published. Exit code 74.
    #[error(transparent)]
    Outlet(#[from] OutletError),
    /// `clock = "feed"` is only for a feed that announces a replay.
    #[error("the feed is live, but `clock = \"feed\"` takes its time from a replay; set `clock = \"wall\"`")]
    LiveFeedOnFeedClock,
}

/// What the tasks of the driver's thread share. Never borrowed across an await.
struct State {
    pump: Pump<HubOut>,
    inputs: Vec<Input>,
    inbox: Arc<Inbox>,
    control: ControlReceiver,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    ended: watch::Sender<bool>,
    end: Option<DriverEnd>,
}

/// The parts a driver is made of.
pub struct InlineParts {
    /// Core and outlet, recovered.
    pub pump: Pump<HubOut>,
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

    fn fail(&mut self, end: DriverEnd) {
        if self.end.is_none() {
            tracing::error!(error = &end as &dyn std::error::Error, "the driver ends");
            self.end = Some(end);
            self.ended.send_replace(true);
        }
    }

    fn begin_batch(&mut self) {
        self.inputs.clear();
        self.inputs.push(Input::Clock {
            now: self.clock.now(),
        });
    }

    /// Everything but the feed: contracts, control, positions, timers.
    fn look_around(&mut self) {
        while let Some(acceptance) = self.inbox.contract() {
            let now = self.clock.now();
            let noted = match self.pump.outlet().writer() {
                Some(writer) => note_contract(writer, &acceptance.verified, now).map_err(OutletError::from),
                None => Ok(()),
            };
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
        self.run();
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

    fn offer_sync(&mut self, syncer: &Syncer) {
        if let Some(request) = self
            .pump
            .outlet()
            .writer()
            .and_then(|writer| writer.sync_request())
        {
            // A request that finds the last one still waiting is covered by the next.
            let _offered = syncer.offer(request);
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

/// The feed's end of the driver.
struct Sink(Rc<RefCell<State>>);

impl FeedSink for Sink {
    fn events(&mut self, events: &[FeedEvent]) {
        let mut state = self.0.borrow_mut();
        state.begin_batch();
        let feed_clock = state.pump.core().options().clock == ClockMode::Feed;
        for event in events {
            match *event {
                FeedEvent::Bar {
                    instrument,
                    bar,
                    received_at,
                    backfilled,
                } => {
                    state.inputs.push(Input::Bar {
                        instrument,
                        bar,
                        received_at,
                        backfilled,
                    });
                }
                FeedEvent::Macro {
                    series,
                    date,
                    value,
                    arrived_at,
                } => {
                    state.inputs.push(Input::Macro {
                        series,
                        date,
                        value,
                        arrived_at,
                    });
                }
                FeedEvent::Gap { instrument, from, to } => {
                    state.inputs.push(Input::Gap { instrument, from, to })
                }
                FeedEvent::Hello {
                    mode: FeedMode::Live, ..
                } if feed_clock => {
                    return state.fail(DriverEnd::LiveFeedOnFeedClock);
                }
                FeedEvent::Connected { connection } => {
                    state
                        .metrics
                        .feed_connections
                        .store(connection, Ordering::Relaxed);
                    state.metrics.feed_connected.store(1, Ordering::Relaxed);
                }
                FeedEvent::Reconnecting { .. } => state.metrics.feed_connected.store(0, Ordering::Relaxed),
                _ => {}
            }
        }
        if state.inputs.len() > 1 {
            state.run();
        }
    }
}

/// Runs the driver until `stop` says so, or the journal fails. Must be called on a current-thread runtime inside a `LocalSet`.
///
/// Returns the pump, for the orderly end, and why it ended when that was not asked for.
pub async fn run<C: Fn() -> contracts::time::UnixNanos + 'static>(
    parts: InlineParts,
    feed: FeedService<C>,
    mut stop: watch::Receiver<bool>,
) -> (Pump<HubOut>, Option<DriverEnd>) {
    let (ended, mut has_ended) = watch::channel(false);
    let InlineParts {
        pump,
        inbox,
        control,
        clock,
        metrics,
        syncer,
        feed: feed_handle,
    } = parts;
    let state = State {
        pump,
        inputs: Vec::new(),
        inbox: Arc::clone(&inbox),
        control,
        clock,
        metrics,
        ended,
        end: None,
    };
    let state = Rc::new(RefCell::new(state));
    state.borrow_mut().look_around();
    let mut sink = Sink(Rc::clone(&state));
    let feed = tokio::task::spawn_local(async move { feed.run(&mut sink).await });
    let mut tick = timer(DRIVER_TICK_MS);
    let mut sync = timer(JOURNAL_SYNC_MS);
    let mut retention = timer(JOURNAL_RETENTION_MS);
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped) => break,
            _ = has_ended.wait_for(|ended| *ended) => break,
            () = inbox.woken() => state.borrow_mut().look_around(),
            _ = tick.tick() => state.borrow_mut().look_around(),
            _ = sync.tick() => {
                state.borrow_mut().offer_sync(&syncer);
                for (reason, count) in feed_handle.counters().refusals() {
                    state.borrow().metrics.feed_refusals.set(reason.word(), count);
                }
            }
            _ = retention.tick() => state.borrow_mut().retain(),
        }
    }
    // The task is at an await, where it holds no borrow; aborted there it lets go of its clone.
    feed.abort();
    drop(feed.await);
    inbox.close();
    let state = Rc::try_unwrap(state)
        .unwrap_or_else(|_| unreachable!("the feed's task has ended"))
        .into_inner();
    (state.pump, state.end)
}

fn timer(period_ms: u64) -> tokio::time::Interval {
    let mut timer = interval(Duration::from_millis(period_ms));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer
}
