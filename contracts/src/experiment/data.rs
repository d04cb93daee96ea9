//! The `data` section: one instrument and three windows that do not touch.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{CalendarName, InstrumentId};
use crate::time::DayNumber;

/// Local session dates, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DateRange {
    /// First session.
    pub start: DayNumber,
    /// Last session.
    pub end: DayNumber,
}

/// The `data` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataSection {
    /// The instrument.
    pub instrument: InstrumentId,
    /// Its calendar, the feature contract's too.
    pub calendar: CalendarName,
    /// Fits norm stats and policy.
    pub train: DateRange,
    /// Chooses between checkpoints.
    pub validation: DateRange,
    /// The holdout: seen by the first vote only, every look counted.
    pub test: DateRange,
}

impl DateRange {
    /// True when the two share a date.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    /// True when the date lies in it.
    #[must_use]
    pub fn contains(&self, date: DayNumber) -> bool {
        self.start <= date && date <= self.end
    }
}
