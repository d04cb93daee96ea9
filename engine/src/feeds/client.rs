//! The WebSocket client: one component for every source (Options + Service + Handle + Error).
//!
//! It connects, subscribes after what is held, reads, decodes and hands batches to a [`FeedSink`] on its own thread; when the
//! connection ends, for whatever reason, the reason is counted, said in-band, and the next attempt follows after a wait. It
//! ends only when told to. It needs tokio's net and time drivers, and is content with a current-thread runtime.

use std::fmt;
use std::sync::Arc;

use contracts::time::UnixNanos;
use tokio::sync::watch;

use super::address::Address;
use super::announced::Announced;
use super::connection::{Connection, End, Failure};
use super::counters::FeedCounters;
use super::decoder::FeedDecoder;
use super::event::{FeedEvent, FeedRefusal, FeedSink};
use super::held::Held;
use super::history::History;
use super::options::{FeedError, FeedLimits, FeedOptions};
use crate::limits;
use crate::net::{Backoff, Tls};

/// Stops the service and reads its counters. Clonable.
#[derive(Debug, Clone)]
pub struct FeedHandle {
    stop: Arc<watch::Sender<bool>>,
    counters: Arc<FeedCounters>,
}

impl FeedHandle {
    /// Ends the service: it stops reading, says goodbye and returns.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// The counters.
    #[must_use]
    pub fn counters(&self) -> &FeedCounters {
        &self.counters
    }
}

/// Reads one feed until stopped.
pub struct FeedService<C> {
    address: Address,
    tls: Option<Tls>,
    limits: FeedLimits,
    decoder: FeedDecoder,
    announced: Announced,
    held: Held,
    backoff: Backoff,
    now: C,
    stop: watch::Receiver<bool>,
    counters: Arc<FeedCounters>,
}

impl<C> fmt::Debug for FeedService<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedService")
            .field("url", &self.address.shown)
            .finish_non_exhaustive()
    }
}

impl<C: Fn() -> UnixNanos> FeedService<C> {
    /// `now` tells the wall time; `history` fills what a source cannot deliver again.
    ///
    /// # Errors
    /// [`FeedError`] when the options cannot work.
    pub fn new(
        options: FeedOptions,
        now: C,
        history: Option<Box<dyn History>>,
    ) -> Result<(Self, FeedHandle), FeedError> {
        let FeedOptions {
            url,
            ca_file,
            source,
            symbols,
            credentials,
            mut after,
            expects,
            seed,
            limits,
        } = options;
        credentials.check(source)?;
        let address = Address::new(&url, source, &credentials)?;
        let tls = match (&address.secured, ca_file) {
            (Some(name), ca_file) => Some(Tls::new(name.clone(), ca_file.as_deref(), "feed")?),
            (None, None) => None,
            (None, Some(_)) => return Err(FeedError::CaUnused { url: address.shown }),
        };
        if after.is_empty() {
            after = vec![None; symbols.len()];
        } else if after.len() != symbols.len() {
            return Err(FeedError::After {
                given: after.len(),
                instruments: symbols.len(),
            });
        }
        let (sender, stop) = watch::channel(false);
        let counters = Arc::new(FeedCounters::default());
        let service = Self {
            address,
            tls,
            limits,
            decoder: FeedDecoder::new(source, symbols, limits.grace_ms).with_credentials(credentials),
            announced: Announced::new(expects),
            held: Held::new(after, history),
            backoff: Backoff::new(limits.backoff_first, limits.backoff_max, seed),
            now,
            stop,
            counters: Arc::clone(&counters),
        };
        let handle = FeedHandle {
            stop: Arc::new(sender),
            counters,
        };
        Ok((service, handle))
    }

