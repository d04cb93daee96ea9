//! Feeds from socket to event: the client against a server that misbehaves, files served as a feed, vendors' samples.

mod faults;
mod file_server;
mod samples;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use contracts::bar::Bar;
use contracts::ids::{InstrumentId, SeriesId};
use contracts::time::{UnixNanos, UtcMillis};
use engine::clock::{Clock as _, ManualClock};
use engine::feeds::history::History;
use engine::feeds::symbols::SymbolTable;
use engine::feeds::{
    FeedEvent, FeedHandle, FeedLimits, FeedOptions, FeedRefusal, FeedService, FeedSink, Source,
};
use testkit::guard::within;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Hands every event to the test.
struct ToTest(mpsc::UnboundedSender<FeedEvent>);

impl FeedSink for ToTest {
    fn events(&mut self, events: &[FeedEvent]) {
        assert!(!events.is_empty());
        for event in events {
            // A test that has seen enough no longer listens.
            if self.0.send(*event).is_err() {
                return;
            }
        }
    }
}

/// A running client.
struct Client {
    events: mpsc::UnboundedReceiver<FeedEvent>,
    handle: FeedHandle,
    clock: Arc<ManualClock>,
    task: JoinHandle<()>,
}

/// Waits so short that no test lasts, and no silence unless the test is about it.
fn limits() -> FeedLimits {
    FeedLimits {
        backoff_first: Duration::from_millis(1),
        backoff_max: Duration::from_millis(2),
        idle: Duration::from_secs(600),
        connect: Duration::from_secs(60),
        housekeeping: Duration::from_millis(5),
        message_bytes_max: 4_096,
        ..FeedLimits::default()
    }
}

fn symbols(instruments: &[&str]) -> SymbolTable {
    let ids: Vec<_> = instruments
        .iter()
        .map(|name| InstrumentId::parse(name).expect("a name"))
        .collect();
    SymbolTable::plain(&ids, &[SeriesId::parse("dxy").expect("a name")]).expect("names differ")
}

fn options(url: String) -> FeedOptions {
    let mut options = FeedOptions::new(url, Source::Native, symbols(&["USDCOP"]), 7);
    options.limits = limits();
    options
}

/// Now, for bars that are to be of the past.
fn noon() -> UtcMillis {
    UtcMillis::parse("2026-01-05T17:00:00Z").expect("an instant")
}

impl Client {
    fn start(options: FeedOptions) -> Self {
        Self::with_history(options, None)
    }

    fn with_history(options: FeedOptions, history: Option<Box<dyn History>>) -> Self {
        let clock = ManualClock::at(UnixNanos(noon().0 * 1_000_000));
        let told = Arc::clone(&clock);
        let (service, handle) =
            FeedService::new(options, move || told.now(), history).expect("the options work");
        let (sender, events) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move { service.run(&mut ToTest(sender)).await });
        Self {
            events,
            handle,
            clock,
            task,
        }
    }

    async fn next(&mut self) -> FeedEvent {
        within("a feed event", self.events.recv())
            .await
            .expect("the client runs")
    }

    /// The next bar, whatever else is said before it.
    async fn bar(&mut self) -> Bar {
        loop {
            if let FeedEvent::Bar { bar, .. } = self.next().await {
                return bar;
            }
        }
    }

    /// What the connection was lost by, whatever else is said before.
    async fn lost(&mut self) -> FeedRefusal {
        loop {
            if let FeedEvent::Reconnecting { cause, .. } = self.next().await {
                return cause;
            }
        }
    }

    fn refused(&self, reason: FeedRefusal) -> u64 {
        self.handle.counters().refused(reason)
    }

    async fn stop(self) {
        self.handle.stop();
        within("the end of the client", self.task)
            .await
            .expect("the client does not panic");
    }
}

/// A bar that closes `step` bars after 13:00 UTC, at `price`.
fn bar(step: i64, price: f64) -> Bar {
    Bar {
        close_time: UtcMillis(noon().0 + (step - 48) * 300_000),
        open: price,
        high: price + 1.5,
        low: price - 1.25,
        close: price + 0.125,
        volume: 3.0,
    }
}
