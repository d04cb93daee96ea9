//! Wilder's relative strength index, as TA-Lib computes it.
//!
//! Source: J. W. Wilder, *New Concepts in Technical Trading Systems* (1978); seeding by the mean of the first `period` moves
//! and the order of the arithmetic follow TA-Lib's `RSI`, so results agree to the last bits. One case differs on purpose:
//! where nothing has ever moved the index is 50, not 0.

use contracts::bar::Bar;

use super::BarOperator;
use crate::bytes::{LoadStateError, put_f64, put_u8, put_u32, take_f64, take_u8, take_u32};
use crate::limits::WILDER_SETTLED_PERIODS;

/// RSI of closes, 0 to 100.
#[derive(Debug, Clone)]
pub struct Rsi {
    period: u32,
    /// Bars seen, up to `period + 1`.
    seen: u32,
    /// Some close differed from the one before.
    moved: bool,
    previous_close: f64,
    /// Sum, then Wilder average, of rises.
    gain: f64,
    /// Sum, then Wilder average, of falls.
    loss: f64,
}

impl Rsi {
    /// Of Wilder period `period` ≥ 2.
    #[must_use]
    pub const fn new(period: u16) -> Self {
        Self {
            period: period as u32,
            seen: 0,
            moved: false,
            previous_close: 0.0,
            gain: 0.0,
            loss: 0.0,
        }
    }

    fn value(&self) -> f64 {
        let sum = self.gain + self.loss;
        if !self.moved {
            50.0
        } else if sum == 0.0 {
            0.0
        } else {
            100.0 * (self.gain / sum)
        }
    }
}

impl BarOperator for Rsi {
    fn defined_after(&self) -> u32 {
        self.period + 1
    }

    /// The one exception to what settling promises: where no close has moved within these bars the index still shows what moved
    /// before, because a ratio of two averages does not change while both decay. From the next close that moves on it holds again.
    fn settled_after(&self) -> u32 {
        WILDER_SETTLED_PERIODS * self.period
    }

    fn update(&mut self, bar: &Bar) -> f64 {
        let change = bar.close - self.previous_close;
        self.previous_close = bar.close;
        if self.seen == 0 {
            self.seen = 1;
            return f64::NAN;
        }
        let n = f64::from(self.period);
        self.moved |= change != 0.0;
        let averaging = self.seen > self.period;
        if averaging {
            self.loss *= n - 1.0;
            self.gain *= n - 1.0;
        }
        if change < 0.0 {
            self.loss -= change;
        } else {
            self.gain += change;
        }
        if averaging || self.seen == self.period {
            self.loss /= n;
            self.gain /= n;
        }
        if !averaging {
            self.seen += 1;
        }
        if self.seen > self.period {
            self.value()
        } else {
            f64::NAN
        }
    }

    fn reset(&mut self) {
        (self.seen, self.moved) = (0, false);
        (self.previous_close, self.gain, self.loss) = (0.0, 0.0, 0.0);
    }

    fn save(&self, out: &mut Vec<u8>) {
        put_u32(out, self.seen);
        put_u8(out, u8::from(self.moved));
        put_f64(out, self.previous_close);
        put_f64(out, self.gain);
        put_f64(out, self.loss);
    }

    fn load(&mut self, input: &mut &[u8]) -> Result<(), LoadStateError> {
        self.seen = take_u32(input)?;
        if self.seen > self.period + 1 {
            return Err(LoadStateError("an RSI has seen more bars than it counts"));
        }
        self.moved = take_u8(input)? != 0;
        self.previous_close = take_f64(input)?;
        self.gain = take_f64(input)?;
        self.loss = take_f64(input)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(closes: &[f64]) -> f64 {
        let mut rsi = Rsi::new(2);
        let bar = |close| Bar {
            close,
            ..Bar::default()
        };
        closes
            .iter()
            .map(|close| rsi.update(&bar(*close)))
            .last()
            .unwrap()
    }

    #[test]
    fn worked_by_hand() {
        assert!(last(&[1.0, 2.0]).is_nan());
        // Mean rise 0.5, mean fall 0.25.
        assert_eq!(last(&[1.0, 2.0, 1.5]), 100.0 * (0.5 / 0.75));
        // Then a fall of 1: rise 0.25, fall (0.25 + 1)/2.
        assert_eq!(last(&[1.0, 2.0, 1.5, 0.5]), 100.0 * (0.25 / 0.875));
        assert_eq!(last(&[1.0, 2.0, 3.0]), 100.0);
    }

    #[test]
    fn a_window_in_which_nothing_moves_does_not_settle_it_and_the_next_move_does() {
        let value = |closes: &[f64]| {
            let mut rsi = Rsi::new(9);
            let mut value = f64::NAN;
            for close in closes {
                value = rsi.update(&Bar {
                    close: *close,
                    ..Bar::default()
                });
            }
            value
        };
        let settled = Rsi::new(9).settled_after() as usize;
        let mut closes: Vec<f64> = (0..300).map(|i| 100.0 + f64::from(i % 7)).collect();
        let start = closes.len();
        closes.resize(start + settled, 100.0);
        let differ = |closes: &[f64]| (value(closes) - value(&closes[start..])).abs();
        assert!(differ(&closes) > 1.0, "what moved before still shows");
        closes.push(100.5);
        assert!(differ(&closes) < 1e-6 * 100.0, "{}", differ(&closes));
    }

    #[test]
    fn where_nothing_has_ever_moved_it_is_fifty() {
        assert_eq!(last(&[5.0; 40]), 50.0);
        let mut closes = vec![5.0; 500];
        closes[0] = 4.0;
        assert_eq!(last(&closes), 100.0, "one rise, long ago");
        closes.resize(2_000, 5.0);
        assert_eq!(
            last(&closes),
            0.0,
            "TA-Lib's answer once the rise has decayed to nothing"
        );
    }
}
