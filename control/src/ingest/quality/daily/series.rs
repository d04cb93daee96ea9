//! One series.

use contracts::time::{DayNumber, UtcMillis};

use super::super::{Listed, median, share};
use super::{Arrivals, DailyGap, DailyJump, Early, Filled, Implausible, SeriesReport};
use crate::ingest::order::{DailyConflict, Repeats};
use crate::ingest::read::{Daily, SeriesTaken};
use crate::ingest::source::{DailySeries, Every};
use crate::limits::{
    DAILY_GAP_DAYS_MAX, DAILY_JUMP_MEDIANS, DAILY_JUMP_MIN, DAY_MS, FILLED_CHANGES_MIN,
    FILLED_MONTH_SHARE_MIN, FILLED_RUN_MIN, MONTHLY_GAP_DAYS_MAX,
};

/// Hours that the easternmost zone is ahead of UTC: no date begins earlier.
const EAST_MS: i64 = 14 * 60 * 60 * 1_000;

/// Looks at a series in order.
pub fn examine(
    declared: &DailySeries,
    taken: &SeriesTaken,
    values: &[Daily],
    repeats: Repeats<DailyConflict>,
) -> SeriesReport {
    let first_known = first_versions(values);
    let (first, last) = (first_known.first(), first_known.last());
    let blanks = match (first, last) {
        (Some(first), Some(last)) => taken
            .blanks
            .iter()
            .filter(|date| (first.date..=last.date).contains(*date))
            .count(),
        _ => taken.blanks.len(),
    } as u64;
    let dates = first_known.len() as u64;
    SeriesReport {
        series: declared.series.to_string(),
        vendor: declared.vendor.to_string(),
        vendor_id: declared.vendor_id.to_string(),
        values: values.len() as u64,
        revisions: values.len() as u64 - dates,
        first: first.map(|one| one.date),
        last: last.map(|one| one.date),
        blanks,
        blanks_share: share(blanks, blanks + dates),
        repeats,
        gaps: gaps(&first_known, declared.every),
        jumps: jumps(&first_known),
        filled: filled(&first_known),
        implausible: implausible(values, declared.plausible),
        arrivals: Arrivals {
            known: values.iter().filter(|one| one.arrived_at.is_some()).count() as u64,
            archived: taken.archived,
            early: early(values),
        },
    }
}

/// Of each date the value that was known first.
fn first_versions(values: &[Daily]) -> Vec<Daily> {
    let mut first: Vec<Daily> = Vec::with_capacity(values.len());
    for value in values {
        if first.last().is_none_or(|last| last.date != value.date) {
            first.push(*value);
        }
    }
    first
}

fn gaps(values: &[Daily], every: Every) -> Listed<DailyGap> {
    let most = match every {
        Every::Day => DAILY_GAP_DAYS_MAX,
        Every::Month => MONTHLY_GAP_DAYS_MAX,
    };
    let pairs = values.windows(2).map(|pair| DailyGap {
        after: pair[0].date,
        before: pair[1].date,
        days: pair[1].date.0 - pair[0].date.0,
    });
    pairs.filter(|gap| gap.days > most).collect()
}

/// Relative moves where a series stays above 0, else differences: rates cross it.
fn jumps(values: &[Daily]) -> Listed<DailyJump> {
    let relative = values.iter().all(|one| one.value > 0.0);
    let size = |pair: &[Daily]| {
        let (from, to) = (pair[0].value, pair[1].value);
        if relative {
            (to / from - 1.0).abs()
        } else {
            (to - from).abs()
        }
    };
    let mut sizes: Vec<f64> = values.windows(2).map(size).filter(|size| *size > 0.0).collect();
    if sizes.len() < DAILY_JUMP_MIN {
        return Listed::default();
    }
    let Some(usual) = median(&mut sizes) else {
        return Listed::default();
    };
    let mut jumps: Vec<DailyJump> = values
        .windows(2)
        .map(|pair| DailyJump {
            date: pair[1].date,
            from: pair[0].value,
            to: pair[1].value,
            medians: size(pair) / usual,
        })
        .filter(|jump| jump.medians >= DAILY_JUMP_MEDIANS)
        .collect();
    jumps.sort_by(|a, b| b.medians.total_cmp(&a.medians));
    jumps.into_iter().collect()
}

fn filled(values: &[Daily]) -> Filled {
    let month = |date: DayNumber| date.to_civil().map(|civil| (civil.year(), civil.month()));
    let (mut changes, mut with_the_month) = (0_u64, 0_u64);
    for pair in values.windows(2) {
        if pair[0].value.to_bits() == pair[1].value.to_bits() {
            continue;
        }
        changes += 1;
        with_the_month += u64::from(month(pair[0].date) != month(pair[1].date));
    }
    let run_mean = share(values.len() as u64, changes + 1);
    let with_the_month = share(with_the_month, changes);
    // A series observed once a month changes with the month as well, but stands for one observation only.
    let suspicious = changes >= FILLED_CHANGES_MIN
        && run_mean >= FILLED_RUN_MIN
        && with_the_month >= FILLED_MONTH_SHARE_MIN;
    Filled {
        changes,
        run_mean,
        with_the_month,
        suspicious,
    }
}

fn implausible(values: &[Daily], plausible: Option<[f64; 2]>) -> Listed<Implausible> {
    let Some([low, high]) = plausible else {
        return Listed::default();
    };
    let outside = values.iter().filter(|one| !(low..=high).contains(&one.value));
    outside
        .map(|one| Implausible {
            date: one.date,
            value: one.value,
        })
        .collect()
}

fn early(values: &[Daily]) -> Listed<Early> {
    let begins = |date: DayNumber| UtcMillis(i64::from(date.0) * DAY_MS - EAST_MS);
    let early = values.iter().filter_map(|one| {
        let arrived_at = one.arrived_at.filter(|arrived| *arrived < begins(one.date))?;
        Some(Early {
            date: one.date,
            arrived_at,
        })
    });
    early.collect()
}
