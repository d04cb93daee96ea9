//! The rows of a partition: what may stand in one, whoever wrote it.

use contracts::bar::Bar;
use contracts::time::{DayNumber, UtcMillis};
use parquet::errors::ParquetError;

use super::name::{MarketKind, Month};
use crate::limits::{PARTITION_BYTES_MAX, PARTITION_ROWS_MAX};

/// A value of a daily series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DailyValue {
    /// The date it was observed for.
    pub date: DayNumber,
    /// The value, finite.
    pub value: f64,
    /// When it arrived, where that is known; of a revision always.
    pub arrived_at: Option<UtcMillis>,
}

/// The rows of one month, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    /// By close time, each once.
    Bars(Vec<Bar>),
    /// By date, then by arrival: the versions of a value.
    Daily(Vec<DailyValue>),
}

/// Why bytes or rows are no partition.
#[derive(Debug, thiserror::Error)]
pub enum PartitionError {
    /// More bytes than a month has.
    #[error("{bytes} bytes are more than a partition may have ({PARTITION_BYTES_MAX})")]
    TooLarge {
        /// How many.
        bytes: usize,
    },
    /// No row, or more than a month has.
    #[error("{rows} rows: a partition has 1 to {PARTITION_ROWS_MAX}, in one row group")]
    RowCount {
        /// How many.
        rows: i64,
    },
    /// Other columns.
    #[error("its columns are not those of {kind}: write {expected}", kind = kind.word())]
    Schema {
        /// Of what.
        kind: MarketKind,
        /// What they should be.
        expected: &'static str,
    },
    /// A row that may not stand there.
    #[error("row {row}: {fault}")]
    Row {
        /// Which, from 1.
        row: usize,
        /// What is wrong with it.
        fault: RowFault,
    },
    /// It cannot be read as Parquet.
    #[error("it is no Parquet file that can be read")]
    Parquet(#[from] ParquetError),
    /// Its reader failed on it.
    #[error("it is no Parquet file that can be read: its reader failed on it")]
    Unreadable,
}

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// Of another month.
    #[error("it is not of the partition's month")]
    Month,
    /// Not after the row before.
    #[error("it is not after the row before it")]
    Order,
    /// A bar that cannot be.
    #[error(
        "it is no possible bar: prices finite and above 0, low <= open, close <= high, a volume of 0 or more"
    )]
    Impossible,
    /// A close between two bars.
    #[error("it does not close on five minutes")]
    Grid,
    /// A value that is none.
    #[error("its value is not finite")]
    NotFinite,
    /// A revision of nothing.
    #[error("it is a revision without an arrival, or with the value of the version before it")]
    NoRevision,
}

impl Rows {
    /// What they are.
    #[must_use]
    pub const fn kind(&self) -> MarketKind {
        match self {
            Self::Bars(_) => MarketKind::Bars,
            Self::Daily(_) => MarketKind::Daily,
        }
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Bars(bars) => bars.len(),
            Self::Daily(values) => values.len(),
        }
    }

    /// True for none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The times of the first and the last bar, or the dates of the first and the last value, as texts that sort.
    #[must_use]
    pub fn span(&self) -> Option<(String, String)> {
        let time = crate::store::time_text;
        match self {
            Self::Bars(bars) => Some((time(bars.first()?.close_time), time(bars.last()?.close_time))),
            Self::Daily(values) => Some((values.first()?.date.to_string(), values.last()?.date.to_string())),
        }
    }

    /// Holds every row against what may stand in a partition of `month`.
    ///
    /// # Errors
    /// [`PartitionError::RowCount`], [`PartitionError::Row`] naming the first.
    pub fn check(&self, month: Month) -> Result<(), PartitionError> {
        let count = self.len();
        if count == 0 || count > PARTITION_ROWS_MAX {
            let rows = i64::try_from(count).unwrap_or(i64::MAX);
            return Err(PartitionError::RowCount { rows });
        }
        let fault = match self {
            Self::Bars(bars) => first_fault(bars, |before, bar| bar_fault(before, bar, month)),
            Self::Daily(values) => first_fault(values, |before, value| value_fault(before, value, month)),
        };
        fault.map_or(Ok(()), |(row, fault)| Err(PartitionError::Row { row, fault }))
    }
}

/// The first row with a fault, counted from 1; each is held against the one before it.
fn first_fault<T>(
    rows: &[T],
    fault: impl Fn(Option<&T>, &T) -> Option<RowFault>,
) -> Option<(usize, RowFault)> {
    let before = std::iter::once(None).chain(rows.iter().map(Some));
    let pairs = before.zip(rows).enumerate();
    pairs
        .filter_map(|(at, (before, row))| Some((at + 1, fault(before, row)?)))
        .next()
}

