//! What market data is called: bars of an instrument or values of a daily series, in a month.

use std::fmt;

use contracts::ids::{InstrumentId, ParseIdError, SeriesId};
use contracts::time::{DayNumber, UtcMillis};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::DAY_MS;
use crate::words::words;

words! {
    /// What a partition holds.
    MarketKind {
        /// Five-minute bars of an instrument.
        Bars = "bars",
        /// Values of a daily series.
        Daily = "daily",
    }
}

/// An instrument's bars, or a daily series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MarketName {
    /// The bars of this instrument.
    Bars(InstrumentId),
    /// The values of this series.
    Daily(SeriesId),
}

impl MarketName {
    /// Of a kind and a name.
    ///
    /// # Errors
    /// [`ParseIdError`].
    pub fn parse(kind: MarketKind, name: &str) -> Result<Self, ParseIdError> {
        Ok(match kind {
            MarketKind::Bars => Self::Bars(InstrumentId::parse(name)?),
            MarketKind::Daily => Self::Daily(SeriesId::parse(name)?),
        })
    }

    /// What its partitions hold.
    #[must_use]
    pub const fn kind(&self) -> MarketKind {
        match self {
            Self::Bars(_) => MarketKind::Bars,
            Self::Daily(_) => MarketKind::Daily,
        }
    }

    /// The instrument's or the series' name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Bars(instrument) => instrument.as_str(),
            Self::Daily(series) => series.as_str(),
        }
    }
}

impl fmt::Display for MarketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind().word(), self.as_str())
    }
}

/// A calendar month in UTC, written `2026-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i16,
    month: i8,
}

/// Why a text is no month.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no month such as 2026-01")]
pub struct ParseMonthError {
    /// As given, cut at 16 characters.
    text: String,
}

impl Month {
    /// The month of a date; none outside the years 0 to 9999.
    #[must_use]
    pub fn of_date(date: DayNumber) -> Option<Self> {
        let civil = date.to_civil()?;
        (civil.year() >= 0).then_some(Self {
            year: civil.year(),
            month: civil.month(),
        })
    }

    /// The month of an instant in UTC; none outside the years 0 to 9999.
    #[must_use]
    pub fn of_time(at: UtcMillis) -> Option<Self> {
        let day = at.0.div_euclid(DAY_MS);
        Self::of_date(DayNumber(i32::try_from(day).ok()?))
    }
}

impl std::str::FromStr for Month {
    type Err = ParseMonthError;

    fn from_str(text: &str) -> Result<Self, ParseMonthError> {
        let refused = || ParseMonthError {
            text: text.chars().take(16).collect(),
        };
        if text.len() != 7 {
            return Err(refused());
        }
        let first = DayNumber::parse(&format!("{text}-01")).map_err(|_| refused())?;
        Self::of_date(first).ok_or_else(refused)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Month {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_the_one_in_utc() {
        let of = |text: &str| Month::of_time(UtcMillis::parse(text).unwrap()).unwrap();
        assert_eq!(of("2026-01-31T23:59:59.999Z").to_string(), "2026-01");
        assert_eq!(of("2026-02-01T00:00:00Z").to_string(), "2026-02");
        assert_eq!(of("1969-12-31T23:59:59Z").to_string(), "1969-12");
        assert_eq!(Month::of_time(UtcMillis(i64::MIN)), None);
        assert_eq!(Month::of_date(DayNumber(i32::MAX)), None);
    }

    #[test]
    fn only_months_are_months() {
        assert_eq!("2026-01".parse::<Month>().unwrap().to_string(), "2026-01");
        for bad in [
            "", "2026", "2026-13", "2026-1", "2026-00", "26-01-0", "-026-01", "2026/01", "２026-0",
        ] {
            assert!(bad.parse::<Month>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_series_is_no_instrument() {
        assert!(MarketName::parse(MarketKind::Bars, "EUR/USD").is_ok());
        assert!(MarketName::parse(MarketKind::Daily, "EUR/USD").is_err());
        let name = MarketName::parse(MarketKind::Daily, "dxy").unwrap();
        assert_eq!(
            (name.kind(), name.to_string()),
            (MarketKind::Daily, "daily dxy".to_owned())
        );
    }
}
