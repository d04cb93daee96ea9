//! Why there is no run. Nothing is priced at a default.

use contracts::experiment::DateRange;
use contracts::ids::SeriesId;
use contracts::time::{DayNumber, UtcMillis};
use strategy::policy::{InferError, SourceError};

/// Why there is no run; no figure of it exists.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A number of the settings is out of its range. Correct the experiment.
    #[error("execution settings: {field} = {value}, {expected} is expected")]
    Settings {
        /// Which.
        field: &'static str,
        /// What it is.
        value: f64,
        /// What it may be.
        expected: &'static str,
    },
    /// The bars are not in order of time, each later than the one before. Sort them, drop duplicates.
    #[error(
        "the bar that closes at {at} is not later than the one before it; sort the bars and drop duplicates"
    )]
    Order {
        /// The bar that is out of order.
        at: UtcMillis,
    },
    /// No session opens on a date of the window. Correct the window or the calendar.
    #[error("no session of the calendar opens from {} to {}; correct the window or the calendar", window.start, window.end)]
    NoSession {
        /// The window.
        window: DateRange,
    },
    /// The bars begin after the window's first session or end before its last. Give the missing bars or a narrower window.
    #[error(
        "the window's sessions are {first} to {last}, but the used bars cover {}; give the missing bars or a narrower window",
        covered.map_or_else(|| "none of it".to_owned(), |(first, last)| format!("{first} to {last} only"))
    )]
    Uncovered {
        /// First listed session.
        first: DayNumber,
        /// Last listed session.
        last: DayNumber,
        /// Sessions of the first and last used bar.
        covered: Option<(DayNumber, DayNumber)>,
    },
    /// A feature needs a series the daily values do not have. Give the file that has it.
    #[error("the features need the daily series {series}, which the market does not have")]
    MissingSeries {
        /// Which.
        series: SeriesId,
    },
    /// A daily value cannot be told from a look-ahead: a second value of a date without its arrival, or more values than are kept.
    #[error(
        "the value of {series} for {date} is refused: a revision needs its `arrived_at`, and no more than {} values of a series are kept",
        strategy::limits::MACRO_VALUES_MAX
    )]
    Daily {
        /// Whose value.
        series: SeriesId,
        /// For which date.
        date: DayNumber,
    },
    /// The model could not be loaded.
    #[error("the model cannot be loaded")]
    Source(#[from] SourceError),
    /// The model failed in a run.
    #[error("the model failed")]
    Infer(#[from] InferError),
}
