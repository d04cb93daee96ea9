//! Normalised average true range: Wilder ATR / close × 100, as TA-Lib's `NATR`.
//!
//! Source: Wilder (1978); the first average is the plain mean of the first `period` true ranges, which begin with the second
//! bar, as in TA-Lib.

use contracts::bar::Bar;
use contracts::features::RangeSource;

use super::BarOperator;
use super::range::Prices;
use crate::bytes::{LoadStateError, put_f64, put_u32, take_f64, take_u32};
use crate::limits::WILDER_SETTLED_PERIODS;

/// NATR in percent of the close.
#[derive(Debug, Clone)]
pub struct Natr {
    period: u32,
    range: RangeSource,
    /// Bars seen, up to `period + 1`.
    seen: u32,
    previous_close: f64,
    /// Sum, then Wilder average, of true ranges.
    average: f64,
}

impl Natr {
    /// Of Wilder period `period` ≥ 2.
    #[must_use]
    pub const fn new(period: u16, range: RangeSource) -> Self {
        Self {
            period: period as u32,
            range,
            seen: 0,
            previous_close: 0.0,
            average: 0.0,
        }
    }
}

impl BarOperator for Natr {
    fn defined_after(&self) -> u32 {
        self.period + 1
    }

    fn settled_after(&self) -> u32 {
        WILDER_SETTLED_PERIODS * self.period
    }

    fn update(&mut self, bar: &Bar) -> f64 {
        let prices = Prices::of(bar, self.range);
        let true_range = prices.true_range(self.previous_close);
        self.previous_close = prices.close;
        if self.seen == 0 {
            self.seen = 1;
            return f64::NAN;
        }
        let n = f64::from(self.period);
        if self.seen > self.period {
            self.average = (self.average * (n - 1.0) + true_range) / n;
        } else {
            self.average += true_range;
            if self.seen == self.period {
                self.average /= n;
            }
            self.seen += 1;
        }
        if self.seen <= self.period {
            f64::NAN
        } else {
            (self.average / prices.close) * 100.0
        }
    }

    fn reset(&mut self) {
        (self.seen, self.previous_close, self.average) = (0, 0.0, 0.0);
    }

    fn save(&self, out: &mut Vec<u8>) {
        put_u32(out, self.seen);
        put_f64(out, self.previous_close);
        put_f64(out, self.average);
    }

    fn load(&mut self, input: &mut &[u8]) -> Result<(), LoadStateError> {
        self.seen = take_u32(input)?;
        if self.seen > self.period + 1 {
            return Err(LoadStateError("a NATR has seen more bars than it counts"));
        }
        self.previous_close = take_f64(input)?;
        self.average = take_f64(input)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worked_by_hand() {
        let bars = [
            (10.0, 9.0, 9.5),
            (11.0, 10.0, 10.0),
            (10.5, 9.5, 10.0),
            (13.0, 12.0, 12.5),
        ]
        .map(|(high, low, close)| Bar {
            high,
            low,
            close,
            ..Bar::default()
        });
        let run = |range| {
            let mut natr = Natr::new(2, range);
            bars.map(|bar| natr.update(&bar))
        };
        let values = run(RangeSource::Ohlc);
        assert!(values[1].is_nan());
        // True ranges 1.5, 1.0, 3.0.
        assert_eq!(values[2], 1.25 / 10.0 * 100.0);
        assert_eq!(values[3], (1.25 + 3.0) / 2.0 / 12.5 * 100.0);
        // Of closes only: moves 0.5, 0.0, 2.5.
        assert_eq!(run(RangeSource::Close)[3], (0.25 + 2.5) / 2.0 / 12.5 * 100.0);
    }
}
