//! Instants as integers: milliseconds for market time, nanoseconds for latency.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::BAR_INTERVAL_MS;

/// A market instant in UTC milliseconds since the Unix epoch, written as RFC 3339 with `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UtcMillis(pub i64);

/// A wall-clock reading in UTC nanoseconds since the Unix epoch; used for latency and audit, never for market logic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixNanos(pub i64);

/// A calendar date as days since 1970-01-01, written `2026-01-02`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DayNumber(pub i32);

/// Why a text is not an instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an RFC 3339 instant with an offset, such as 2026-01-05T13:05:00Z")]
pub struct ParseTimeError {
    /// The text as it was given.
    pub text: String,
}

/// Why a text is not a date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a date such as 2026-01-02")]
pub struct ParseDateError {
    /// The text as it was given, cut at 64 characters.
    pub text: String,
}

impl DayNumber {
    /// Parses `YYYY-MM-DD`.
    ///
    /// # Errors
    /// [`ParseDateError`] when the text is not such a date.
    pub fn parse(text: &str) -> Result<Self, ParseDateError> {
        let refused = || ParseDateError {
            text: text.chars().take(64).collect(),
        };
        if text.len() != 10 {
            return Err(refused());
        }
        let date: jiff::civil::Date = text.parse().map_err(|_| refused())?;
        Ok(Self::from_civil(date))
    }

    /// The number of a civil date.
    #[must_use]
    pub fn from_civil(date: jiff::civil::Date) -> Self {
        Self(
            date.duration_since(jiff::civil::Date::constant(1970, 1, 1))
                .as_hours() as i32
                / 24,
        )
    }

    /// The civil date; `None` outside jiff's range (years −9999 to 9999).
    #[must_use]
    pub fn to_civil(self) -> Option<jiff::civil::Date> {
        let days = jiff::Span::new().try_days(self.0).ok()?;
        jiff::civil::Date::constant(1970, 1, 1).checked_add(days).ok()
    }
}

impl fmt::Display for DayNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_civil() {
            Some(date) => write!(f, "{date}"),
            None => write!(f, "day {}", self.0),
        }
    }
}

impl Serialize for DayNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DayNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for DayNumber {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DayNumber".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "date"})
    }
}

impl UtcMillis {
    /// Parses RFC 3339; an offset is required, fractions below a millisecond are refused.
    ///
    /// # Errors
    /// [`ParseTimeError`] when the text is not such an instant.
    pub fn parse(text: &str) -> Result<Self, ParseTimeError> {
        let refused = || ParseTimeError {
            text: text.chars().take(64).collect(),
        };
        let instant: jiff::Timestamp = text.parse().map_err(|_| refused())?;
        if instant.subsec_nanosecond() % 1_000_000 != 0 {
            return Err(refused());
        }
        Ok(Self(instant.as_millisecond()))
    }

    /// The same instant `interval_ms` later.
    #[must_use]
    pub const fn plus_ms(self, interval_ms: i64) -> Self {
        Self(self.0 + interval_ms)
    }

    /// The open time of a five-minute bar that closes now.
    #[must_use]
    pub const fn bar_open(self) -> Self {
        Self(self.0 - BAR_INTERVAL_MS)
    }

    /// True when a five-minute bar can close at this instant (a multiple of five minutes).
    #[must_use]
    pub const fn is_on_bar_grid(self) -> bool {
        self.0.rem_euclid(BAR_INTERVAL_MS) == 0
    }

    /// As a `jiff` timestamp; `None` outside jiff's range (years −9999 to 9999).
    #[must_use]
    pub fn to_jiff(self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_millisecond(self.0).ok()
    }
}

impl UnixNanos {
    /// Rounded down to milliseconds.
    #[must_use]
    pub const fn to_millis(self) -> UtcMillis {
        UtcMillis(self.0.div_euclid(1_000_000))
    }
}

impl fmt::Display for UtcMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_jiff() {
            Some(instant) => write!(f, "{instant}"),
            None => write!(f, "{}ms", self.0),
        }
    }
}

impl Serialize for UtcMillis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UtcMillis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for UtcMillis {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "UtcMillis".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "date-time"})
    }
}

impl schemars::JsonSchema for UnixNanos {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "UnixNanos".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "integer", "format": "int64"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_the_form_the_wire_uses() {
        let t = UtcMillis::parse("2026-01-05T13:05:00Z").unwrap();
        assert_eq!(t.to_string(), "2026-01-05T13:05:00Z");
        assert_eq!(UtcMillis::parse("2026-01-05T08:05:00-05:00").unwrap(), t);
        assert!(t.is_on_bar_grid());
        assert_eq!(UtcMillis(1).to_string(), "1970-01-01T00:00:00.001Z");
    }

    #[test]
    fn refuses_what_is_no_instant() {
        for bad in [
            "2026-01-05",
            "2026-01-05T13:05:00",
            "",
            "now",
            "2026-01-05T13:05:00.0000001Z",
        ] {
            assert!(UtcMillis::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_day_number_is_a_date() {
        assert_eq!(DayNumber::parse("1970-01-01"), Ok(DayNumber(0)));
        assert_eq!(DayNumber::parse("2026-01-02"), Ok(DayNumber(20_455)));
        assert_eq!(DayNumber(20_455).to_string(), "2026-01-02");
        for bad in ["2026-02-30", "2026-1-2", "20260102", "2026-01-02T00:00:00Z", ""] {
            assert!(DayNumber::parse(bad).is_err(), "{bad}");
        }
    }
}
