//! New rows into known ones, and what differs between two revisions of a month.
//!
//! Nothing is lost on the way from one revision to the next: a bar may get other numbers, a daily value a further version, and rows may
//! come in between; none goes away.

use std::collections::BTreeMap;

use contracts::bar::Bar;
use contracts::time::{DayNumber, UtcMillis};

use super::partition::{DailyValue, Rows};

/// What became of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Counts {
    /// Rows of a time or date that was not known.
    pub added: u64,
    /// Bars with other numbers, further versions of a daily value.
    pub changed: u64,
    /// Rows that were known.
    pub unchanged: u64,
}

impl Counts {
    /// True when nothing is new.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.added == 0 && self.changed == 0
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.added += other.added;
        self.changed += other.changed;
        self.unchanged += other.unchanged;
    }
}

/// Why rows cannot be merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// Two bars of one time, or two values of one date without arrivals, that are not the same.
    #[error("two different rows of {at} come together: the source has to say which one is right")]
    Twice {
        /// Which time or date.
        at: String,
    },
    /// Another value that arrived no later than the one that is known.
    #[error("another value of {date} arrived at {arrived_at}, not after the version that is known")]
    Backwards {
        /// Which date.
        date: DayNumber,
        /// When.
        arrived_at: UtcMillis,
    },
    /// A first version that is told with later ones, and is none of those known from before them.
    #[error(
        "the first version of {date} is told anew beside later ones, and differs from what is known: what was read before is not rewritten"
    )]
    Rewritten {
        /// Which date.
        date: DayNumber,
    },
    /// Bars into daily values, or the other way round.
    #[error("bars and daily values cannot be merged")]
    Kinds,
}

/// A row of the revision before is not in the new one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the row of {at} is gone: a revision keeps every row of the one before")]
pub struct Lost {
    /// Which time or date.
    at: String,
}

/// The month as it is after `new` rows came, in whatever order, into what is known. Another value of a known date without an arrival of
/// its own arrived at `at`; one that is told together with a later version of its date is the version before that, and never arrives now.
///
/// # Errors
/// [`MergeError`].
pub fn merge(known: Option<Rows>, new: Rows, at: UtcMillis) -> Result<(Rows, Counts), MergeError> {
    match (known, new) {
        (None, Rows::Bars(new)) => merge_bars(Vec::new(), new),
        (Some(Rows::Bars(known)), Rows::Bars(new)) => merge_bars(known, new),
        (None, Rows::Daily(new)) => merge_daily(&[], new, at),
        (Some(Rows::Daily(known)), Rows::Daily(new)) => merge_daily(&known, new, at),
        _ => Err(MergeError::Kinds),
    }
}

fn merge_bars(known: Vec<Bar>, new: Vec<Bar>) -> Result<(Rows, Counts), MergeError> {
    let known: BTreeMap<UtcMillis, Bar> = known.into_iter().map(|bar| (bar.close_time, bar)).collect();
    let mut fresh: BTreeMap<UtcMillis, Bar> = BTreeMap::new();
    for bar in new {
        let before = fresh.insert(bar.close_time, bar);
        if before.is_some_and(|before| !before.same_bits(&bar)) {
            return Err(MergeError::Twice {
                at: bar.close_time.to_string(),
            });
        }
    }
    let mut counts = Counts::default();
    for (time, bar) in &fresh {
        match known.get(time) {
            None => counts.added += 1,
            Some(before) if before.same_bits(bar) => counts.unchanged += 1,
            Some(_) => counts.changed += 1,
        }
    }
    let mut all = known;
    all.append(&mut fresh);
    Ok((Rows::Bars(all.into_values().collect()), counts))
}

