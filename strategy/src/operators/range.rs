//! True range and its inputs, shared by the range operators.

use contracts::bar::Bar;
use contracts::features::RangeSource;

/// High, low and close as a range operator sees them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Prices {
    pub high: f64,
    pub low: f64,
    pub close: f64,
}

impl Prices {
    pub const fn of(bar: &Bar, range: RangeSource) -> Self {
        let (high, low) = match range {
            RangeSource::Ohlc => (bar.high, bar.low),
            RangeSource::Close => (bar.close, bar.close),
        };
        Self {
            high,
            low,
            close: bar.close,
        }
    }

    /// The greatest of high − low, |previous close − high| and |previous close − low|.
    pub const fn true_range(&self, previous_close: f64) -> f64 {
        let spread = self.high - self.low;
        let up = (previous_close - self.high).abs();
        let down = (previous_close - self.low).abs();
        spread.max(up).max(down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_over_night_is_part_of_the_range() {
        let prices = Prices {
            high: 12.0,
            low: 11.0,
            close: 11.5,
        };
        assert_eq!(prices.true_range(11.2), 1.0);
        assert_eq!(prices.true_range(10.0), 2.0);
        assert_eq!(prices.true_range(14.0), 3.0);
    }
}
