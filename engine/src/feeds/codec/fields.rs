//! How vendors write numbers and times, and the candle they make.

use std::fmt;

use contracts::bar::Bar;
use contracts::time::UtcMillis;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

pub(super) use contracts::native::Text;

use super::{DecodeError, Decoded, Finality, Source, Width};
use crate::core::input::InstrumentIndex;
use crate::feeds::event::FeedRefusal;

/// Last millisecond of the year 9999: later times are no times.
const TIME_MS_MAX: i64 = 253_402_300_799_999;

/// A finite number, written as a JSON number or as a decimal in a string. Both are rounded correctly, so both give the
/// same bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Decimal(pub f64);

/// An integer, written as a JSON number or as digits in a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole(pub i64);

struct DecimalVisitor;

impl Visitor<'_> for DecimalVisitor {
    type Value = Decimal;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a finite number, or one in a string")
    }
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Decimal, E> {
        if number.is_finite() {
            Ok(Decimal(number))
        } else {
            Err(E::custom("the number is not finite"))
        }
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "rounded to the nearest, as a decimal is"
    )]
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Decimal, E> {
        Ok(Decimal(number as f64))
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "rounded to the nearest, as a decimal is"
    )]
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Decimal, E> {
        Ok(Decimal(number as f64))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
        // `f64::from_str` also takes `inf`, `NaN` and `infinity`.
        let digits = text.bytes().all(|b| b.is_ascii_digit() || b".+-eE".contains(&b));
        match text.parse() {
            Ok(number) if digits => self.visit_f64(number),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DecimalVisitor)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer, or one in a string")
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Whole, E> {
        i64::try_from(number)
            .map(Whole)
            .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Whole, E> {
        Ok(Whole(number))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Whole, E> {
        text.parse()
            .map(Whole)
            .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor)
    }
}

/// Milliseconds since the epoch as an instant of the years 1970 to 9999.
pub(super) fn instant_ms(ms: i64) -> Option<UtcMillis> {
    (0..=TIME_MS_MAX).contains(&ms).then_some(UtcMillis(ms))
}

/// Seconds since the epoch as an instant of the years 1970 to 9999.
pub(super) fn instant_s(seconds: i64) -> Option<UtcMillis> {
    seconds.checked_mul(1_000).and_then(instant_ms)
}

/// The numbers of a candle as a source names them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prices {
    pub open: Decimal,
    pub high: Decimal,
    pub low: Decimal,
    pub close: Decimal,
    pub volume: Decimal,
}

/// One message of `from`.
pub(super) fn read<'a, T: Deserialize<'a>>(from: Source, text: &'a str) -> Result<T, DecodeError> {
    serde_json::from_str(text).map_err(|error| DecodeError::Json { from, error })
}

/// The width a source calls `name`, where one and five minutes are called `one` and `five`.
pub(super) fn width(from: Source, name: &str, one: &str, five: &str) -> Result<Width, DecodeError> {
    match name {
        _ if name == one => Ok(Width::Minute),
        _ if name == five => Ok(Width::FiveMinutes),
        other => Err(DecodeError::interval(from, other)),
    }
}

/// Reads every item of a message: one that is wrong costs itself, not those after it. The first error is the message's, further
/// ones are counted.
pub(super) fn each<T>(
    items: impl IntoIterator<Item = T>,
    out: &mut Vec<Decoded>,
    mut read: impl FnMut(T) -> Result<Option<Decoded>, DecodeError>,
) -> Result<(), DecodeError> {
    let mut result = Ok(());
    for item in items {
        match read(item) {
            Ok(decoded) => out.extend(decoded),
            Err(error) if result.is_ok() => result = Err(error),
            Err(error) => out.push(Decoded::ignored(error.reason())),
        }
    }
    result
}

/// A candle stamped at its open; of an instrument nobody asked for, or off the grid of its width, it is left out.
pub(super) fn candle(
    instrument: Option<InstrumentIndex>,
    width: Width,
    finality: Finality,
    open_time: Option<UtcMillis>,
    prices: Prices,
) -> Decoded {
    let Some(instrument) = instrument else {
        return Decoded::ignored(FeedRefusal::UnknownInstrument);
    };
    match open_time {
        Some(open_time) if open_time.0.rem_euclid(width.ms()) == 0 => Decoded::Candle {
            instrument,
            width,
            finality,
            candle: Bar {
                close_time: open_time.plus_ms(width.ms()),
                open: prices.open.0,
                high: prices.high.0,
                low: prices.low.0,
                close: prices.close.0,
                volume: prices.volume.0,
            },
        },
        _ => Decoded::ignored(FeedRefusal::OffGrid),
    }
}

/// A length of time as vendors name intervals: `1w`, `1d`, `4h`, `15m`, `30s`, `7ms`.
pub(super) fn interval_name(ms: i64) -> String {
    const UNITS: [(i64, &str); 5] = [
        (604_800_000, "w"),
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
    ];
    let unit = UNITS.iter().find(|(unit, _)| ms != 0 && ms % unit == 0);
    unit.map_or_else(
        || format!("{ms}ms"),
        |(unit, name)| format!("{}{name}", ms / unit),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(json: &str) -> Option<u64> {
        serde_json::from_str::<Decimal>(json).ok().map(|d| d.0.to_bits())
    }

    #[test]
    fn numbers_are_finite_however_they_are_written() {
        assert_eq!(decimal("\"0.0010\""), Some(0.001_f64.to_bits()));
        assert_eq!(decimal("1e308"), Some(1e308_f64.to_bits()));
        for bad in [
            "\"NaN\"",
            "\"inf\"",
            "\"1e309\"",
            "1e309",
            "\"\"",
            "\" 1\"",
            "null",
            "[1]",
        ] {
            assert_eq!(decimal(bad), None, "{bad}");
        }
        let whole = |json: &str| serde_json::from_str::<Whole>(json).ok().map(|w| w.0);
        assert_eq!((whole("\"-5\""), whole("7")), (Some(-5), Some(7)));
        for bad in ["1.5", "\"1.5\"", "18446744073709551615", "\"x\""] {
            assert_eq!(whole(bad), None, "{bad}");
        }
    }

    #[test]
    fn intervals_have_the_names_vendors_use() {
        let named = [604_800_000, 86_400_000, 14_400_000, 900_000, 30_000, 7, 0].map(interval_name);
        assert_eq!(named, ["1w", "1d", "4h", "15m", "30s", "7ms", "0ms"]);
    }

    proptest! {
        #[test]
        fn a_number_and_its_string_are_the_same_bits(mantissa in 1_u64..99_999_999_999_999_999, scale in 0_i32..20) {
            let text = format!("{mantissa}e-{scale}");
            prop_assert_eq!(decimal(&text), decimal(&format!("\"{text}\"")));
            prop_assert_eq!(decimal(&text), text.parse().ok().map(f64::to_bits));
        }
    }
}
