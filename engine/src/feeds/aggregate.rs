//! Ticks and one-minute candles become five-minute bars.
//!
//! The grid is the multiples of five minutes since the epoch: every calendar's sessions begin on one, whatever its zone. A
//! bar is final when its last minute is, when a later minute or tick begins, or at close_time + grace; minutes that never
//! came are counted, nothing is filled in. A bar that began before this connection could hear of it is delivered only when all
//! its minutes came as closed candles: an open, high or low made of what was heard would be a guess. A correction of a bar already delivered delivers it again: the core sees the same
//! time with other content and records a conflict.

use contracts::bar::Bar;
use contracts::limits::BAR_INTERVAL_MS;
use contracts::time::UtcMillis;

use super::event::FeedRefusal;
use crate::core::input::InstrumentIndex;
use crate::limits::{FEED_SUBSCRIBE_MS, MINUTE_MS};

/// Minutes in a bar.
const MINUTES: usize = 5;

/// What one minute, tick or poll led to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Outcome {
    /// A closed five-minute bar.
    Bar(InstrumentIndex, Bar),
    /// Something to count.
    Count(FeedRefusal),
}

/// The five minutes of one bar.
#[derive(Debug, Clone, Copy)]
struct Window {
    close_time: UtcMillis,
    minutes: [Option<Bar>; MINUTES],
    /// Made of ticks: a minute that is there need not be all of it.
    ticked: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    forming: Option<Window>,
    /// The last one delivered, for corrections and to tell late from new.
    delivered: Option<Window>,
}

/// Minutes and ticks of every instrument.
#[derive(Debug)]
pub(super) struct Aggregate {
    states: Vec<State>,
    /// Nothing that began from here on was missed by this connection.
    heard_from: UtcMillis,
}

/// The end of the five minutes in which something closing at `close_time` lies.
fn window_close(close_time: UtcMillis) -> UtcMillis {
    let past = close_time.0.rem_euclid(BAR_INTERVAL_MS);
    if past == 0 {
        close_time
    } else {
        close_time.plus_ms(BAR_INTERVAL_MS - past)
    }
}

impl Window {
    const fn new(close_time: UtcMillis) -> Self {
        Self {
            close_time,
            minutes: [None; MINUTES],
            ticked: false,
        }
    }

    /// Whether nothing of it was missed before this connection heard.
    fn is_whole(&self, heard_from: UtcMillis) -> bool {
        let heard = self.close_time.plus_ms(-BAR_INTERVAL_MS) >= heard_from;
        heard || (!self.ticked && self.minutes.iter().all(Option::is_some))
    }

    /// Position of the minute that closes at `close_time`.
    fn slot(&self, close_time: UtcMillis) -> usize {
        let minutes_before_end = (self.close_time.0 - close_time.0).div_euclid(MINUTE_MS);
        MINUTES - 1 - usize::try_from(minutes_before_end).map_or(MINUTES - 1, |m| m.min(MINUTES - 1))
    }

    /// The bar, if any minute came. An impossible minute is passed on as it is, so that the core quarantines the bar
    /// instead of a maximum or minimum hiding what was wrong.
    fn bar(&self) -> Option<Bar> {
        let mut present = self.minutes.iter().flatten();
        let mut bar = *present.next()?;
        for minute in present {
            if !bar.is_possible() {
                break;
            }
            bar = if minute.is_possible() {
                Bar {
                    high: bar.high.max(minute.high),
                    low: bar.low.min(minute.low),
                    close: minute.close,
                    volume: bar.volume + minute.volume,
                    ..bar
                }
            } else {
                *minute
            };
        }
        Some(Bar {
            close_time: self.close_time,
            ..bar
        })
    }
}

impl Aggregate {
    /// For a stream that is read from its beginning.
    pub(super) fn new(instruments: usize) -> Self {
        Self {
            states: vec![State::default(); instruments],
            heard_from: UtcMillis(i64::MIN),
        }
    }

    /// A connection that was opened at `now`: what is sent is heard from a little later on. Minutes heard before stay.
    pub(super) fn connected(&mut self, now: UtcMillis) {
        self.heard_from = now.plus_ms(FEED_SUBSCRIBE_MS);
    }

    /// The connection is there at `now`. A reading before its opening shows that the clock was ahead then.
    pub(super) fn listening(&mut self, now: UtcMillis) {
        self.heard_from = self.heard_from.min(now.plus_ms(FEED_SUBSCRIBE_MS));
    }

    /// The source goes on after what is held, wherever that is: nothing is missed, and its time is not the clock's.
    pub(super) const fn replays(&mut self) {
        self.heard_from = UtcMillis(i64::MIN);
    }

