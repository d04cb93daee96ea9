//! Rows in the order of their time, each once. Of several for one time the first stays; another content is a conflict and is listed.

use std::collections::BTreeMap;

use contracts::bar::Bar;
use contracts::time::{DayNumber, UtcMillis};
use serde::Serialize;

use super::quality::Listed;
use super::read::{Daily, Row};

/// Two bars for one close.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BarConflict {
    /// Of both.
    pub close_time: UtcMillis,
    /// Line of the one that stays.
    pub kept_line: u64,
    /// Its close.
    pub kept_close: f64,
    /// Line of the other.
    pub line: u64,
    /// Its close.
    pub close: f64,
}

/// Two values for one date, without arrivals that tell which is the later.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DailyConflict {
    /// Of both.
    pub date: DayNumber,
    /// Line of the one that stays.
    pub kept_line: u64,
    /// Its value.
    pub kept: f64,
    /// Line of the other.
    pub line: u64,
    /// Its value.
    pub value: f64,
}

/// What repeats.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Repeats<C> {
    /// Rows that say again what was said: left out.
    pub same: u64,
    /// Rows that say something else for the same time: left out.
    pub conflicts: Listed<C>,
    /// Rows that came before an earlier one: put in order.
    pub out_of_order: u64,
}

impl<C> Default for Repeats<C> {
    fn default() -> Self {
        Self {
            same: 0,
            conflicts: Listed::default(),
            out_of_order: 0,
        }
    }
}

/// Bars by close time, each once.
#[must_use]
pub fn bars(rows: &[Row<Bar>]) -> (Vec<Bar>, Repeats<BarConflict>) {
    let mut repeats = Repeats::default();
    let mut latest: Option<UtcMillis> = None;
    let mut places: Vec<usize> = (0..rows.len()).collect();
    for row in rows {
        let at = row.value.close_time;
        if latest.is_some_and(|latest| at < latest) {
            repeats.out_of_order += 1;
        }
        latest = latest.max(Some(at));
    }
    // A stable order: of one time, the row that came first.
    places.sort_by_key(|at| rows[*at].value.close_time);
    let mut kept: Vec<Bar> = Vec::with_capacity(rows.len());
    let mut first = 0;
    for at in places {
        let row = &rows[at];
        match kept.last() {
            Some(last) if last.same_bits(&row.value) => repeats.same += 1,
            Some(last) if last.close_time == row.value.close_time => {
                repeats.conflicts.push(BarConflict {
                    close_time: last.close_time,
                    kept_line: rows[first].line,
                    kept_close: last.close,
                    line: row.line,
                    close: row.value.close,
                });
            }
            _ => {
                kept.push(row.value);
                first = at;
            }
        }
    }
    (kept, repeats)
}

/// Values by date, then by arrival. A value of a known date that arrived later and differs is a revision and stays; one without an arrival
/// is a repetition or a conflict.
#[must_use]
pub fn daily(rows: &[Row<Daily>]) -> (Vec<Daily>, Repeats<DailyConflict>) {
    let mut repeats = Repeats::default();
    let mut by_date: BTreeMap<DayNumber, Vec<usize>> = BTreeMap::new();
    let mut latest: Option<DayNumber> = None;
    for (at, row) in rows.iter().enumerate() {
        let date = row.value.date;
        if latest.is_some_and(|latest| date < latest) {
            repeats.out_of_order += 1;
        }
        latest = latest.max(Some(date));
        by_date.entry(date).or_default().push(at);
    }
    let mut kept = Vec::with_capacity(rows.len());
    for mut places in by_date.into_values() {
        // Unknown arrivals come first: they are the value as it is known without any history.
        places.sort_by_key(|at| rows[*at].value.arrived_at);
        let mut last: Option<usize> = None;
        for at in places {
            let row = &rows[at];
            let Some(before) = last.map(|last| &rows[last]) else {
                kept.push(row.value);
                last = Some(at);
                continue;
            };
            if before.value.value.to_bits() == row.value.value.to_bits() {
                repeats.same += 1;
            } else if row.value.arrived_at > before.value.arrived_at {
                kept.push(row.value);
                last = Some(at);
            } else {
                repeats.conflicts.push(DailyConflict {
                    date: row.value.date,
                    kept_line: before.line,
                    kept: before.value.value,
                    line: row.line,
                    value: row.value.value,
                });
            }
        }
    }
    (kept, repeats)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(minutes: i64, close: f64, line: u64) -> Row<Bar> {
        let value = Bar {
            close_time: UtcMillis(minutes * 60_000),
            open: close,
            high: close,
            low: close,
            close,
            volume: 0.0,
        };
        Row {
            value,
            origin: 0,
            line,
        }
    }

    #[test]
    fn of_several_bars_the_first_stays_wherever_it_came() {
        let rows = [
            bar(10, 2.0, 2),
            bar(5, 1.0, 3),
            bar(10, 2.0, 4),
            bar(10, 9.0, 5),
            bar(5, 1.0, 6),
        ];
        let (kept, repeats) = bars(&rows);
        assert_eq!(kept.iter().map(|bar| bar.close).collect::<Vec<_>>(), [1.0, 2.0]);
        assert_eq!((repeats.same, repeats.out_of_order), (2, 2));
        let [conflict] = repeats.conflicts.rows.as_slice() else {
            panic!("{repeats:?}");
        };
        assert_eq!(
            (
                conflict.kept_line,
                conflict.kept_close,
                conflict.line,
                conflict.close
            ),
            (2, 2.0, 5, 9.0)
        );
    }

    #[test]
    fn a_later_arrival_is_a_revision_and_anything_else_is_not() {
        let day = |date: i32, value: f64, arrived: Option<i64>, line: u64| Row {
            value: Daily {
                date: DayNumber(date),
                value,
                arrived_at: arrived.map(UtcMillis),
            },
            origin: 0,
            line,
        };
        let rows = [
            day(2, 5.0, None, 1),
            day(1, 1.0, Some(10), 2),
            day(1, 2.0, Some(30), 3),
            day(1, 1.0, Some(20), 4),
            day(2, 6.0, None, 5),
            day(2, 7.0, Some(40), 6),
        ];
        let (kept, repeats) = daily(&rows);
        let values: Vec<_> = kept.iter().map(|one| (one.date.0, one.value)).collect();
        assert_eq!(values, [(1, 1.0), (1, 2.0), (2, 5.0), (2, 7.0)]);
        assert_eq!((repeats.same, repeats.conflicts.count), (1, 1));
        assert_eq!(repeats.conflicts.rows[0].line, 5);
    }
}
