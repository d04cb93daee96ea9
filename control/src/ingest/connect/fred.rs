//! FRED's `series/observations`: daily values with the day each was first known.
//!
//! A row's `realtime_start` is the first day its value was known, but FRED cuts it to the period asked for: a request over all observations
//! from some day on would say that everything was first known that day. So observations are asked for in windows, and the real-time period
//! begins with the window's first date, before which none of them can have been known. It ends [`FRED_REVISION_DAYS`] after the window:
//! with a value a day the vintages stay below the 2,000 that FRED allows in one request. Later revisions are not seen.
//!
//! Where the archive began years after the observations, `realtime_start` says when the archive began: a first version that "arrives"
//! more than [`FRED_ARRIVAL_DAYS_MAX`] after its date, on the day of the earliest vintage of all, is taken with its arrival unknown, and counted;
//! any other late arrival is kept: the value came late. A day without a time of day counts from its end
//! in St. Louis: nothing is known before it was. A window that lies too far back for today is asked for once more as it is known today: what the
//! archive did not have yet comes from there, its arrival unknown too.

use std::collections::BTreeMap;

use contracts::ids::VendorId;
use contracts::time::{DayNumber, UtcMillis};
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::{Answer, Connector, KeyPlace, Page, Refusal, Request, by_status, said};
use crate::ingest::read::Daily;
use crate::limits::{DAY_MS, FRED_ARRIVAL_DAYS_MAX, FRED_PAGE_ROWS, FRED_REVISION_DAYS, FRED_WINDOW_DAYS};

/// What is fetched.
#[derive(Debug, Clone)]
pub struct Fred {
    /// FRED's id of the series.
    pub id: VendorId,
    /// First date.
    pub from: DayNumber,
    /// Last date.
    pub to: DayNumber,
    /// The zone of FRED's days.
    pub zone: TimeZone,
    /// FRED's date of today: no real-time period may end after it.
    pub today: DayNumber,
}

/// FRED's words about a period before its archive of a series began.
const NOT_ARCHIVED: &str = "does not exist in ALFRED";

/// Where FRED's days end.
pub const ZONE: &str = "America/Chicago";

/// A value, or a blank.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Observation {
    /// A value; its arrival is when FRED first had it.
    Value(Daily),
    /// A value as it is known today, when nobody knows since when.
    Today(Daily),
    /// No observation.
    Blank(DayNumber),
}

/// What observations come to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Known {
    /// The values, by date and arrival.
    pub values: Vec<Daily>,
    /// Dates without any.
    pub blanks: Vec<DayNumber>,
    /// First versions whose arrival only says when the archive began: taken as unknown.
    pub archived: u64,
}

/// Sorts observations; an arrival that only says when the archive began is unknown. A blank that came before shows that there was an archive.
#[must_use]
pub fn known(observations: &[Observation]) -> Known {
    let mut by_date: BTreeMap<DayNumber, (bool, Vec<Daily>)> = BTreeMap::new();
    let mut today: BTreeMap<DayNumber, Daily> = BTreeMap::new();
    for observation in observations {
        match observation {
            Observation::Today(daily) => drop(today.insert(daily.date, *daily)),
            Observation::Blank(date) => by_date.entry(*date).or_default().0 = true,
            Observation::Value(daily) => by_date.entry(daily.date).or_default().1.push(*daily),
        }
    }
    for (date, daily) in today {
        let (_, versions) = by_date.entry(date).or_default();
        if versions.is_empty() {
            versions.push(daily);
        }
    }
    let arrivals = by_date.values().flat_map(|(_, versions)| versions);
    let began = arrivals.filter_map(|version| version.arrived_at).min();
    let mut known = Known::default();
    for (date, (blank, mut versions)) in by_date {
        versions.sort_by_key(|version| version.arrived_at);
        match versions.first_mut() {
            None => known.blanks.push(date),
            Some(first) if first.arrived_at.is_none() => known.archived += 1,
            Some(first) if !blank && first.arrived_at == began && is_late(first) => {
                first.arrived_at = None;
                known.archived += 1;
            }
            Some(_) => {}
        }
        known.values.extend(versions);
    }
    known
}

fn is_late(first: &Daily) -> bool {
    let late_ms = i64::from(first.date.0 + FRED_ARRIVAL_DAYS_MAX) * DAY_MS;
    first.arrived_at.is_some_and(|arrived| arrived.0 > late_ms)
}

/// A window and how far it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    start: DayNumber,
    offset: u64,
    /// As it is known today.
    today: bool,
}

#[derive(Deserialize)]
struct Observations {
    #[serde(default)]
    error_code: Option<u16>,
    #[serde(default)]
    error_message: Option<String>,
    #[serde(default)]
    count: Option<u64>,
    #[serde(default)]
    offset: Option<u64>,
    #[serde(default)]
    observations: Option<Vec<Row>>,
}

#[derive(Deserialize)]
struct Row {
    realtime_start: String,
    date: String,
    value: String,
}

impl Fred {
    fn end_of(&self, start: DayNumber) -> DayNumber {
        DayNumber(start.0 + FRED_WINDOW_DAYS - 1).min(self.to)
    }

    /// The last day of the real-time period of a window.
    fn known_until(&self, end: DayNumber) -> DayNumber {
        DayNumber(end.0 + FRED_REVISION_DAYS).min(self.today.max(end))
    }