fn bar_fault(before: Option<&Bar>, bar: &Bar, month: Month) -> Option<RowFault> {
    if !bar.is_possible() {
        Some(RowFault::Impossible)
    } else if !bar.close_time.is_on_bar_grid() {
        Some(RowFault::Grid)
    } else if Month::of_time(bar.close_time) != Some(month) {
        Some(RowFault::Month)
    } else if before.is_some_and(|before| before.close_time >= bar.close_time) {
        Some(RowFault::Order)
    } else {
        None
    }
}

fn value_fault(before: Option<&DailyValue>, value: &DailyValue, month: Month) -> Option<RowFault> {
    if !value.value.is_finite() {
        return Some(RowFault::NotFinite);
    }
    if Month::of_date(value.date) != Some(month) {
        return Some(RowFault::Month);
    }
    let before = before?;
    if before.date > value.date {
        return Some(RowFault::Order);
    }
    if before.date < value.date {
        return None;
    }
    if value.arrived_at.is_none() || value.value.to_bits() == before.value.to_bits() {
        return Some(RowFault::NoRevision);
    }
    (value.arrived_at <= before.arrived_at).then_some(RowFault::Order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month() -> Month {
        "2026-01".parse().unwrap()
    }

    fn at(text: &str) -> UtcMillis {
        UtcMillis::parse(text).unwrap()
    }

    fn bar(text: &str) -> Bar {
        Bar {
            close_time: at(text),
            open: 2.0,
            high: 3.0,
            low: 1.0,
            close: 2.5,
            volume: 0.0,
        }
    }

    fn value(date: &str, value: f64, arrived: Option<&str>) -> DailyValue {
        DailyValue {
            date: DayNumber::parse(date).unwrap(),
            value,
            arrived_at: arrived.map(at),
        }
    }

    fn fault(rows: Rows) -> Option<(usize, RowFault)> {
        match rows.check(month()) {
            Ok(()) => None,
            Err(PartitionError::Row { row, fault }) => Some((row, fault)),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn bars_are_possible_on_the_grid_in_order_and_of_the_month() {
        let good = bar("2026-01-05T13:05:00Z");
        let later = bar("2026-01-31T23:55:00Z");
        let of = |second: Bar| fault(Rows::Bars(vec![good, second]));
        assert_eq!(of(later), None);
        assert_eq!(of(Bar { high: 1.0, ..later }), Some((2, RowFault::Impossible)));
        assert_eq!(
            of(Bar {
                close: f64::NAN,
                ..later
            }),
            Some((2, RowFault::Impossible))
        );
        assert_eq!(of(bar("2026-01-31T23:56:00Z")), Some((2, RowFault::Grid)));
        assert_eq!(of(bar("2026-02-01T00:00:00Z")), Some((2, RowFault::Month)));
        assert_eq!(of(good), Some((2, RowFault::Order)));
        assert_eq!(of(bar("2026-01-05T13:00:00Z")), Some((2, RowFault::Order)));
    }

    #[test]
    fn values_are_finite_in_order_and_revisions_have_an_arrival() {
        let good = value("2026-01-05", 1.0, None);
        let of = |second: DailyValue| fault(Rows::Daily(vec![good, second]));
        assert_eq!(of(value("2026-01-06", 1.0, None)), None);
        assert_eq!(of(value("2026-01-05", 2.0, Some("2026-02-01T00:00:00Z"))), None);
        assert_eq!(
            of(value("2026-01-05", 2.0, None)),
            Some((2, RowFault::NoRevision))
        );
        let same = value("2026-01-05", 1.0, Some("2026-02-01T00:00:00Z"));
        assert_eq!(of(same), Some((2, RowFault::NoRevision)));
        assert_eq!(of(value("2026-01-04", 1.0, None)), Some((2, RowFault::Order)));
        assert_eq!(of(value("2025-12-31", 1.0, None)), Some((2, RowFault::Month)));
        assert_eq!(
            of(value("2026-01-06", f64::INFINITY, None)),
            Some((2, RowFault::NotFinite))
        );
        let versions = |first: &str, second: &str| {
            let (first, second) = (
                value("2026-01-05", 2.0, Some(first)),
                value("2026-01-05", 3.0, Some(second)),
            );
            fault(Rows::Daily(vec![good, first, second]))
        };
        assert_eq!(versions("2026-01-07T00:00:00Z", "2026-01-08T00:00:00Z"), None);
        let back = versions("2026-01-08T00:00:00Z", "2026-01-07T00:00:00Z");
        assert_eq!(back, Some((3, RowFault::Order)), "never backwards");
    }

    #[test]
    fn a_partition_has_rows() {
        for rows in [Rows::Bars(Vec::new()), Rows::Daily(Vec::new())] {
            assert!(matches!(
                rows.check(month()),
                Err(PartitionError::RowCount { rows: 0 })
            ));
        }
    }
}
