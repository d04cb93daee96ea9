//! A five-minute bar and the checks it must pass on its own.

use serde::{Deserialize, Serialize};

use crate::time::UtcMillis;

/// Five-minute OHLCV, identified (with its instrument) by its close time: the moment it is known.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bar {
    /// UTC close time; the bar covers the five minutes before it.
    pub close_time: UtcMillis,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Traded volume in the instrument's unit; 0 where the venue has none.
    pub volume: f64,
}

/// The five numbers of a bar as messages carry them.
///
/// JSON has no NaN and no infinity: such a number (only a quarantined bar holds one) is written as null and read as NaN.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ohlcv {
    /// First price.
    #[serde(deserialize_with = "null_is_nan")]
    #[schemars(with = "Option<f64>")]
    pub open: f64,
    /// Highest price.
    #[serde(deserialize_with = "null_is_nan")]
    #[schemars(with = "Option<f64>")]
    pub high: f64,
    /// Lowest price.
    #[serde(deserialize_with = "null_is_nan")]
    #[schemars(with = "Option<f64>")]
    pub low: f64,
    /// Last price.
    #[serde(deserialize_with = "null_is_nan")]
    #[schemars(with = "Option<f64>")]
    pub close: f64,
    /// Traded volume.
    #[serde(deserialize_with = "null_is_nan")]
    #[schemars(with = "Option<f64>")]
    pub volume: f64,
}

fn null_is_nan<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// How a source stamps its bars; there is no default, a source that does not say is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stamp {
    /// The time is the bar's open: the close is five minutes later.
    Open,
    /// The time is the bar's close.
    Close,
}

impl Stamp {
    /// The close time of a five-minute bar stamped at `time`.
    #[must_use]
    pub const fn close_time(self, time: UtcMillis) -> UtcMillis {
        match self {
            Self::Open => time.plus_ms(crate::limits::BAR_INTERVAL_MS),
            Self::Close => time,
        }
    }
}

impl Bar {
    /// True when every price is finite and positive, the volume finite and not negative, and low ≤ open, close ≤ high.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        let prices = [self.open, self.high, self.low, self.close];
        prices.iter().all(|p| p.is_finite() && *p > 0.0)
            && self.volume.is_finite()
            && self.volume >= 0.0
            && self.low <= self.open.min(self.close)
            && self.high >= self.open.max(self.close)
    }

    /// True when all six fields are the same bits (a NaN equals itself).
    #[must_use]
    pub fn same_bits(&self, other: &Self) -> bool {
        self.close_time == other.close_time
            && self.open.to_bits() == other.open.to_bits()
            && self.high.to_bits() == other.high.to_bits()
            && self.low.to_bits() == other.low.to_bits()
            && self.close.to_bits() == other.close.to_bits()
            && self.volume.to_bits() == other.volume.to_bits()
    }

    /// The five numbers, for a message.
    #[must_use]
    pub const fn ohlcv(&self) -> Ohlcv {
        Ohlcv {
            open: self.open,
            high: self.high,
            low: self.low,
            close: self.close,
            volume: self.volume,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(open: f64, high: f64, low: f64, close: f64) -> Bar {
        Bar {
            close_time: UtcMillis(300_000),
            open,
            high,
            low,
            close,
            volume: 0.0,
        }
    }

    #[test]
    fn impossible_bars_are_named_so() {
        assert!(bar(2.0, 3.0, 1.0, 2.5).is_possible());
        assert!(bar(2.0, 2.0, 2.0, 2.0).is_possible());
        for bad in [
            bar(f64::NAN, 3.0, 1.0, 2.0),
            bar(2.0, f64::INFINITY, 1.0, 2.0),
            bar(2.0, 1.9, 1.0, 1.5),
            bar(2.0, 3.0, 2.1, 2.5),
            bar(0.0, 3.0, 0.0, 2.5),
            bar(-1.0, 3.0, -2.0, 2.5),
        ] {
            assert!(!bad.is_possible(), "{bad:?}");
        }
        assert!(
            !Bar {
                volume: -1.0,
                ..bar(2.0, 3.0, 1.0, 2.5)
            }
            .is_possible()
        );
    }

    #[test]
    fn a_stamp_says_which_end() {
        let t = UtcMillis::parse("2026-01-05T13:00:00Z").unwrap();
        assert_eq!(Stamp::Open.close_time(t).to_string(), "2026-01-05T13:05:00Z");
        assert_eq!(Stamp::Close.close_time(t), t);
    }

    #[test]
    fn numbers_json_cannot_say_are_null() {
        let text = serde_json::to_string(&bar(f64::NAN, f64::INFINITY, 1.0, 0.1).ohlcv()).unwrap();
        assert_eq!(
            text,
            r#"{"open":null,"high":null,"low":1.0,"close":0.1,"volume":0.0}"#
        );
        let back: Ohlcv = serde_json::from_str(&text).unwrap();
        assert!(back.open.is_nan() && back.low == 1.0);
        assert!(serde_json::from_str::<Ohlcv>(r#"{"open":1.0,"high":1.0,"low":1.0,"close":1.0}"#).is_err());
    }
}