    /// A closed minute; `minute.close_time` lies on the minute grid.
    pub(super) fn minute(
        &mut self,
        instrument: InstrumentIndex,
        minute: Bar,
        correction: bool,
        out: &mut impl FnMut(Outcome),
    ) {
        let close_time = window_close(minute.close_time);
        let heard_from = self.heard_from;
        let state = &mut self.states[instrument.0 as usize];
        let Some(window) = state.open(instrument, close_time, heard_from, out) else {
            state.after_delivery(instrument, minute, correction, heard_from, out);
            return;
        };
        let slot = window.slot(minute.close_time);
        match window.minutes[slot] {
            Some(known) if known.same_bits(&minute) => out(Outcome::Count(FeedRefusal::DuplicateMinute)),
            Some(_) if !correction => out(Outcome::Count(FeedRefusal::ConflictMinute)),
            _ => window.minutes[slot] = Some(minute),
        }
        if slot == MINUTES - 1 {
            state.deliver(instrument, heard_from, out);
        }
    }

    /// A price. It belongs to the minute that has begun at or before it, so a tick on the bar's close opens the next one.
    pub(super) fn tick(
        &mut self,
        instrument: InstrumentIndex,
        time: UtcMillis,
        price: f64,
        out: &mut impl FnMut(Outcome),
    ) {
        let minute_close = UtcMillis(time.0.div_euclid(MINUTE_MS) * MINUTE_MS + MINUTE_MS);
        let state = &mut self.states[instrument.0 as usize];
        let Some(window) = state.open(instrument, window_close(minute_close), self.heard_from, out) else {
            out(Outcome::Count(FeedRefusal::LateMinute));
            return;
        };
        window.ticked = true;
        let slot = window.slot(minute_close);
        let minute = window.minutes[slot].get_or_insert(Bar {
            close_time: minute_close,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: 0.0,
        });
        minute.high = minute.high.max(price);
        minute.low = minute.low.min(price);
        minute.close = price;
    }

    /// Delivers every bar whose grace has passed at `now`.
    pub(super) fn poll(&mut self, now: UtcMillis, grace_ms: i64, out: &mut impl FnMut(Outcome)) {
        for (position, state) in (0_u32..).zip(&mut self.states) {
            if state
                .forming
                .is_some_and(|window| window.close_time.plus_ms(grace_ms) <= now)
            {
                state.deliver(InstrumentIndex(position), self.heard_from, out);
            }
        }
    }
}

impl State {
    /// The window that ends at `close_time`, opened if it is new; `None` when it has been delivered already. Opening one
    /// delivers the one before.
    fn open(
        &mut self,
        instrument: InstrumentIndex,
        close_time: UtcMillis,
        heard_from: UtcMillis,
        out: &mut impl FnMut(Outcome),
    ) -> Option<&mut Window> {
        if self
            .forming
            .is_some_and(|forming| forming.close_time < close_time)
        {
            self.deliver(instrument, heard_from, out);
        }
        let late = self
            .forming
            .is_some_and(|forming| close_time < forming.close_time)
            || self
                .delivered
                .is_some_and(|delivered| close_time <= delivered.close_time);
        (!late).then(|| self.forming.get_or_insert_with(|| Window::new(close_time)))
    }

    fn deliver(&mut self, instrument: InstrumentIndex, heard_from: UtcMillis, out: &mut impl FnMut(Outcome)) {
        let Some(window) = self.forming.take() else {
            return;
        };
        self.delivered = Some(window);
        if !window.is_whole(heard_from) {
            return out(Outcome::Count(FeedRefusal::PartialWindow));
        }
        for _ in window.minutes.iter().filter(|minute| minute.is_none()) {
            out(Outcome::Count(FeedRefusal::MissingMinute));
        }
        if let Some(bar) = window.bar() {
            out(Outcome::Bar(instrument, bar));
        }
    }

    /// A minute of a bar that has been delivered: only a correction of the last one changes anything.
    fn after_delivery(
        &mut self,
        instrument: InstrumentIndex,
        minute: Bar,
        correction: bool,
        heard_from: UtcMillis,
        out: &mut impl FnMut(Outcome),
    ) {
        let close_time = window_close(minute.close_time);
        let last = self
            .delivered
            .as_mut()
            .filter(|window| window.close_time == close_time);
        let Some(window) = last else {
            return out(Outcome::Count(FeedRefusal::LateMinute));
        };
        let slot = window.slot(minute.close_time);
        match window.minutes[slot] {
            Some(known) if known.same_bits(&minute) => out(Outcome::Count(FeedRefusal::DuplicateMinute)),
            _ if correction => {
                window.minutes[slot] = Some(minute);
                if !window.is_whole(heard_from) {
                    return out(Outcome::Count(FeedRefusal::LateMinute));
                }
                if let Some(bar) = window.bar() {
                    out(Outcome::Bar(instrument, bar));
                }
            }
            Some(_) => out(Outcome::Count(FeedRefusal::ConflictMinute)),
            None => out(Outcome::Count(FeedRefusal::LateMinute)),
        }
    }
}

#[cfg(test)]
mod tests;
