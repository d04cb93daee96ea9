//! Text in, closed five-minute bars out: codec → candles made final → aggregation.
//!
//! Time is data here: [`FeedDecoder::poll`] is told what time it is. In a replay the wall clock says nothing about grace, so
//! there a candle is final only when a later one begins or the replay ends.

use contracts::bar::Bar;
use contracts::native::FeedMode;
use contracts::time::{UnixNanos, UtcMillis};

use super::aggregate::{Aggregate, Outcome};
use super::candles::Forming;
use super::codec::{After, Codec, DecodeError, Decoded, Finality, Source, Width};
use super::credentials::Credentials;
use super::event::{FeedEvent, FeedRefusal};
use super::symbols::SymbolTable;
use crate::core::input::InstrumentIndex;
use crate::limits::FUTURE_TOLERANCE_MS;

/// After the end of a replay everything is past its grace.
const END_OF_TIME: UtcMillis = UtcMillis(i64::MAX);

/// One source's messages, all the way to events.
pub struct FeedDecoder {
    source: Source,
    symbols: SymbolTable,
    credentials: Credentials,
    codec: Box<dyn Codec + Send>,
    forming: Forming,
    aggregate: Aggregate,
    grace_ms: i64,
    mode: FeedMode,
    decoded: Vec<Decoded>,
}

impl FeedDecoder {
    /// For a stream that is read from its beginning; [`FeedDecoder::reconnect`] begins one that is not.
    ///
    /// `grace_ms`: how long after its close an unflagged candle, or a bar with missing minutes, is waited for.
    #[must_use]
    pub fn new(source: Source, symbols: SymbolTable, grace_ms: i64) -> Self {
        let credentials = Credentials::default();
        let instruments = symbols.len();
        Self {
            source,
            codec: source.codec(symbols.clone(), &credentials),
            symbols,
            credentials,
            forming: Forming::new(instruments),
            aggregate: Aggregate::new(instruments),
            grace_ms,
            mode: FeedMode::Live,
            decoded: Vec::new(),
        }
    }