    /// Where to go on after the last row of a place.
    fn after(&self, at: &Place) -> Option<Place> {
        let end = self.end_of(at.start);
        if !at.today && self.known_until(end) < self.today {
            return Some(Place {
                today: true,
                offset: 0,
                ..at.clone()
            });
        }
        let start = DayNumber(end.0 + 1);
        (start <= self.to).then_some(Place {
            start,
            offset: 0,
            today: false,
        })
    }

    /// The end of a day in St. Louis.
    fn end(&self, day: DayNumber) -> Option<UtcMillis> {
        let next = DayNumber(day.0 + 1).to_civil()?;
        let midnight = next.to_zoned(self.zone.clone()).ok()?;
        Some(UtcMillis(midnight.timestamp().as_millisecond()))
    }

    fn observation(&self, row: &Row, at: &Place) -> Result<Observation, String> {
        let window = at.start;
        let day = |text: &str| {
            DayNumber::parse(text).map_err(|_| format!("`{}` is no date such as 2026-01-02", said(text)))
        };
        let (date, known) = (day(&row.date)?, day(&row.realtime_start)?);
        if !(window..=self.end_of(window)).contains(&date) {
            return Err(format!("{date} is outside the dates that were asked for"));
        }
        if row.value.trim() == "." {
            return Ok(Observation::Blank(date));
        }
        let value: Option<f64> = row.value.trim().parse().ok();
        let value = value.filter(|value| value.is_finite());
        let value = value.ok_or_else(|| format!("`{}` is not a number", said(&row.value)))?;
        let daily = |arrived_at| Daily {
            date,
            value,
            arrived_at,
        };
        Ok(if at.today {
            Observation::Today(daily(None))
        } else {
            Observation::Value(daily(self.end(known)))
        })
    }
}

impl Connector for Fred {
    type Row = Observation;
    type Cursor = Place;

    fn vendor(&self) -> &'static str {
        "FRED"
    }

    fn first(&self) -> Place {
        Place {
            start: self.from,
            offset: 0,
            today: false,
        }
    }

    fn request(&self, at: &Place) -> Request {
        let end = self.end_of(at.start);
        let (since, until) = if at.today {
            (self.today, self.today)
        } else {
            (at.start, self.known_until(end))
        };
        Request {
            path: "series/observations",
            query: vec![
                ("series_id", self.id.to_string()),
                ("file_type", "json".to_owned()),
                ("observation_start", at.start.to_string()),
                ("observation_end", end.to_string()),
                ("realtime_start", since.to_string()),
                ("realtime_end", until.to_string()),
                ("output_type", "1".to_owned()),
                ("sort_order", "asc".to_owned()),
                ("limit", FRED_PAGE_ROWS.to_string()),
                ("offset", at.offset.to_string()),
            ],
            key: KeyPlace::Query("api_key"),
        }
    }

    fn read(&self, at: &Place, answer: &Answer) -> Result<Page<Observation, Place>, Refusal> {
        let found: Observations = match serde_json::from_slice(&answer.body) {
            Ok(found) => found,
            Err(error) => {
                return Err(by_status(answer).unwrap_or_else(|| {
                    Refusal::Passing(format!("the answer holds no observations: {error}"))
                }));
            }
        };
        if found.error_code.is_some() || answer.status != 200 {
            let message = found.error_message.as_deref().unwrap_or_default();
            if !at.today && message.contains(NOT_ARCHIVED) {
                return Ok(Page {
                    rows: Vec::new(),
                    bad: Vec::new(),
                    next: self.after(at),
                });
            }
            return Err(refusal(&found, answer));
        }
        let (Some(count), Some(offset), Some(observations)) = (found.count, found.offset, found.observations)
        else {
            return Err(Refusal::Lasting(
                "the answer has no count, offset or observations".to_owned(),
            ));
        };
        if offset != at.offset {
            return Err(Refusal::Lasting(format!(
                "the answer begins at row {offset}, row {} was asked for",
                at.offset
            )));
        }
        let (mut rows, mut bad) = (Vec::with_capacity(observations.len()), Vec::new());
        for (number, row) in (1..).zip(&observations) {
            match self.observation(row, at) {
                Ok(observation) => rows.push(observation),
                Err(fault) => bad.push((number, fault)),
            }
        }
        let read = offset + observations.len() as u64;
        let next = if read < count {
            if observations.is_empty() {
                return Err(Refusal::Lasting(format!("an empty page before row {count}")));
            }
            Some(Place {
                offset: read,
                ..at.clone()
            })
        } else {
            self.after(at)
        };
        Ok(Page { rows, bad, next })
    }
}

fn refusal(found: &Observations, answer: &Answer) -> Refusal {
    let message = said(found.error_message.as_deref().unwrap_or("no message"));
    let code = found.error_code.unwrap_or(answer.status);
    let shown = format!("code {code}: {message}");
    let about_key = message.to_ascii_lowercase().contains("api_key");
    match code {
        429 => Refusal::TooMany,
        400 | 401 | 403 if about_key => Refusal::Key(shown),
        401 | 403 => Refusal::Key(shown),
        408 | 500..=599 => Refusal::Passing(shown),
        _ => Refusal::Lasting(shown),
    }
}
