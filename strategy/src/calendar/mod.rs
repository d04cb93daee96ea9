//! A calendar compiled: which session and which local day an instant lies in.
//!
//! Zones come from the tz database compiled into the binary, never from the machine or `TZ`. Nothing here allocates after
//! [`Calendar::new`].

use contracts::features::{Calendar as CalendarDoc, DAY_MINUTES};
use contracts::limits::BAR_INTERVAL_MS;
use contracts::time::{DayNumber, UtcMillis};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// A calendar whose zone this build does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("calendar {calendar}: `{zone}` is no IANA zone")]
pub struct CalendarError {
    /// Name of the calendar.
    pub calendar: String,
    /// Its zone.
    pub zone: String,
}

#[derive(Debug, Clone, Copy)]
struct Weekly {
    open_minute: u16,
    length_minutes: u16,
}

/// A calendar, compiled.
#[derive(Debug, Clone)]
pub struct Calendar {
    zone: TimeZone,
    /// Sessions by the day they open, Monday first.
    week: [Vec<Weekly>; 7],
    /// Ascending.
    holidays: Vec<DayNumber>,
    round_the_clock: bool,
    sessions_per_year: f64,
}

/// A half-open stretch of UTC time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First instant.
    pub start: UtcMillis,
    /// First instant after.
    pub end: UtcMillis,
}

impl Span {
    /// Whether `at` lies in it.
    #[must_use]
    pub const fn contains(&self, at: UtcMillis) -> bool {
        self.start.0 <= at.0 && at.0 < self.end.0
    }
}

/// What the calendar says about an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Every instant in here gets the same answer.
    pub valid: Span,
    /// The session around the instant, if it is in one.
    pub session: Option<Span>,
    /// The local day: 23 or 25 hours long when the clock changes.
    pub day: Span,
    /// Its date.
    pub date: DayNumber,
}

impl Calendar {
    /// Compiles a checked document.
    ///
    /// # Errors
    /// [`CalendarError`] when the zone is unknown.
    pub fn new(doc: &CalendarDoc) -> Result<Self, CalendarError> {
        let zone = TimeZone::get(&doc.zone).map_err(|_| CalendarError {
            calendar: doc.name.to_string(),
            zone: doc.zone.clone(),
        })?;
        let mut week: [Vec<Weekly>; 7] = Default::default();
        for session in &doc.sessions {
            let weekly = Weekly {
                open_minute: session.open.minutes(),
                length_minutes: session.length_minutes(),
            };
            for day in &session.days {
                week[*day as usize].push(weekly);
            }
        }
        let round_the_clock = week.iter().flatten().all(|s| s.length_minutes == DAY_MINUTES);
        Ok(Self {
            zone,
            week,
            holidays: doc.holidays.clone(),
            round_the_clock,
            sessions_per_year: doc.sessions_per_year,
        })
    }

    /// Sessions in a year, for annualising.
    #[must_use]
    pub const fn sessions_per_year(&self) -> f64 {
        self.sessions_per_year
    }

    /// True when every session lasts 24 hours: the time feature is then the fraction of the local day.
    #[must_use]
    pub const fn is_round_the_clock(&self) -> bool {
        self.round_the_clock
    }

    /// The first instant of a local date; `None` outside the years −9999 to 9999.
    #[must_use]
    pub fn midnight(&self, date: DayNumber) -> Option<UtcMillis> {
        self.instant(date.to_civil()?, 0)
    }

    /// The local date an instant falls on; `None` outside the years −9999 to 9999.
    #[must_use]
    pub fn local_date(&self, at: UtcMillis) -> Option<DayNumber> {
        Some(DayNumber::from_civil(self.zone.to_datetime(at.to_jiff()?).date()))
    }

    /// True when a five-minute bar that closes at `close` lies wholly in a session.
    #[must_use]
    pub fn in_session(&self, close: UtcMillis) -> bool {
        self.locate(close.bar_open())
            .session
            .is_some_and(|session| close <= session.end)
    }

    /// Where an instant lies; [`Place::default`] outside the years −9999 to 9999.
    #[must_use]
    pub fn locate(&self, at: UtcMillis) -> Place {
        self.try_locate(at).unwrap_or_default()
    }

    /// Bars that could have closed after `from` and before the one that opens at `to` opened, both in session, as long as
    /// no time without session lies between: the bars missing in a gap. 0 across a night.
    #[must_use]
    pub fn missing_bars(&self, from: UtcMillis, to: UtcMillis, place: &Place) -> u32 {
        let missing = (to.0 - from.0) / BAR_INTERVAL_MS;
        if missing <= 0 {
            return 0;
        }
        let mut session = place.session;
        let floor = from
            .0
            .max(to.0 - crate::limits::GAP_DAYS_MAX * i64::from(DAY_MINUTES) * 60_000);
        while let Some(Span { start, .. }) = session {
            if start.0 <= floor {
                return u32::try_from(missing).unwrap_or(u32::MAX);
            }
            let before = self.locate(UtcMillis(start.0 - 1)).session;
            session = before.filter(|b| b.end == start);
        }
        0
    }

    fn try_locate(&self, at: UtcMillis) -> Option<Place> {
        let date = self.zone.to_datetime(at.to_jiff()?).date();
        let (yesterday, tomorrow) = (date.yesterday().ok()?, date.tomorrow().ok()?);
        let day = Span {
            start: self.instant(date, 0)?,
            end: self.instant(tomorrow, 0)?,
        };
        let mut place = Place {
            valid: day,
            session: None,
            day,
            date: DayNumber::from_civil(date),
        };
        if self.is_holiday(date) {
            return Some(place);
        }
        for opened in [yesterday, date] {
            for weekly in &self.week[opened.weekday().to_monday_zero_offset() as usize] {
                let mut session = self.session(opened, *weekly)?;
                if opened == yesterday && self.is_holiday(yesterday) {
                    session.start = session.start.max(day.start);
                }
                if session.end > day.end && self.is_holiday(tomorrow) {
                    session.end = day.end;
                }
                if session.contains(at) {
                    place.session = Some(session);
                }
                for edge in [session.start, session.end] {
                    if edge <= at {
                        place.valid.start = place.valid.start.max(edge);
                    } else {
                        place.valid.end = place.valid.end.min(edge);
                    }
                }
            }
        }
        Some(place)
    }

    fn session(&self, opened: Date, weekly: Weekly) -> Option<Span> {
        let close = weekly.open_minute + weekly.length_minutes;
        let (closed, close_minute) = if close > DAY_MINUTES {
            (opened.tomorrow().ok()?, close - DAY_MINUTES)
        } else {
            (opened, close)
        };
        Some(Span {
            start: self.instant(opened, weekly.open_minute)?,
            end: self.instant(closed, close_minute)?,
        })
    }

    fn is_holiday(&self, date: Date) -> bool {
        self.holidays.binary_search(&DayNumber::from_civil(date)).is_ok()
    }

    /// A local time as an instant; one that the clock skips is the moment after, one that comes twice is the first.
    fn instant(&self, date: Date, minute: u16) -> Option<UtcMillis> {
        let (date, minute) = if minute == DAY_MINUTES {
            (date.tomorrow().ok()?, 0)
        } else {
            (date, minute)
        };
        let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
        let local = DateTime::from_parts(date, jiff::civil::time(hour, minute, 0, 0));
        let instant = self.zone.to_ambiguous_timestamp(local).compatible().ok()?;
        Some(UtcMillis(instant.as_millisecond()))
    }
}

#[cfg(test)]
mod tests;
