//! Sessions as local dates: a session bears the local date on which it opens.

use contracts::experiment::DateRange;
use contracts::time::{DayNumber, UtcMillis};
use strategy::calendar::{Calendar, Place};

/// Local dates of the window on which a session opens, in order.
pub fn listed(calendar: &Calendar, window: DateRange) -> Vec<DayNumber> {
    (window.start.0..=window.end.0)
        .map(DayNumber)
        .filter(|date| opens_on(calendar, *date))
        .collect()
}

/// Whether a session opens on the date: every stretch of the day is looked at.
fn opens_on(calendar: &Calendar, date: DayNumber) -> bool {
    let (Some(mut at), Some(end)) = (
        calendar.midnight(date),
        date.0
            .checked_add(1)
            .and_then(|next| calendar.midnight(DayNumber(next))),
    ) else {
        return false;
    };
    while at < end {
        let place = calendar.locate(at);
        if date_of(calendar, &place) == Some(date) {
            return true;
        }
        if place.valid.end <= at {
            return false;
        }
        at = place.valid.end;
    }
    false
}

fn date_of(calendar: &Calendar, place: &Place) -> Option<DayNumber> {
    let session = place.session?;
    if place.day.contains(session.start) {
        return Some(place.date);
    }
    calendar.local_date(session.start)
}

/// Finds the session of one bar after the other without asking the calendar for each.
#[derive(Debug)]
pub struct SessionFinder<'a> {
    calendar: &'a Calendar,
    place: Place,
    date: Option<DayNumber>,
}

/// Where a bar lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InSession {
    /// Date of its session; of its local day where it is in none.
    pub date: DayNumber,
    /// When its session opened, which tells sessions apart.
    pub start: Option<UtcMillis>,
}

impl<'a> SessionFinder<'a> {
    /// Asks this calendar.
    pub fn new(calendar: &'a Calendar) -> Self {
        Self {
            calendar,
            place: Place::default(),
            date: None,
        }
    }

    /// Where the five-minute bar that closes then lies.
    pub fn find(&mut self, close: UtcMillis) -> InSession {
        let open = close.bar_open();
        if !self.place.valid.contains(open) {
            self.place = self.calendar.locate(open);
            self.date = date_of(self.calendar, &self.place);
        }
        InSession {
            date: self.date.unwrap_or(self.place.date),
            start: self.place.session.map(|session| session.start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::samples;

    fn range(start: &str, end: &str) -> DateRange {
        DateRange {
            start: DayNumber::parse(start).unwrap(),
            end: DayNumber::parse(end).unwrap(),
        }
    }

    #[test]
    fn week_days_without_holidays() {
        let calendar = samples::calendar("usdcop");
        // 1 January 2026 is a holiday, 12 January too; 3 and 4 are a week-end.
        let dates = listed(&calendar, range("2025-12-31", "2026-01-13"));
        let days: Vec<String> = dates.iter().map(ToString::to_string).collect();
        assert_eq!(
            days.join(" "),
            "2025-12-31 2026-01-02 2026-01-05 2026-01-06 2026-01-07 2026-01-08 2026-01-09 2026-01-13"
        );
        assert!(listed(&calendar, range("2026-01-03", "2026-01-04")).is_empty());
    }

    #[test]
    fn a_session_over_midnight_bears_the_date_it_opened() {
        let calendar = samples::calendar("fx_24x5");
        let mut finder = SessionFinder::new(&calendar);
        // Sunday 5 October 2025, 17:00 in New York is 21:00 UTC.
        for (close, date) in [
            ("2025-10-05T21:05:00Z", "2025-10-05"),
            ("2025-10-06T21:00:00Z", "2025-10-05"),
            ("2025-10-06T21:05:00Z", "2025-10-06"),
        ] {
            let found = finder.find(UtcMillis::parse(close).unwrap());
            assert_eq!(found.date.to_string(), date, "{close}");
        }
        let dates = listed(&calendar, range("2025-10-03", "2025-10-06"));
        assert_eq!(
            dates.len(),
            2,
            "Sunday and Monday, not Friday and Saturday: {dates:?}"
        );
    }
}