    /// Reads until [`FeedHandle::stop`] (or until every handle is gone).
    pub async fn run<S: FeedSink>(mut self, sink: &mut S) {
        loop {
            let Failure { cause, why } = match self.connected(sink).await {
                End::Stopped => return,
                End::Lost(failure) => failure,
            };
            self.counters.refuse(cause);
            let (attempt, delay) = self.backoff.next();
            tracing::warn!(
                url = %self.address.shown,
                cause = cause.word(),
                why,
                attempt,
                delay_ms = delay.as_millis(),
                "feed connection lost"
            );
            sink.events(&[FeedEvent::Reconnecting {
                cause,
                attempt,
                delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            }]);
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return,
                () = tokio::time::sleep(delay) => {}
            }
        }
    }

    /// One connection from its first to its last byte.
    async fn connected<S: FeedSink>(&mut self, sink: &mut S) -> End {
        let opened = tokio::select! {
            biased;
            () = stopped(&mut self.stop) => return End::Stopped,
            opened = Connection::open(&self.address, self.tls.as_ref(), &self.limits) => opened,
        };
        let mut connection = match opened {
            Ok(connection) => connection,
            Err(failure) => return End::Lost(failure),
        };
        self.decoder.reconnect((self.now)());
        self.announced.connected();
        self.held.connected(self.decoder.codec().resumes());
        let texts = self.decoder.subscribe(self.held.after());
        if let Err(cause) = connection.say(texts, self.limits.connect).await {
            return End::Lost(cause.into());
        }
        let number = self.counters.connection();
        tracing::info!(url = %self.address.shown, connection = number, "feed connected");
        sink.events(&[FeedEvent::Connected { connection: number }]);
        self.read(&mut connection, sink).await
    }

    async fn read<S: FeedSink>(&mut self, connection: &mut Connection, sink: &mut S) -> End {
        let mut events: Vec<FeedEvent> = Vec::new();
        let mut timer = tokio::time::interval(self.limits.housekeeping);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let heartbeat = self.decoder.codec().heartbeat();
        loop {
            let mut end = None;
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => {
                    connection.goodbye();
                    return End::Stopped;
                }
                _ = timer.tick() => {
                    let now = (self.now)();
                    let before = events.len();
                    self.decoder.poll(now, &mut events);
                    let passed = self.announced.pass(&mut events, before);
                    self.held.take(&mut events, before, now);
                    let kept = passed.and_then(|()| connection.housekeeping(self.limits.idle, heartbeat));
                    if let Err(cause) = kept {
                        end = Some(End::Lost(cause.into()));
                    }
                }
                first = connection.text() => {
                    let mut next = Some(first);
                    let mut taken = 0;
                    while let Some(read) = next.take() {
                        let outcome = match read.and_then(|text| self.text(&text, &mut events)) {
                            Ok(()) => connection.say(self.decoder.due(), self.limits.connect).await,
                            refused => refused,
                        };
                        match outcome {
                            Ok(()) => {}
                            Err(refusal) if refusal.ends_connection() => {
                                end = Some(End::Lost(refusal.into()));
                                break;
                            }
                            Err(refusal) => self.counters.refuse(refusal),
                        }
                        taken += 1;
                        if taken < limits::FEED_MESSAGES_PER_BATCH {
                            next = connection.waiting_text();
                        }
                    }
                }
            }
            self.counters.settle(&mut events);
            if !events.is_empty() {
                sink.events(&events);
                events.clear();
            }
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// One text; an error is the end of the connection.
    fn text(&mut self, text: &str, events: &mut Vec<FeedEvent>) -> Result<(), FeedRefusal> {
        let received_at = (self.now)();
        self.counters.message();
        let before = events.len();
        if let Err(error) = self.decoder.text(text, received_at, events) {
            self.counters.refuse(error.reason());
            if error.reason() == FeedRefusal::SourceError {
                tracing::error!(url = %self.address.shown, %error, "feed refused a request");
            } else {
                tracing::debug!(url = %self.address.shown, %error, "feed message refused");
            }
        }
        let passed = self.announced.pass(events, before);
        if events.len() > before {
            self.backoff.reset();
        }
        self.held.take(events, before, received_at);
        passed
    }
}

/// Returns when the service shall end; all handles gone means the same.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that every handle is gone: nobody could ever stop the service, so it ends.
    drop(stop.wait_for(|stop| *stop).await);
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use super::super::symbols::SymbolTable;
    use super::*;
    use contracts::ids::InstrumentId;

    fn options(url: &str) -> FeedOptions {
        let id = InstrumentId::parse("USDCOP").unwrap();
        FeedOptions::new(url, Source::Native, SymbolTable::plain(&[id], &[]).unwrap(), 1)
    }

    #[test]
    fn what_cannot_work_is_refused_at_once() {
        let start = |options| FeedService::new(options, || UnixNanos(0), None).map(|_| ());
        assert!(start(options("ws://127.0.0.1:9/feed")).is_ok());
        assert!(start(options("wss://feed.example/feed")).is_ok());
        assert!(matches!(
            start(options("http://127.0.0.1:9")),
            Err(FeedError::Url { .. })
        ));
        let mut two = options("ws://127.0.0.1:9");
        two.after = vec![None; 2];
        assert!(matches!(start(two), Err(FeedError::After { .. })));
        let with_authority = |url| FeedOptions {
            ca_file: Some("/no/such.pem".into()),
            ..options(url)
        };
        let unread = start(with_authority("wss://feed.example")).unwrap_err();
        assert!(unread.to_string().contains("/no/such.pem"), "{unread}");
        let unused = start(with_authority("ws://127.0.0.1:9")).unwrap_err();
        assert!(matches!(unused, FeedError::CaUnused { .. }));
        let mut nameless = options("wss://feed.example");
        nameless.source = Source::Alpaca;
        let nameless = start(nameless).unwrap_err();
        assert!(nameless.to_string().contains("api_key_env"), "{nameless}");
    }
}
