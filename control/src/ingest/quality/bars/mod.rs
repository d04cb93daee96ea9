//! The quality of bars: sessions, gaps, repetitions, flat and stale stretches, jumps, the zone, volume.

mod flat;
mod jumps;
mod sessions;
mod verdict;
mod zone;

use contracts::bar::Bar;
use contracts::features::Calendar as CalendarDoc;
use contracts::time::UtcMillis;
use serde::Serialize;
use strategy::calendar::{Calendar, CalendarError};

pub use self::flat::{Flat, FlatYear};
pub use self::jumps::{Jump, Jumps, Level, LevelKind};
pub use self::sessions::{Absent, Gap, Gaps, Partial, Sessions, Stale};
pub use self::zone::{Outside, Shifted};
use super::{Finding, Listed};
use crate::ingest::order::{BarConflict, Repeats};
use crate::ingest::read::{BadRow, Origin};
use crate::ingest::source::BarSource;

/// What a report says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BarsReport {
    /// Which document this is.
    pub schema: &'static str,
    /// The source's id.
    pub source: String,
    /// Who made the data.
    pub vendor: String,
    /// What the vendor calls it.
    pub vendor_id: String,
    /// What it is here.
    pub instrument: String,
    /// The calendar it is held against.
    pub calendar: String,
    /// What was read.
    pub origins: Vec<Origin>,
    /// Rows that were read, the bad ones included.
    pub rows: u64,
    /// Rows that were left out because they are no possible bars.
    pub bad: Listed<BadRow>,
    /// Rows for a time that was there already.
    pub repeats: Repeats<BarConflict>,
    /// Bars that are left.
    pub bars: u64,
    /// First close.
    pub first: Option<UtcMillis>,
    /// Last close.
    pub last: Option<UtcMillis>,
    /// By session.
    pub sessions: Sessions,
    /// Bars missing inside sessions.
    pub gaps: Gaps,
    /// Bars of one price.
    pub flat: Flat,
    /// Sessions whose price hardly moves.
    pub stale: Stale,
    /// Moves that do not fit their neighbourhood.
    pub jumps: Jumps,
    /// Closes at another level.
    pub levels: Listed<Level>,
    /// Bars outside the sessions, and whether another zone would explain them.
    pub outside: Outside,
    /// Bars without volume.
    pub without_volume: u64,
    /// Bars that close after the time of the ingest.
    pub in_future: u64,
    /// All of it in sentences, the worst first.
    pub findings: Vec<Finding>,
}

/// Which document a report is.
pub const SCHEMA: &str = "twovote/bars-quality/v1";

/// What was taken, put in order.
#[derive(Debug, Clone, Copy)]
pub struct Taken<'a> {
    /// What was read.
    pub origins: &'a [Origin],
    /// What was left out.
    pub bad: &'a Listed<BadRow>,
    /// Rows that could be read.
    pub rows: u64,
    /// What repeats.
    pub repeats: &'a Repeats<BarConflict>,
    /// In order, each once.
    pub bars: &'a [Bar],
    /// When it was taken.
    pub now: UtcMillis,
}

/// Holds bars against a calendar.
///
/// # Errors
/// [`CalendarError`] for a calendar of an unknown zone.
pub fn examine(
    source: &BarSource,
    calendar: &CalendarDoc,
    taken: Taken<'_>,
) -> Result<BarsReport, CalendarError> {
    let bars = taken.bars;
    // Weekly sessions without the holidays: bars on a listed holiday are told apart by their date.
    let weekly = Calendar::new(&CalendarDoc {
        holidays: Vec::new(),
        ..calendar.clone()
    })?;
    let by_session = sessions::group(&weekly, bars);
    let levels = jumps::levels(bars);
    let mut report = BarsReport {
        schema: SCHEMA,
        source: source.id.to_string(),
        vendor: source.vendor.to_string(),
        vendor_id: source.vendor_id.to_string(),
        instrument: source.instrument.to_string(),
        calendar: calendar.name.to_string(),
        origins: taken.origins.to_vec(),
        rows: taken.rows + taken.bad.count,
        bad: taken.bad.clone(),
        repeats: taken.repeats.clone(),
        bars: bars.len() as u64,
        first: bars.first().map(|bar| bar.close_time),
        last: bars.last().map(|bar| bar.close_time),
        sessions: sessions::count(&weekly, &calendar.holidays, &by_session),
        gaps: sessions::gaps(&by_session),
        flat: flat::count(bars),
        stale: sessions::stale(&by_session),
        jumps: jumps::find(&by_session, &levels),
        levels: levels.into_iter().collect(),
        outside: zone::outside(&weekly, bars),
        without_volume: bars.iter().filter(|bar| bar.volume == 0.0).count() as u64,
        in_future: bars.iter().filter(|bar| bar.close_time > taken.now).count() as u64,
        findings: Vec::new(),
    };
    report.findings = verdict::findings(&report);
    Ok(report)
}

#[cfg(test)]
mod tests;