fn merge_daily(
    known: &[DailyValue],
    mut new: Vec<DailyValue>,
    at: UtcMillis,
) -> Result<(Rows, Counts), MergeError> {
    let mut dates: BTreeMap<DayNumber, Vec<DailyValue>> = BTreeMap::new();
    for value in known {
        dates.entry(value.date).or_default().push(*value);
    }
    new.sort_by_key(|value| (value.date, value.arrived_at));
    for pair in new.windows(2) {
        let (first, second) = (pair[0], pair[1]);
        let together = first.date == second.date && first.arrived_at == second.arrived_at;
        if together && !same_value(&first, &second) {
            return Err(MergeError::Twice {
                at: first.date.to_string(),
            });
        }
    }
    let mut counts = Counts::default();
    for (row, &value) in new.iter().enumerate() {
        let versions = dates.entry(value.date).or_default();
        let Some(latest) = versions.last() else {
            versions.push(value);
            counts.added += 1;
            continue;
        };
        let later = new[row + 1..].iter();
        let later = later
            .take_while(|later| later.date == value.date)
            .find(|later| later.arrived_at.is_some());
        let is_known = match (value.arrived_at, later) {
            (Some(_), _) => is_told(versions, &value),
            (None, None) => same_value(latest, &value),
            (None, Some(later)) if is_before(versions, &value, later) => true,
            (None, Some(_)) => return Err(MergeError::Rewritten { date: value.date }),
        };
        if is_known {
            counts.unchanged += 1;
            continue;
        }
        let arrived_at = value.arrived_at.unwrap_or(at);
        if latest.arrived_at.is_some_and(|latest| latest >= arrived_at) {
            return Err(MergeError::Backwards {
                date: value.date,
                arrived_at,
            });
        }
        versions.push(DailyValue {
            arrived_at: Some(arrived_at),
            ..value
        });
        counts.changed += 1;
    }
    Ok((Rows::Daily(dates.into_values().flatten().collect()), counts))
}

/// Whether a value with an arrival tells nothing new: it is what was known then, or what is stored with the next, later arrival.
fn is_told(versions: &[DailyValue], value: &DailyValue) -> bool {
    let then = versions.partition_point(|version| version.arrived_at <= value.arrived_at);
    let around = &versions[then.saturating_sub(1)..versions.len().min(then + 1)];
    around.iter().any(|version| same_value(version, value))
}

/// Whether a value without an arrival, told together with a `later` version, is one that is stored from before that.
fn is_before(versions: &[DailyValue], value: &DailyValue, later: &DailyValue) -> bool {
    let before = versions
        .iter()
        .take_while(|version| version.arrived_at < later.arrived_at);
    same_value(later, value) || before.into_iter().any(|version| same_value(version, value))
}

fn same_value(one: &DailyValue, other: &DailyValue) -> bool {
    one.value.to_bits() == other.value.to_bits()
}

/// What a revision changes against the one before.
///
/// # Errors
/// [`Lost`] when a row of the one before is not in it.
pub fn compare(before: Option<&Rows>, after: &Rows) -> Result<Counts, Lost> {
    match (before, after) {
        (None, Rows::Bars(after)) => compare_bars(&[], after),
        (Some(Rows::Bars(before)), Rows::Bars(after)) => compare_bars(before, after),
        (None, Rows::Daily(after)) => compare_daily(&[], after),
        (Some(Rows::Daily(before)), Rows::Daily(after)) => compare_daily(before, after),
        (Some(before), _) => Err(Lost {
            at: before.span().map_or_else(String::new, |(first, _)| first),
        }),
    }
}

fn compare_bars(before: &[Bar], after: &[Bar]) -> Result<Counts, Lost> {
    let (mut counts, mut before) = (Counts::default(), before.iter().peekable());
    let lost = |bar: &Bar| Lost {
        at: bar.close_time.to_string(),
    };
    for bar in after {
        match before.next_if(|known| known.close_time <= bar.close_time) {
            None => counts.added += 1,
            Some(known) if known.close_time < bar.close_time => return Err(lost(known)),
            Some(known) if known.same_bits(bar) => counts.unchanged += 1,
            Some(_) => counts.changed += 1,
        }
    }
    before.next().map_or(Ok(counts), |gone| Err(lost(gone)))
}

fn compare_daily(before: &[DailyValue], after: &[DailyValue]) -> Result<Counts, Lost> {
    let (mut counts, mut known) = (Counts::default(), before.iter().peekable());
    let mut date = None;
    for value in after {
        let first = date.replace(value.date) != Some(value.date);
        match known.peek() {
            Some(next) if next.date < value.date => break,
            Some(next) if next.date == value.date => {
                if !same_value(next, value) || next.arrived_at != value.arrived_at {
                    break;
                }
                counts.unchanged += 1;
                known.next();
            }
            _ if first => counts.added += 1,
            _ => counts.changed += 1,
        }
    }
    known.next().map_or(Ok(counts), |gone| {
        Err(Lost {
            at: gone.date.to_string(),
        })
    })
}

#[cfg(test)]
mod tests;
