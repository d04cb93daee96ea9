//! The WebSocket client: one component for every source (Options + Service + Handle + Error).
//!
//! It connects, subscribes after what is held, reads, decodes and hands batches to a [`FeedSink`] on its own thread; when the
//! connection ends, for whatever reason, the reason is counted, said in-band, and the next attempt follows after a wait. It
//! ends only when told to. It needs tokio's net and time drivers, and is content with a current-thread runtime.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use contracts::time::{UnixNanos, UtcMillis};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;

use super::backoff::Backoff;
use super::codec::{Credentials, Source};
use super::connection::{Connection, End};
use super::counters::FeedCounters;
use super::decoder::FeedDecoder;
use super::event::{FeedEvent, FeedRefusal, FeedSink};
use super::held::Held;
use super::history::History;
use super::symbols::SymbolTable;
use crate::limits;

/// Durations and sizes; the defaults are the constants of [`crate::limits`].
#[derive(Debug, Clone, Copy)]
pub struct FeedLimits {
    /// Longest wait for connection and handshake.
    pub connect: Duration,
    /// Longest silence.
    pub idle: Duration,
    /// First wait before a new attempt.
    pub backoff_first: Duration,
    /// Longest wait before a new attempt.
    pub backoff_max: Duration,
    /// How often timers are looked at.
    pub housekeeping: Duration,
    /// Wait for what makes a candle final, in milliseconds.
    pub grace_ms: i64,
    /// Longest message in bytes.
    pub message_bytes_max: usize,
}

impl Default for FeedLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_millis(limits::FEED_CONNECT_MS),
            idle: Duration::from_millis(limits::FEED_IDLE_MS),
            backoff_first: Duration::from_millis(limits::FEED_BACKOFF_FIRST_MS),
            backoff_max: Duration::from_millis(limits::FEED_BACKOFF_MAX_MS),
            housekeeping: Duration::from_millis(limits::FEED_HOUSEKEEPING_MS),
            grace_ms: limits::FEED_GRACE_MS,
            message_bytes_max: limits::FEED_MESSAGE_BYTES_MAX,
        }
    }
}

/// What a feed is told at its start.
#[derive(Debug, Clone)]
pub struct FeedOptions {
    /// `ws://HOST:PORT/…`
    pub url: String,
    /// Whose language is spoken there.
    pub source: Source,
    /// The instruments and series, and what the source calls them.
    pub symbols: SymbolTable,
    /// What the source asks of its clients.
    pub credentials: Credentials,
    /// Newest close time held, by instrument index: the last journaled one. Empty = nothing held.
    pub after: Vec<Option<UtcMillis>>,
    /// Seed of the jitter.
    pub seed: u64,
    /// Durations and sizes.
    pub limits: FeedLimits,
}

impl FeedOptions {
    /// With nothing held, no credentials and the default limits.
    #[must_use]
    pub fn new(url: impl Into<String>, source: Source, symbols: SymbolTable, seed: u64) -> Self {
        Self {
            url: url.into(),
            source,
            symbols,
            credentials: Credentials::default(),
            after: Vec::new(),
            seed,
            limits: FeedLimits::default(),
        }
    }
}

/// Why a feed cannot even begin. Everything later is counted and tried again.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The URL is none. Correct `[feed] url`.
    #[error("`{url}` is no feed address; write it as ws://HOST:PORT/PATH")]
    Url {
        /// As given.
        url: String,
    },
    /// TLS is not built in. Put a TLS-terminating proxy beside the engine and give its ws:// address.
    #[error(
        "`{url}` needs TLS, which this build does not have; run a TLS proxy on this host and give its ws:// address"
    )]
    Tls {
        /// As given.
        url: String,
    },
    /// `after` holds another number of instruments than the symbol table.
    #[error("{given} close times were given for {instruments} instruments")]
    After {
        /// Entries of `after`.
        given: usize,
        /// Instruments.
        instruments: usize,
    },
}

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
    request: Request,
    url: String,
    limits: FeedLimits,
    decoder: FeedDecoder,
    held: Held,
    backoff: Backoff,
    now: C,
    stop: watch::Receiver<bool>,
    counters: Arc<FeedCounters>,
}

impl<C> fmt::Debug for FeedService<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedService")
            .field("url", &self.url)
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
            source,
            symbols,
            credentials,
            mut after,
            seed,
            limits,
        } = options;
        if url.starts_with("wss:") {
            return Err(FeedError::Tls { url });
        }
        let request = match url.as_str().into_client_request() {
            Ok(request) if url.starts_with("ws:") => request,
            _ => return Err(FeedError::Url { url }),
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
            request,
            url,
            limits,
            decoder: FeedDecoder::new(source, symbols, limits.grace_ms).with_credentials(credentials),
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
            let cause = match self.connected(sink).await {
                End::Stopped => return,
                End::Lost(cause) => cause,
            };
            self.counters.refuse(cause);
            let (attempt, delay) = self.backoff.next();
            tracing::warn!(
                url = %self.url,
                cause = cause.word(),
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
            opened = Connection::open(self.request.clone(), &self.limits) => opened,
        };
        let mut connection = match opened {
            Ok(connection) => connection,
            Err(cause) => return End::Lost(cause),
        };
        self.decoder.reconnect();
        self.held.connected(self.decoder.codec().resumes());
        let texts = self.decoder.subscribe(self.held.after());
        if let Err(cause) = connection.say(texts, self.limits.connect).await {
            return End::Lost(cause);
        }
        let number = self.counters.connection();
        tracing::info!(url = %self.url, connection = number, "feed connected");
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
                    self.held.take(&mut events, before, now);
                    if let Err(cause) = connection.housekeeping(self.limits.idle, heartbeat) {
                        end = Some(End::Lost(cause));
                    }
                }
                first = connection.text() => {
                    let mut next = Some(first);
                    let mut taken = 0;
                    while let Some(read) = next.take() {
                        match read {
                            Ok(text) => self.text(&text, &mut events),
                            Err(refusal) if refusal.ends_connection() => {
                                end = Some(End::Lost(refusal));
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

    fn text(&mut self, text: &str, events: &mut Vec<FeedEvent>) {
        let received_at = (self.now)();
        self.counters.message();
        let before = events.len();
        if let Err(error) = self.decoder.text(text, received_at, events) {
            self.counters.refuse(error.reason());
            if error.reason() == FeedRefusal::SourceError {
                tracing::error!(url = %self.url, %error, "feed refused a request");
            } else {
                tracing::debug!(url = %self.url, %error, "feed message refused");
            }
        }
        if events.len() > before {
            self.backoff.reset();
        }
        self.held.take(events, before, received_at);
    }
}

/// Returns when the service shall end; all handles gone means the same.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that every handle is gone: nobody could ever stop the service, so it ends.
    drop(stop.wait_for(|stop| *stop).await);
}

#[cfg(test)]
mod tests {
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
        let tls = start(options("wss://example.com/feed")).unwrap_err();
        assert!(tls.to_string().contains("TLS proxy"), "{tls}");
        for bad in ["", "127.0.0.1:9", "http://127.0.0.1:9", "ws://"] {
            assert!(matches!(start(options(bad)), Err(FeedError::Url { .. })), "{bad}");
        }
        let mut two = options("ws://127.0.0.1:9");
        two.after = vec![None; 2];
        assert!(matches!(start(two), Err(FeedError::After { .. })));
    }
}
