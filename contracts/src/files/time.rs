//! A cell that holds a time.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::error::{RowFault, shown};
use crate::time::UtcMillis;

/// Reads RFC 3339, a Unix time, or a bare date and time: in `zone`, and where there is none in UTC if the column's name says so.
pub(super) fn parse_time(text: &str, column: &str, zone: Option<&TimeZone>) -> Result<UtcMillis, RowFault> {
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
    let utc = TimeZone::UTC;
    let zone = zone.or_else(|| says_utc(column).then_some(&utc));
    let zone = zone.ok_or_else(refused)?;
    let bare: DateTime = text.parse().map_err(|_| refused())?;
    // A bare date is no time, however it might be read.
    if !text.contains(':') {
        return Err(refused());
    }
    local(bare, zone, column)
}

/// Whether a column's name says that its times are UTC.
pub(super) fn says_utc(column: &str) -> bool {
    column.to_ascii_lowercase().ends_with("_utc")
}

/// The instant of a local time; one that the clock skips or repeats is refused.
pub(super) fn local(at: DateTime, zone: &TimeZone, column: &str) -> Result<UtcMillis, RowFault> {
    let instant = zone.to_ambiguous_timestamp(at).unambiguous();
    let instant = instant.map_err(|_| RowFault::Ambiguous {
        column: column.to_owned(),
        text: at.to_string(),
        zone: zone.iana_name().unwrap_or("its zone").to_owned(),
    })?;
    Ok(UtcMillis(instant.as_millisecond()))
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
            assert_eq!(parse_time(text, "time", None), Ok(wanted), "{text}");
        }
        assert_eq!(parse_time("2026-01-05 13:05:00", "ts_utc", None), Ok(wanted));
    }

    #[test]
    fn a_bare_time_needs_a_zone_or_a_column_that_says_utc() {
        assert!(parse_time("2026-01-05 13:05:00", "time", None).is_err());
        assert!(parse_time("noon", "ts_utc", None).is_err());
        assert!(parse_time("2026-01-05", "ts_utc", None).is_err());
        assert!(parse_time("-5", "time", None).is_err());
        let bogota = TimeZone::get("America/Bogota").unwrap();
        let wanted = UtcMillis::parse("2026-01-05T13:05:00Z").unwrap();
        assert_eq!(parse_time("2026-01-05 08:05", "time", Some(&bogota)), Ok(wanted));
        // An offset in the text wins.
        assert_eq!(
            parse_time("2026-01-05T13:05:00Z", "time", Some(&bogota)),
            Ok(wanted)
        );
    }

    #[test]
    fn an_hour_that_comes_twice_or_never_is_refused() {
        let new_york = TimeZone::get("America/New_York").unwrap();
        for text in ["2025-11-02 01:30:00", "2025-03-09 02:30:00"] {
            let fault = parse_time(text, "time", Some(&new_york)).unwrap_err();
            assert!(
                fault.to_string().contains("twice or never in America/New_York"),
                "{fault}"
            );
        }
    }
}
