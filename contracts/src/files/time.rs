//! A cell that holds a time.

use super::error::{RowFault, shown};
use crate::time::UtcMillis;

/// Reads RFC 3339, a Unix time, or (only where the column's name says UTC) a bare date and time.
pub(super) fn parse_time(text: &str, column: &str) -> Result<UtcMillis, RowFault> {
    let text = text.trim();
    let refused = || RowFault::Time {
        column: column.to_owned(),
        text: shown(text),
    };
    if let Ok(unix) = text.parse::<i64>() {
        return from_unix(unix).ok_or_else(refused);
    }
    if let Ok(instant) = UtcMillis::parse(text) {
        return Ok(instant);
    }
    let says_utc = column.to_ascii_lowercase().ends_with("_utc");
    let bare: Option<jiff::civil::DateTime> = says_utc.then(|| text.parse().ok()).flatten();
    let instant = bare.and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC).ok());
    instant
        .map(|at| UtcMillis(at.timestamp().as_millisecond()))
        .ok_or_else(refused)
}

/// Seconds, milliseconds, microseconds or nanoseconds by their size: the four ranges do not meet between 1973 and 5138.
pub(super) fn from_unix(unix: i64) -> Option<UtcMillis> {
    let millis = match unix {
        0..100_000_000_000 => unix * 1_000,
        100_000_000_000..100_000_000_000_000 => unix,
        100_000_000_000_000..100_000_000_000_000_000 if unix % 1_000 == 0 => unix / 1_000,
        100_000_000_000_000_000.. if unix % 1_000_000 == 0 => unix / 1_000_000,
        _ => return None,
    };
    Some(UtcMillis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_spellings_mean_the_same_instant() {
        let wanted = UtcMillis::parse("2026-01-05T13:05:00Z").unwrap();
        for text in [
            "2026-01-05T13:05:00Z",
            "2026-01-05 13:05:00+00:00",
            "2026-01-05T08:05:00-05:00",
            "1767618300",
            "1767618300000",
            "1767618300000000",
            "1767618300000000000",
        ] {
            assert_eq!(parse_time(text, "time"), Ok(wanted), "{text}");
        }
        assert_eq!(parse_time("2026-01-05 13:05:00", "ts_utc"), Ok(wanted));
    }

    #[test]
    fn a_bare_time_needs_a_column_that_says_utc() {
        assert!(parse_time("2026-01-05 13:05:00", "time").is_err());
        assert!(parse_time("noon", "ts_utc").is_err());
        assert!(parse_time("-5", "time").is_err());
    }
}