    /// The same for a source that asks its clients who they are.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.codec = self.source.codec(self.symbols.clone(), &credentials);
        self.credentials = credentials;
        self
    }

    /// Starts a new connection at `now`: the codec begins afresh and candles in progress are forgotten; closed minutes are kept. What
    /// was sent before `now` was not heard.
    pub fn reconnect(&mut self, now: UnixNanos) {
        self.codec = self.source.codec(self.symbols.clone(), &self.credentials);
        self.forming.clear();
        self.aggregate.connected(now.to_millis());
        self.mode = FeedMode::Live;
    }

    /// The codec of this connection.
    #[must_use]
    pub fn codec(&self) -> &dyn Codec {
        &*self.codec
    }

    /// The names.
    #[must_use]
    pub const fn symbols(&self) -> &SymbolTable {
        &self.symbols
    }

    /// The texts that open the stream; see [`Codec::subscribe`].
    #[must_use]
    pub fn subscribe(&self, after: &After) -> Vec<String> {
        self.codec.subscribe(after)
    }

    /// Texts to send because of what was read last; see [`Codec::due`].
    #[must_use]
    pub fn due(&mut self) -> Vec<String> {
        self.codec.due()
    }

    /// Reads one text message and appends what it leads to.
    ///
    /// # Errors
    /// [`DecodeError`] when the message or its rest is none; what was appended before stands.
    pub fn text(
        &mut self,
        text: &str,
        received_at: UnixNanos,
        out: &mut Vec<FeedEvent>,
    ) -> Result<(), DecodeError> {
        self.aggregate.listening(received_at.to_millis());
        let mut decoded = std::mem::take(&mut self.decoded);
        decoded.clear();
        let result = self.codec.decode(text, received_at, &mut decoded);
        for &item in &decoded {
            self.item(item, received_at, out);
        }
        self.decoded = decoded;
        result
    }

    /// Makes final what is past its grace at `now`. To be called a few times a second.
    pub fn poll(&mut self, now: UnixNanos, out: &mut Vec<FeedEvent>) {
        if self.mode == FeedMode::Live {
            self.aggregate.listening(now.to_millis());
            self.finish(now.to_millis(), now, out);
        }
    }

    /// True for what would be held or opened in the future: there is at most one candle in progress, and it ends within its width.
    /// A closed five-minute bar is not looked at: the core refuses it, and nothing is kept of it here.
    fn is_ahead(&self, item: Decoded, received_at: UnixNanos) -> bool {
        let (close_time, width_ms) = match item {
            Decoded::Candle {
                width: Width::FiveMinutes,
                finality: Finality::Final | Finality::Correction,
                ..
            }
            | Decoded::Event(_) => return false,
            Decoded::Candle { candle, width, .. } => (candle.close_time, width.ms()),
            Decoded::Tick { time, .. } => (time, 0),
        };
        let allowed = received_at.to_millis().plus_ms(width_ms + FUTURE_TOLERANCE_MS);
        self.mode == FeedMode::Live && close_time > allowed
    }

    fn item(&mut self, item: Decoded, received_at: UnixNanos, out: &mut Vec<FeedEvent>) {
        if self.is_ahead(item, received_at) {
            return out.push(event(Outcome::Count(FeedRefusal::Future), received_at));
        }
        match item {
            Decoded::Candle {
                instrument,
                width,
                finality,
                candle,
            } => {
                let closed = match finality {
                    Finality::Unflagged => self.forming.push(instrument, width, candle),
                    Finality::Final | Finality::Correction => Some(candle),
                };
                if let Some(candle) = closed {
                    let correction = finality == Finality::Correction;
                    self.closed(instrument, width, candle, correction, received_at, out);
                }
            }
            Decoded::Tick {
                instrument,
                time,
                price,
            } => self
                .aggregate
                .tick(instrument, time, price, &mut |o| out.push(event(o, received_at))),
            Decoded::Event(event) => {
                match event {
                    FeedEvent::Hello { mode, .. } => {
                        self.mode = mode;
                        if mode == FeedMode::Replay {
                            self.aggregate.replays();
                        }
                    }
                    FeedEvent::End => self.finish(END_OF_TIME, received_at, out),
                    _ => {}
                }
                out.push(event);
            }
        }
    }

    fn closed(
        &mut self,
        instrument: InstrumentIndex,
        width: Width,
        candle: Bar,
        correction: bool,
        received_at: UnixNanos,
        out: &mut Vec<FeedEvent>,
    ) {
        match width {
            Width::FiveMinutes => out.push(event(Outcome::Bar(instrument, candle), received_at)),
            Width::Minute => self.aggregate.minute(instrument, candle, correction, &mut |o| {
                out.push(event(o, received_at));
            }),
        }
    }

    fn finish(&mut self, now: UtcMillis, received_at: UnixNanos, out: &mut Vec<FeedEvent>) {
        let Self {
            forming,
            aggregate,
            grace_ms,
            ..
        } = self;
        let mut push = |outcome| out.push(event(outcome, received_at));
        forming.poll(now, *grace_ms, |instrument, width, bar| match width {
            Width::FiveMinutes => push(Outcome::Bar(instrument, bar)),
            Width::Minute => aggregate.minute(instrument, bar, false, &mut push),
        });
        aggregate.poll(now, *grace_ms, &mut push);
    }
}

