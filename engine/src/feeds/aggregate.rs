//! Ticks and one-minute candles become five-minute bars.
//!
//! The grid is the multiples of five minutes since the epoch: every calendar's sessions begin on one, whatever its zone. A
//! bar is final when its last minute is, when a later minute or tick begins, or at close_time + grace; minutes that never
//! came are counted, nothing is filled in. A correction of a bar already delivered delivers it again: the core sees the same
//! time with other content and records a conflict.

use contracts::bar::Bar;
use contracts::limits::BAR_INTERVAL_MS;
use contracts::time::UtcMillis;

use super::event::FeedRefusal;
use crate::core::input::InstrumentIndex;
use crate::limits::MINUTE_MS;

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
        }
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
    pub(super) fn new(instruments: usize) -> Self {
        Self {
            states: vec![State::default(); instruments],
        }
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
        let state = &mut self.states[instrument.0 as usize];
        let Some(window) = state.open(instrument, close_time, out) else {
            state.after_delivery(instrument, minute, correction, out);
            return;
        };
        let slot = window.slot(minute.close_time);
        match window.minutes[slot] {
            Some(known) if known.same_bits(&minute) => out(Outcome::Count(FeedRefusal::DuplicateMinute)),
            Some(_) if !correction => out(Outcome::Count(FeedRefusal::ConflictMinute)),
            _ => window.minutes[slot] = Some(minute),
        }
        if slot == MINUTES - 1 {
            state.deliver(instrument, out);
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
        let Some(window) = state.open(instrument, window_close(minute_close), out) else {
            out(Outcome::Count(FeedRefusal::LateMinute));
            return;
        };
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
                state.deliver(InstrumentIndex(position), out);
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
        out: &mut impl FnMut(Outcome),
    ) -> Option<&mut Window> {
        if self
            .forming
            .is_some_and(|forming| forming.close_time < close_time)
        {
            self.deliver(instrument, out);
        }
        let late = self
            .forming
            .is_some_and(|forming| close_time < forming.close_time)
            || self
                .delivered
                .is_some_and(|delivered| close_time <= delivered.close_time);
        (!late).then(|| self.forming.get_or_insert_with(|| Window::new(close_time)))
    }

    fn deliver(&mut self, instrument: InstrumentIndex, out: &mut impl FnMut(Outcome)) {
        let Some(window) = self.forming.take() else {
            return;
        };
        for _ in window.minutes.iter().filter(|minute| minute.is_none()) {
            out(Outcome::Count(FeedRefusal::MissingMinute));
        }
        if let Some(bar) = window.bar() {
            out(Outcome::Bar(instrument, bar));
        }
        self.delivered = Some(window);
    }

    /// A minute of a bar that has been delivered: only a correction of the last one changes anything.
    fn after_delivery(
        &mut self,
        instrument: InstrumentIndex,
        minute: Bar,
        correction: bool,
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
mod tests {
    use super::*;

    const ONE: InstrumentIndex = InstrumentIndex(0);

    fn minute(close_minute: i64, price: f64) -> Bar {
        Bar {
            close_time: UtcMillis(close_minute * MINUTE_MS),
            open: price,
            high: price + 0.5,
            low: price - 0.5,
            close: price + 0.25,
            volume: 2.0,
        }
    }

    fn push(a: &mut Aggregate, bar: Bar, correction: bool) -> Vec<Outcome> {
        let mut seen = Vec::new();
        a.minute(ONE, bar, correction, &mut |o| seen.push(o));
        seen
    }

    #[test]
    fn five_minutes_make_a_bar() {
        let mut a = Aggregate::new(1);
        for k in 1..5 {
            assert!(push(&mut a, minute(k, 10.0 + k as f64), false).is_empty());
        }
        let expected = Bar {
            close_time: UtcMillis(300_000),
            open: 11.0,
            high: 15.5,
            low: 10.5,
            close: 15.25,
            volume: 10.0,
        };
        assert_eq!(
            push(&mut a, minute(5, 15.0), false),
            [Outcome::Bar(ONE, expected)]
        );
    }

    #[test]
    fn missing_minutes_are_counted_and_the_next_window_closes_the_last() {
        let mut a = Aggregate::new(1);
        push(&mut a, minute(2, 10.0), false);
        push(&mut a, minute(4, 11.0), false);
        let seen = push(&mut a, minute(6, 12.0), false);
        assert_eq!(seen[..3], [Outcome::Count(FeedRefusal::MissingMinute); 3]);
        let Outcome::Bar(_, bar) = seen[3] else {
            panic!("{seen:?}")
        };
        assert_eq!((bar.open, bar.close, bar.volume), (10.0, 11.25, 4.0));
        assert_eq!(
            push(&mut a, minute(3, 9.0), false),
            [Outcome::Count(FeedRefusal::LateMinute)]
        );
    }

    #[test]
    fn grace_closes_what_the_last_minute_does_not() {
        let mut a = Aggregate::new(1);
        push(&mut a, minute(1, 10.0), false);
        let mut seen = Vec::new();
        a.poll(UtcMillis(302_999), 3_000, &mut |o| seen.push(o));
        assert!(seen.is_empty());
        a.poll(UtcMillis(303_000), 3_000, &mut |o| seen.push(o));
        assert_eq!(seen.len(), 5);
    }

    #[test]
    fn the_same_minute_again_is_a_duplicate_a_conflict_or_a_correction() {
        let mut a = Aggregate::new(1);
        push(&mut a, minute(1, 10.0), false);
        assert_eq!(
            push(&mut a, minute(1, 10.0), false),
            [Outcome::Count(FeedRefusal::DuplicateMinute)]
        );
        assert_eq!(
            push(&mut a, minute(1, 10.1), false),
            [Outcome::Count(FeedRefusal::ConflictMinute)]
        );
        assert!(push(&mut a, minute(1, 12.0), true).is_empty());
        for k in 2..5 {
            push(&mut a, minute(k, 11.0), false);
        }
        let [Outcome::Bar(_, first)] = push(&mut a, minute(5, 11.0), false)[..] else {
            panic!("a bar")
        };
        assert_eq!(first.open, 12.0);
        let [Outcome::Bar(_, again)] = push(&mut a, minute(5, 20.0), true)[..] else {
            panic!("a corrected bar")
        };
        assert_eq!((again.close_time, again.close), (first.close_time, 20.25));
        assert_eq!(
            push(&mut a, minute(5, 21.0), false),
            [Outcome::Count(FeedRefusal::ConflictMinute)]
        );
    }

    #[test]
    fn an_impossible_minute_makes_an_impossible_bar() {
        for bad in 1..=5 {
            let mut a = Aggregate::new(1);
            let mut seen = Vec::new();
            for k in 1..=5 {
                let mut bar = minute(k, 10.0);
                if k == bad {
                    bar.high = 1.0;
                }
                seen = push(&mut a, bar, false);
            }
            let [Outcome::Bar(_, bar)] = seen[..] else {
                panic!("a bar")
            };
            assert!(!bar.is_possible(), "minute {bad}");
        }
    }

    #[test]
    fn ticks_fold_into_minutes_and_the_close_belongs_to_the_next_bar() {
        let mut a = Aggregate::new(1);
        let mut seen = Vec::new();
        for (ms, price) in [
            (0, 5.0),
            (30_000, 7.0),
            (60_000, 4.0),
            (299_999, 6.0),
            (300_000, 8.0),
        ] {
            a.tick(ONE, UtcMillis(ms), price, &mut |o| seen.push(o));
        }
        let Some(Outcome::Bar(_, bar)) = seen.pop() else {
            panic!("a bar")
        };
        assert_eq!((bar.open, bar.high, bar.low, bar.close), (5.0, 7.0, 4.0, 6.0));
        assert_eq!(seen, [Outcome::Count(FeedRefusal::MissingMinute); 2]);
        a.tick(ONE, UtcMillis(1), 1.0, &mut |o| seen.push(o));
        assert_eq!(seen.last(), Some(&Outcome::Count(FeedRefusal::LateMinute)));
    }
}
