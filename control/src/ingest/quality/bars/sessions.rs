//! Bars by session: complete, partial, absent, stale, and the gaps inside.

use std::collections::{BTreeMap, HashSet};

use contracts::bar::Bar;
use contracts::limits::BAR_INTERVAL_MS;
use contracts::time::{DayNumber, UtcMillis};
use serde::Serialize;
use strategy::calendar::{Calendar, Span};

use super::super::Listed;
use crate::limits::STALE_CLOSES_MAX;

/// A session with its bars.
#[derive(Debug)]
pub struct Session<'a> {
    /// Local date it opens on.
    pub date: DayNumber,
    /// When it is.
    pub span: Span,
    /// Its bars, in order; never empty.
    pub bars: Vec<&'a Bar>,
}

impl Session<'_> {
    /// Bars that a complete one has.
    fn expected(&self) -> u64 {
        u64::try_from((self.span.end.0 - self.span.start.0) / BAR_INTERVAL_MS).unwrap_or(0)
    }
}

/// Sessions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sessions {
    /// With at least one bar, those on listed holidays included.
    pub with_bars: u64,
    /// Of these, with every bar.
    pub complete: u64,
    /// Of these, with a bar missing.
    pub partial: Listed<Partial>,
    /// Of these, on a date that the calendar lists as a holiday.
    pub on_holidays: Listed<DayNumber>,
    /// Days of trading between the first and the last bar without any.
    pub absent: Absent,
}

/// A session that is not complete.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Partial {
    /// Its date.
    pub date: DayNumber,
    /// Bars it has.
    pub bars: u64,
    /// Bars it should have.
    pub expected: u64,
}

/// Sessions without a bar.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Absent {
    /// How many, holidays included.
    pub count: u64,
    /// Of these, on listed holidays: as they should be.
    pub on_holidays: u64,
    /// Listed holidays without bars are not among these.
    pub dates: Listed<DayNumber>,
}

/// Bars missing between two bars of one session.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gaps {
    /// How many gaps.
    pub count: u64,
    /// Bars missing in all of them.
    pub missing_bars: u64,
    /// The longest ones first.
    pub longest: Listed<Gap>,
}

/// One gap.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gap {
    /// Close of the bar before.
    pub after: UtcMillis,
    /// Close of the bar after.
    pub before: UtcMillis,
    /// Bars missing.
    pub missing_bars: u64,
}

/// Sessions of few distinct closes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stale {
    /// Distinct closes that a session is stale up to.
    pub closes_max: usize,
    /// Their dates.
    pub dates: Listed<DayNumber>,
}

/// Bars that lie wholly in a session, by session.
pub fn group<'a>(calendar: &Calendar, bars: &'a [Bar]) -> Vec<Session<'a>> {
    let mut sessions: BTreeMap<UtcMillis, Session<'a>> = BTreeMap::new();
    let mut here: Option<Span> = None;
    for bar in bars {
        let open = bar.close_time.bar_open();
        let span = here
            .filter(|span| span.contains(open))
            .or_else(|| calendar.locate(open).session);
        here = span;
        let Some(span) = span.filter(|span| bar.close_time <= span.end) else {
            continue;
        };
        let date = || calendar.local_date(span.start).unwrap_or_default();
        let session = sessions.entry(span.start).or_insert_with(|| Session {
            date: date(),
            span,
            bars: Vec::new(),
        });
        session.bars.push(bar);
    }
    sessions.into_values().collect()
}

/// Counts sessions, and those that are not there.
pub fn count(calendar: &Calendar, holidays: &[DayNumber], sessions: &[Session<'_>]) -> Sessions {
    let on_holiday = |date: &DayNumber| holidays.binary_search(date).is_ok();
    let partial = sessions
        .iter()
        .filter(|one| (one.bars.len() as u64) < one.expected());
    let partial: Listed<Partial> = partial
        .map(|one| Partial {
            date: one.date,
            bars: one.bars.len() as u64,
            expected: one.expected(),
        })
        .collect();
    let absent = absent(calendar, sessions);
    let listed = absent.iter().filter(|date| on_holiday(date)).count() as u64;
    Sessions {
        with_bars: sessions.len() as u64,
        complete: sessions.len() as u64 - partial.count,
        partial,
        on_holidays: sessions
            .iter()
            .map(|one| one.date)
            .filter(|date| on_holiday(date))
            .collect(),
        absent: Absent {
            count: absent.len() as u64,
            on_holidays: listed,
            dates: absent.into_iter().filter(|date| !on_holiday(date)).collect(),
        },
    }
}

/// Dates of the sessions between the first and the last one that have no bar.
fn absent(calendar: &Calendar, sessions: &[Session<'_>]) -> Vec<DayNumber> {
    let (Some(first), Some(last)) = (sessions.first(), sessions.last()) else {
        return Vec::new();
    };
    let there: HashSet<UtcMillis> = sessions.iter().map(|one| one.span.start).collect();
    let mut absent = Vec::new();
    let mut at = first.span.end;
    while at < last.span.start {
        let place = calendar.locate(at);
        let next = match place.session {
            Some(span) => {
                if !there.contains(&span.start) {
                    absent.extend(calendar.local_date(span.start));
                }
                span.end
            }
            None => place.valid.end,
        };
        // A place that does not end would be walked for ever.
        if next <= at {
            break;
        }
        at = next;
    }
    absent
}

/// Bars missing between two bars of one session.
pub fn gaps(sessions: &[Session<'_>]) -> Gaps {
    let mut gaps: Vec<Gap> = Vec::new();
    for session in sessions {
        for pair in session.bars.windows(2) {
            let (after, before) = (pair[0].close_time, pair[1].close_time);
            let missing = (before.0 - after.0) / BAR_INTERVAL_MS - 1;
            if let Some(missing_bars) = u64::try_from(missing).ok().filter(|missing| *missing > 0) {
                gaps.push(Gap {
                    after,
                    before,
                    missing_bars,
                });
            }
        }
    }
    gaps.sort_by_key(|gap| (std::cmp::Reverse(gap.missing_bars), gap.after));
    Gaps {
        count: gaps.len() as u64,
        missing_bars: gaps.iter().map(|gap| gap.missing_bars).sum(),
        longest: gaps.into_iter().collect(),
    }
}

/// Sessions whose price hardly moves.
pub fn stale(sessions: &[Session<'_>]) -> Stale {
    let closes = |one: &Session<'_>| {
        let distinct: HashSet<u64> = one.bars.iter().map(|bar| bar.close.to_bits()).collect();
        distinct.len()
    };
    Stale {
        closes_max: STALE_CLOSES_MAX,
        dates: sessions
            .iter()
            .filter(|one| closes(one) <= STALE_CLOSES_MAX)
            .map(|one| one.date)
            .collect(),
    }
}
