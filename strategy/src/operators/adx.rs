//! Wilder's average directional index, as TA-Lib's `ADX`.
//!
//! Source: Wilder (1978), with TA-Lib's choices: directional movements and ranges are summed over the first `period` − 1 moves
//! and smoothed from there, the first index is the mean of `period` DX values, and a DX whose range or whose sum of
//! directions is zero adds nothing to that first mean and afterwards leaves the index as it was.

use contracts::bar::Bar;
use contracts::features::RangeSource;

use super::BarOperator;
use super::range::Prices;
use crate::bytes::{LoadStateError, put_f64, put_u32, take_f64, take_u32};
use crate::limits::WILDER_SETTLED_PERIODS;

/// ADX, 0 to 100.
#[derive(Debug, Clone)]
pub struct Adx {
    period: u32,
    range: RangeSource,
    /// Bars seen, up to `2 × period`.
    seen: u32,
    previous: Prices,
    plus_movement: f64,
    minus_movement: f64,
    true_range: f64,
    /// Sum of DX, then the index.
    index: f64,
}

impl Adx {
    /// Of Wilder period `period` ≥ 2.
    #[must_use]
    pub fn new(period: u16, range: RangeSource) -> Self {
        Self {
            period: u32::from(period),
            range,
            seen: 0,
            previous: Prices::default(),
            plus_movement: 0.0,
            minus_movement: 0.0,
            true_range: 0.0,
            index: 0.0,
        }
    }

    fn smooth(&mut self, now: &Prices) {
        let n = f64::from(self.period);
        // Move number `seen`: the first period − 1 are summed as they are.
        if self.seen >= self.period {
            self.minus_movement -= self.minus_movement / n;
            self.plus_movement -= self.plus_movement / n;
            self.true_range -= self.true_range / n;
        }
        let up = now.high - self.previous.high;
        let down = self.previous.low - now.low;
        if down > 0.0 && up < down {
            self.minus_movement += down;
        } else if up > 0.0 && up > down {
            self.plus_movement += up;
        }
        self.true_range += now.true_range(self.previous.close);
    }

    /// |+DI − −DI| / (+DI + −DI) × 100; `None` where the range or the sum is zero.
    fn directional(&self) -> Option<f64> {
        if self.true_range == 0.0 {
            return None;
        }
        let minus = 100.0 * (self.minus_movement / self.true_range);
        let plus = 100.0 * (self.plus_movement / self.true_range);
        let sum = minus + plus;
        (sum != 0.0).then(|| 100.0 * ((minus - plus).abs() / sum))
    }
}

impl BarOperator for Adx {
    fn defined_after(&self) -> u32 {
        2 * self.period
    }

    fn settled_after(&self) -> u32 {
        WILDER_SETTLED_PERIODS * self.period
    }

    fn update(&mut self, bar: &Bar) -> f64 {
        let now = Prices::of(bar, self.range);
        if self.seen > 0 {
            self.smooth(&now);
        }
        self.previous = now;
        let n = f64::from(self.period);
        if self.seen >= 2 * self.period {
            if let Some(directional) = self.directional() {
                self.index = (self.index * (n - 1.0) + directional) / n;
            }
            return self.index;
        }
        if self.seen >= self.period {
            self.index += self.directional().unwrap_or(0.0);
        }
        self.seen += 1;
        if self.seen == 2 * self.period {
            self.index /= n;
            return self.index;
        }
        f64::NAN
    }

    fn reset(&mut self) {
        (self.seen, self.previous) = (0, Prices::default());
        (
            self.plus_movement,
            self.minus_movement,
            self.true_range,
            self.index,
        ) = (0.0, 0.0, 0.0, 0.0);
    }

    fn save(&self, out: &mut Vec<u8>) {
        put_u32(out, self.seen);
        for value in [
            self.previous.high,
            self.previous.low,
            self.previous.close,
            self.plus_movement,
            self.minus_movement,
            self.true_range,
            self.index,
        ] {
            put_f64(out, value);
        }
    }

    fn load(&mut self, input: &mut &[u8]) -> Result<(), LoadStateError> {
        self.seen = take_u32(input)?;
        if self.seen > 2 * self.period {
            return Err(LoadStateError("an ADX has seen more bars than it counts"));
        }
        self.previous.high = take_f64(input)?;
        self.previous.low = take_f64(input)?;
        self.previous.close = take_f64(input)?;
        self.plus_movement = take_f64(input)?;
        self.minus_movement = take_f64(input)?;
        self.true_range = take_f64(input)?;
        self.index = take_f64(input)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(closes: impl IntoIterator<Item = f64>) -> f64 {
        let mut adx = Adx::new(14, RangeSource::Close);
        let bar = |close| Bar {
            close,
            ..Bar::default()
        };
        closes
            .into_iter()
            .map(|close| adx.update(&bar(close)))
            .last()
            .unwrap()
    }

    #[test]
    fn a_straight_line_is_all_direction_and_a_flat_one_none() {
        assert!((run((0..60).map(|i| 100.0 + f64::from(i))) - 100.0).abs() < 1e-9);
        assert_eq!(run([100.0; 60]), 0.0);
    }

    #[test]
    fn a_range_of_zero_adds_nothing_to_the_first_mean() {
        // 20 flat bars, then a straight line: of the 14 DX values of the first mean the first 6 have no range.
        let closes = |n: u32| (0..n).map(|i| 100.0 + f64::from(i.saturating_sub(19)));
        assert!((run(closes(28)) - 100.0 * 8.0 / 14.0).abs() < 1e-9);
        assert!((run(closes(29)) - (100.0 * 8.0 / 14.0 * 13.0 + 100.0) / 14.0).abs() < 1e-9);
    }
}
