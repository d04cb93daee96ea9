//! The calendar document: when bars are in session and what a local day is. `strategy::calendar` does the arithmetic.

use serde::{Deserialize, Serialize};

use crate::ids::CalendarName;
use crate::limits::BAR_INTERVAL_MS;
use crate::time::DayNumber;

/// A calendar: when bars are in session and what a local day is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// The name, also the file's stem under `config/calendars/`.
    pub name: CalendarName,
    /// IANA zone, such as `America/Bogota`.
    pub zone: String,
    /// Weekly sessions in local time; they do not overlap.
    pub sessions: Vec<WeeklySession>,
    /// Local dates without a session, ascending: bars that open on them are off session.
    pub holidays: Vec<DayNumber>,
    /// Sessions in a year, for annualising.
    pub sessions_per_year: f64,
}

/// One weekly session. A `close` at or before its `open` ends on the next local day (`24:00` is midnight).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeeklySession {
    /// Days on which it opens: `mon` … `sun`.
    pub days: Vec<Weekday>,
    /// Local open.
    pub open: LocalTime,
    /// Local close.
    pub close: LocalTime,
}

/// Minutes since local midnight, written `HH:MM`, on the five-minute grid; `24:00` is the end of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalTime(u16);

/// Minutes in a day without a clock change.
pub const DAY_MINUTES: u16 = 24 * 60;

/// Why a text is not a local time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a time HH:MM between 00:00 and 24:00 on the five-minute grid")]
pub struct ParseLocalTimeError {
    /// The text as it was given, cut at 16 characters.
    pub text: String,
}

impl LocalTime {
    /// Parses `HH:MM`.
    ///
    /// # Errors
    /// [`ParseLocalTimeError`] for anything else, and for times off the five-minute grid.
    pub fn parse(text: &str) -> Result<Self, ParseLocalTimeError> {
        let refused = || ParseLocalTimeError {
            text: text.chars().take(16).collect(),
        };
        let digits = |part: &str| {
            (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()))
                .then(|| part.parse::<u16>().ok())
                .flatten()
        };
        let (hour, minute) = text.split_once(':').ok_or_else(refused)?;
        let (hour, minute) = digits(hour).zip(digits(minute)).ok_or_else(refused)?;
        let minutes = hour * 60 + minute;
        let on_grid = i64::from(minute) % (BAR_INTERVAL_MS / 60_000) == 0;
        if minute > 59 || minutes > DAY_MINUTES || !on_grid {
            return Err(refused());
        }
        Ok(Self(minutes))
    }

    /// Minutes since local midnight, 0 to 1,440.
    #[must_use]
    pub const fn minutes(self) -> u16 {
        self.0
    }
}

impl std::fmt::Display for LocalTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}
impl Serialize for LocalTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for LocalTime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
impl schemars::JsonSchema for LocalTime {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LocalTime".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[0-2][0-9]:[0-5][05]$"})
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the seven days name themselves")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl WeeklySession {
    /// Minutes from the open to the close, 5 to 1,440.
    #[must_use]
    pub const fn length_minutes(&self) -> u16 {
        let (open, close) = (self.open.minutes(), self.close.minutes());
        if close > open {
            close - open
        } else {
            close + DAY_MINUTES - open
        }
    }
}

impl Calendar {
    /// What is wrong with it beyond the types, with the path inside the calendar.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        if jiff::tz::TimeZone::get(&self.zone).is_err() {
            return Some((
                "zone",
                format!("`{}` is no IANA zone, such as America/Bogota", self.zone),
            ));
        }
        if self.sessions.iter().all(|s| s.days.is_empty()) {
            return Some(("sessions", "a calendar needs at least one session".to_owned()));
        }
        if self.sessions.iter().any(|s| s.open.minutes() == DAY_MINUTES) {
            return Some((
                "sessions",
                "a session cannot open at 24:00; write 00:00 of the next day".to_owned(),
            ));
        }
        if let Some(detail) = self.overlap() {
            return Some(("sessions", detail));
        }
        if let Some(pair) = self.holidays.windows(2).find(|pair| pair[0] >= pair[1]) {
            let detail = format!(
                "{} does not come after {}: dates ascend, once each",
                pair[1], pair[0]
            );
            return Some(("holidays", detail));
        }
        if !(self.sessions_per_year > 0.0 && self.sessions_per_year <= 366.0) {
            let detail = format!("{} is no number of sessions a year", self.sessions_per_year);
            return Some(("sessions_per_year", detail));
        }
        None
    }

    fn overlap(&self) -> Option<String> {
        const WEEK_MINUTES: u32 = 7 * DAY_MINUTES as u32;
        let mut spans: Vec<(u32, u32)> = self
            .sessions
            .iter()
            .flat_map(|s| {
                s.days.iter().map(|day| {
                    let start = *day as u32 * u32::from(DAY_MINUTES) + u32::from(s.open.minutes());
                    (start, start + u32::from(s.length_minutes()))
                })
            })
            .collect();
        spans.sort_unstable();
        let first = spans
            .first()
            .map(|&(start, end)| (start + WEEK_MINUTES, end + WEEK_MINUTES));
        spans.extend(first);
        let clash = spans.windows(2).find(|pair| pair[1].0 < pair[0].1)?;
        let day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
            [(clash[1].0 / u32::from(DAY_MINUTES)) as usize % 7];
        Some(format!("two sessions overlap on {day}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(sessions: &str) -> Calendar {
        serde_norway::from_str(&format!(
            "{{name: c, zone: UTC, sessions: [{sessions}], holidays: [], sessions_per_year: 252}}"
        ))
        .unwrap()
    }

    #[test]
    fn times_are_on_the_grid() {
        assert_eq!(LocalTime::parse("08:05").unwrap().minutes(), 485);
        assert_eq!(LocalTime::parse("24:00").unwrap().to_string(), "24:00");
        for bad in ["8:00", "24:05", "12:60", "12:03", "1200", "-1:00", "", "+1:00"] {
            assert!(LocalTime::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn faults_are_found() {
        let day = "{days: [mon, fri], open: '08:00', close: '13:00'}";
        assert_eq!(calendar(day).fault(), None);
        let overnight = "{days: [sun, mon, tue, wed, thu], open: '17:00', close: '17:00'}";
        assert_eq!(calendar(overnight).fault(), None);
        assert_eq!(
            calendar(&format!("{day}, {overnight}")).fault().unwrap().0,
            "sessions"
        );
        assert_eq!(calendar("").fault().unwrap().0, "sessions");
        let mut other = calendar(day);
        other.zone = "Mars/Olympus".to_owned();
        assert_eq!(other.fault().unwrap().0, "zone");
        let mut other = calendar(day);
        other.holidays = vec![DayNumber(5), DayNumber(5)];
        assert_eq!(other.fault().unwrap().0, "holidays");
        let mut other = calendar(day);
        other.sessions_per_year = f64::NAN;
        assert_eq!(other.fault().unwrap().0, "sessions_per_year");
    }
}
