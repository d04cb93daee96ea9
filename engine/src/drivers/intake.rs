//! The front of a live driver: what the feed delivers, what the inbox holds and what the timers ask for, in one order.
//!
//! Shared by the `inline` and the `pipeline` driver. One current-thread runtime; control inputs and contracts come before the
//! feed's next batch, because a halt must not wait behind bars. The feed's batch is whatever waited on its socket.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use contracts::native::FeedMode;
use contracts::time::UnixNanos;
use contracts::wire::FaultCode;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::inbox::Inbox;
use super::outlet::OutletError;
use crate::core::{ClockMode, Input};
use crate::feeds::{FeedEvent, FeedHandle, FeedService, FeedSink};
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
    /// A fault of the engine: a core or the journal's thread panicked. Its message is in the log; report it.
    #[error("a thread of the driver panicked; see the log above")]
    Panicked,
}

impl DriverEnd {
    /// What clients are told.
    #[must_use]
    pub const fn fault(&self) -> FaultCode {
        match self {
            Self::Outlet(OutletError::Journal(_)) => FaultCode::JournalFailed,
            Self::LiveFeedOnFeedClock => FaultCode::FeedMode,
            Self::Outlet(OutletError::Publish(_) | OutletError::Record(_)) | Self::Panicked => {
                FaultCode::EngineFailed
            }
        }
    }
}

/// What a driver does with its inputs. Never borrowed across an await.
pub trait Intake {
    /// Which time rules.
    fn clock_mode(&self) -> ClockMode;
    /// What is counted.
    fn metrics(&self) -> &Metrics;
    /// The feed's next batch begins.
    fn begin(&mut self);
    /// One input of the batch.
    fn input(&mut self, input: Input);
    /// The batch is complete.
    fn complete(&mut self);
    /// It ends for good.
    fn fail(&mut self, end: DriverEnd);
    /// Everything but the feed: contracts, control, positions, the cores' own timers.
    fn look_around(&mut self);
    /// Has what is written synced in the background.
    fn offer_sync(&mut self);
    /// Deletes old segments.
    fn retain(&mut self);
}

/// What moves a driver beside its feed.
pub struct Signals {
    /// Wakes it.
    pub inbox: Arc<Inbox>,
    /// The feed's counters; holding the handle keeps the feed running.
    pub feed: FeedHandle,
    /// Set from outside.
    pub stop: watch::Receiver<bool>,
    /// Set by the driver when it ends on its own.
    pub has_ended: watch::Receiver<bool>,
}

struct Sink<D>(Rc<RefCell<D>>);

impl<D: Intake> FeedSink for Sink<D> {
    fn events(&mut self, events: &[FeedEvent]) {
        let mut driver = self.0.borrow_mut();
        driver.begin();
        for event in events {
            match *event {
                FeedEvent::Bar {
                    instrument,
                    bar,
                    received_at,
                    backfilled,
                } => driver.input(Input::Bar {
                    instrument,
                    bar,
                    received_at,
                    backfilled,
                }),
                FeedEvent::Macro {
                    series,
                    date,
                    value,
                    arrived_at,
                } => driver.input(Input::Macro {
                    series,
                    date,
                    value,
                    arrived_at,
                }),
                FeedEvent::Gap { instrument, from, to } => driver.input(Input::Gap { instrument, from, to }),
                FeedEvent::Hello {
                    mode: FeedMode::Live, ..
                } if driver.clock_mode() == ClockMode::Feed => {
                    return driver.fail(DriverEnd::LiveFeedOnFeedClock);
                }
                FeedEvent::Connected { connection } => {
                    let metrics = driver.metrics();
                    metrics.feed_connections.store(connection, Ordering::Relaxed);
                    metrics.feed_connected.store(1, Ordering::Relaxed);
                }
                FeedEvent::Reconnecting { .. } => driver.metrics().feed_connected.store(0, Ordering::Relaxed),
                _ => {}
            }
        }
        driver.complete();
    }
}

/// Feeds `driver` until it is told to stop, or ends on its own. Must be called on a current-thread runtime inside a `LocalSet`.
pub async fn drive<D, C>(driver: D, feed: FeedService<C>, signals: Signals) -> D
where
    D: Intake + 'static,
    C: Fn() -> UnixNanos + 'static,
{
    let Signals {
        inbox,
        feed: feed_handle,
        mut stop,
        mut has_ended,
    } = signals;
    let driver = Rc::new(RefCell::new(driver));
    driver.borrow_mut().look_around();
    let mut sink = Sink(Rc::clone(&driver));
    let feed = tokio::task::spawn_local(async move { feed.run(&mut sink).await });
    let mut tick = timer(DRIVER_TICK_MS);
    let mut sync = timer(JOURNAL_SYNC_MS);
    let mut retention = timer(JOURNAL_RETENTION_MS);
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped) => break,
            _ = has_ended.wait_for(|ended| *ended) => break,
            () = inbox.woken() => driver.borrow_mut().look_around(),
            _ = tick.tick() => driver.borrow_mut().look_around(),
            _ = sync.tick() => {
                driver.borrow_mut().offer_sync();
                for (reason, count) in feed_handle.counters().refusals() {
                    driver.borrow().metrics().feed_refusals.set(reason.word(), count);
                }
            }
            _ = retention.tick() => driver.borrow_mut().retain(),
        }
    }
    // The task is at an await, where it holds no borrow; aborted there it lets go of its clone.
    feed.abort();
    drop(feed.await);
    inbox.close();
    Rc::try_unwrap(driver)
        .unwrap_or_else(|_| unreachable!("the feed's task has ended"))
        .into_inner()
}

fn timer(period_ms: u64) -> tokio::time::Interval {
    let mut timer = interval(Duration::from_millis(period_ms));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer
}
