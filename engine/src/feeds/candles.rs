//! Candles of sources without a final flag become final: when the next one begins, or at close_time + grace.
//!
//! One candle per instrument and width is held back, always the newest version of it. Candles in progress never pass.

use contracts::bar::Bar;
use contracts::time::UtcMillis;

use super::codec::Width;
use crate::core::input::InstrumentIndex;

/// The newest version of the candle in progress, per instrument and width.
#[derive(Debug)]
pub(super) struct Forming {
    held: Vec<[Option<Bar>; 2]>,
}

const WIDTHS: [Width; 2] = [Width::Minute, Width::FiveMinutes];

impl Forming {
    pub(super) fn new(instruments: usize) -> Self {
        Self {
            held: vec![[None; 2]; instruments],
        }
    }

    /// Takes a version of a candle; returns the candle that is final because of it.
    ///
    /// A version of a candle older than the one held belongs to a closed candle: it is final as it is (what it says twice,
    /// or differently, is for the next stage to see).
    pub(super) fn push(&mut self, instrument: InstrumentIndex, width: Width, candle: Bar) -> Option<Bar> {
        let held = &mut self.held[instrument.0 as usize][width as usize];
        match held {
            Some(current) if candle.close_time < current.close_time => Some(candle),
            Some(current) if candle.close_time == current.close_time => {
                *current = candle;
                None
            }
            _ => held.replace(candle),
        }
    }

    /// Calls `emit` for every candle whose grace has passed at `now` and forgets it.
    pub(super) fn poll(
        &mut self,
        now: UtcMillis,
        grace_ms: i64,
        mut emit: impl FnMut(InstrumentIndex, Width, Bar),
    ) {
        for (position, widths) in (0_u32..).zip(&mut self.held) {
            for (held, width) in widths.iter_mut().zip(WIDTHS) {
                if held.is_some_and(|bar| bar.close_time.plus_ms(grace_ms) <= now)
                    && let Some(bar) = held.take()
                {
                    emit(InstrumentIndex(position), width, bar);
                }
            }
        }
    }

    /// Forgets all: after a break nobody knows what became of a candle in progress, and the source sends it again.
    pub(super) fn clear(&mut self) {
        self.held.fill([None; 2]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candle(minute: i64, close: f64) -> Bar {
        Bar {
            close_time: UtcMillis(minute * 60_000),
            open: 1.0,
            high: 2.0,
            low: 1.0,
            close,
            volume: 1.0,
        }
    }

    #[test]
    fn final_when_the_next_begins_and_only_the_newest_version() {
        let mut forming = Forming::new(1);
        let one = InstrumentIndex(0);
        assert_eq!(forming.push(one, Width::Minute, candle(1, 1.1)), None);
        assert_eq!(forming.push(one, Width::Minute, candle(1, 1.2)), None);
        assert_eq!(forming.push(one, Width::FiveMinutes, candle(5, 9.0)), None);
        assert_eq!(
            forming.push(one, Width::Minute, candle(2, 1.3)),
            Some(candle(1, 1.2))
        );
        // A late version of the closed one passes on, and the one in progress stays.
        assert_eq!(
            forming.push(one, Width::Minute, candle(1, 1.25)),
            Some(candle(1, 1.25))
        );
        assert_eq!(
            forming.push(one, Width::Minute, candle(3, 1.4)),
            Some(candle(2, 1.3))
        );
    }

    #[test]
    fn final_when_grace_has_passed_and_not_before() {
        let mut forming = Forming::new(2);
        forming.push(InstrumentIndex(1), Width::FiveMinutes, candle(5, 1.5));
        let mut seen = Vec::new();
        forming.poll(UtcMillis(302_999), 3_000, |i, w, b| seen.push((i, w, b)));
        assert!(seen.is_empty());
        forming.poll(UtcMillis(303_000), 3_000, |i, w, b| seen.push((i, w, b)));
        forming.poll(UtcMillis(900_000), 3_000, |i, w, b| seen.push((i, w, b)));
        assert_eq!(seen, [(InstrumentIndex(1), Width::FiveMinutes, candle(5, 1.5))]);
    }
}
