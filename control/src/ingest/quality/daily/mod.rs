//! The quality of daily series: blanks, gaps, jumps, repetitions, values filled forward, values out of range, arrivals.

mod series;
mod verdict;

use contracts::time::{DayNumber, UtcMillis};
use serde::Serialize;

use super::{Finding, Listed};
use crate::ingest::order::{self, DailyConflict, Repeats};
use crate::ingest::read::{BadRow, Daily, DailyTaken, Origin};
use crate::ingest::source::DailySource;

/// What a report says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DailyReport {
    /// Which document this is.
    pub schema: &'static str,
    /// The source's id.
    pub source: String,
    /// What was read.
    pub origins: Vec<Origin>,
    /// Rows and cells that were left out.
    pub bad: Listed<BadRow>,
    /// Each series.
    pub series: Vec<SeriesReport>,
    /// All of it in sentences, the worst first.
    pub findings: Vec<Finding>,
}

/// Which document a report is.
pub const SCHEMA: &str = "twovote/daily-quality/v1";

/// What a report says about one series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeriesReport {
    /// The series.
    pub series: String,
    /// Who made it.
    pub vendor: String,
    /// What the vendor calls it.
    pub vendor_id: String,
    /// Values, revisions included.
    pub values: u64,
    /// Of these, later versions of a value.
    pub revisions: u64,
    /// First date.
    pub first: Option<DayNumber>,
    /// Last date.
    pub last: Option<DayNumber>,
    /// Blank cells between the first and the last date.
    pub blanks: u64,
    /// Their share of the dates there, in [0, 1].
    pub blanks_share: f64,
    /// Rows for a date that was there already.
    pub repeats: Repeats<DailyConflict>,
    /// Dates far apart.
    pub gaps: Listed<DailyGap>,
    /// Moves that stand out.
    pub jumps: Listed<DailyJump>,
    /// Whether a slower series was filled forward.
    pub filled: Filled,
    /// Values outside the range that the source declares.
    pub implausible: Listed<Implausible>,
    /// Arrivals.
    pub arrivals: Arrivals,
}

/// Two dates far apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DailyGap {
    /// Last date before.
    pub after: DayNumber,
    /// First date after.
    pub before: DayNumber,
    /// Calendar days from one to the other.
    pub days: i32,
}

/// A move that stands out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DailyJump {
    /// Its date.
    pub date: DayNumber,
    /// Value before.
    pub from: f64,
    /// Value.
    pub to: f64,
    /// The move in usual moves of the series.
    pub medians: f64,
}

/// How long values stand.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Filled {
    /// Observations that differ from the one before.
    pub changes: u64,
    /// Observations a value stands for, on average.
    pub run_mean: f64,
    /// Share of the changes that come with the first observation of a month.
    pub with_the_month: f64,
    /// True when a monthly series looks repeated daily.
    pub suspicious: bool,
}

/// A value outside its range.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Implausible {
    /// Its date.
    pub date: DayNumber,
    /// The value.
    pub value: f64,
}

/// When values were known.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Arrivals {
    /// Values whose arrival is known.
    pub known: u64,
    /// Arrivals that only say when an archive began: taken as unknown.
    pub archived: u64,
    /// Values that arrive before their date begins anywhere.
    pub early: Listed<Early>,
}

/// A value that is known before its date.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Early {
    /// Its date.
    pub date: DayNumber,
    /// Its arrival.
    pub arrived_at: UtcMillis,
}

/// Puts each series in order and looks at it; the values come back in the source's order.
#[must_use]
pub fn examine(source: &DailySource, taken: &DailyTaken) -> (Vec<Vec<Daily>>, DailyReport) {
    let mut kept = Vec::with_capacity(source.series.len());
    let mut reports = Vec::with_capacity(source.series.len());
    for (declared, taken) in source.series.iter().zip(&taken.series) {
        let (values, repeats) = order::daily(&taken.rows);
        reports.push(series::examine(declared, taken, &values, repeats));
        kept.push(values);
    }
    let mut report = DailyReport {
        schema: SCHEMA,
        source: source.id.to_string(),
        origins: taken.origins.clone(),
        bad: taken.bad.clone(),
        series: reports,
        findings: Vec::new(),
    };
    report.findings = verdict::findings(source, &report);
    (kept, report)
}

#[cfg(test)]
mod tests;