fn event(outcome: Outcome, received_at: UnixNanos) -> FeedEvent {
    match outcome {
        Outcome::Bar(instrument, bar) => FeedEvent::Bar {
            instrument,
            bar,
            received_at,
            backfilled: false,
        },
        Outcome::Count(reason) => FeedEvent::Ignored { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MINUTE_MS;
    use contracts::ids::InstrumentId;

    fn decoder() -> FeedDecoder {
        let id = InstrumentId::parse("USDCOP").unwrap();
        let symbols = SymbolTable::plain(&[id], &[]).unwrap();
        FeedDecoder::new(Source::Native, symbols, 3_000)
    }

    fn tick(time: &str, price: f64) -> String {
        format!(r#"{{"type":"tick","instrument":"USDCOP","time":"{time}","price":{price}}}"#)
    }

    fn at(time: &str) -> UnixNanos {
        UnixNanos(UtcMillis::parse(time).unwrap().0 * 1_000_000)
    }

    fn bars(events: &[FeedEvent]) -> usize {
        events
            .iter()
            .filter(|e| matches!(e, FeedEvent::Bar { .. }))
            .count()
    }

    #[test]
    fn live_ticks_close_by_grace() {
        let (mut d, mut out) = (decoder(), Vec::new());
        d.text(
            &tick("2026-01-05T13:00:01Z", 4100.0),
            at("2026-01-05T13:00:01Z"),
            &mut out,
        )
        .unwrap();
        let close = UtcMillis::parse("2026-01-05T13:05:00Z").unwrap().0 * 1_000_000;
        d.poll(UnixNanos(close), &mut out);
        assert_eq!(bars(&out), 0);
        d.poll(UnixNanos(close + 3_000_000_000), &mut out);
        assert_eq!(bars(&out), 1);
    }

    #[test]
    fn the_bar_at_hand_when_a_connection_is_made_is_left_out_and_the_next_is_not() {
        let (mut d, mut out) = (decoder(), Vec::new());
        let minutes = |d: &mut FeedDecoder, out: &mut Vec<FeedEvent>, range: std::ops::Range<u32>| {
            for minute in range {
                let time = format!("2026-01-05T13:{minute:02}:30Z");
                d.text(&tick(&time, 4100.0), at(&time), out).unwrap();
            }
        };
        let partial = FeedEvent::Ignored {
            reason: FeedRefusal::PartialWindow,
        };
        let counts = |out: &mut Vec<FeedEvent>| {
            let seen = (bars(out), out.iter().filter(|event| **event == partial).count());
            out.clear();
            seen
        };
        d.reconnect(at("2026-01-05T13:02:10Z"));
        minutes(&mut d, &mut out, 2..6);
        assert_eq!(counts(&mut out), (0, 1));
        minutes(&mut d, &mut out, 6..11);
        assert_eq!(counts(&mut out), (1, 0));
        // A break in the third bar, which was heard from its beginning by the connection before.
        minutes(&mut d, &mut out, 11..13);
        d.reconnect(at("2026-01-05T13:13:10Z"));
        minutes(&mut d, &mut out, 13..16);
        assert_eq!(counts(&mut out), (0, 1));
        minutes(&mut d, &mut out, 16..21);
        assert_eq!(counts(&mut out), (1, 0));
    }

    #[test]
    fn in_a_replay_the_wall_clock_closes_nothing_and_the_end_closes_all() {
        let (mut d, mut out) = (decoder(), Vec::new());
        let hello = r#"{"type":"hello","mode":"replay","speed":"max"}"#;
        d.text(hello, UnixNanos(0), &mut out).unwrap();
        d.text(&tick("2026-01-05T13:00:01Z", 4100.0), UnixNanos(0), &mut out)
            .unwrap();
        d.poll(UnixNanos(i64::MAX), &mut out);
        assert_eq!(bars(&out), 0);
        d.text(r#"{"type":"end"}"#, UnixNanos(7), &mut out).unwrap();
        assert_eq!(bars(&out), 1);
        assert_eq!(out.last(), Some(&FeedEvent::End));
    }

    #[test]
    fn one_tick_from_the_future_costs_itself_only() {
        let (mut d, mut out) = (decoder(), Vec::new());
        let mut say = |time: &str, now: &str| d.text(&tick(time, 4100.0), at(now), &mut out).unwrap();
        say("2026-01-05T13:00:01Z", "2026-01-05T13:00:01Z");
        say("2036-01-05T13:00:01Z", "2026-01-05T13:00:02Z");
        say("2026-01-05T13:04:59Z", "2026-01-05T13:04:57Z");
        say("2026-01-05T13:05:00Z", "2026-01-05T13:05:00Z");
        let refused = |reason| out.contains(&FeedEvent::Ignored { reason });
        assert!(refused(FeedRefusal::Future) && !refused(FeedRefusal::LateMinute));
        assert_eq!(bars(&out), 1, "{out:?}");
    }

    #[test]
    fn a_future_candle_does_not_make_those_in_progress_final() {
        let id = InstrumentId::parse("USDCOP").unwrap();
        let symbols = SymbolTable::plain(&[id], &[]).unwrap();
        let mut d = FeedDecoder::new(Source::Native, symbols, 3_000);
        let mut out = Vec::new();
        let now = UtcMillis::parse("2026-01-05T13:01:00Z").unwrap();
        let mut candle = |finality, width, ahead_ms| {
            let close_time = now.plus_ms(ahead_ms);
            let candle = Decoded::Candle {
                instrument: InstrumentIndex(0),
                width,
                finality,
                candle: Bar {
                    close_time,
                    ..Bar::default()
                },
            };
            out.clear();
            d.item(candle, UnixNanos(now.0 * 1_000_000), &mut out);
            out.clone()
        };
        let future = [FeedEvent::Ignored {
            reason: FeedRefusal::Future,
        }];
        let unflagged = Finality::Unflagged;
        assert_eq!(candle(unflagged, Width::FiveMinutes, 4 * MINUTE_MS), []);
        assert_eq!(candle(unflagged, Width::FiveMinutes, 9 * MINUTE_MS), future);
        assert_eq!(
            candle(unflagged, Width::FiveMinutes, 4 * MINUTE_MS),
            [],
            "still in progress"
        );
        assert_eq!(candle(unflagged, Width::Minute, 2 * MINUTE_MS), future);
        assert_eq!(candle(Finality::Final, Width::Minute, 9 * MINUTE_MS), future);
        let passed = candle(Finality::Final, Width::FiveMinutes, 9 * MINUTE_MS);
        assert_eq!(bars(&passed), 1, "for the core to refuse");
    }
}
