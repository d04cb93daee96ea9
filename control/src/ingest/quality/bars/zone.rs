//! Bars outside the sessions, and whether times of another zone would explain them.
//!
//! A file whose local times were declared as UTC lies outside its sessions by the zone's offset, all of it or some of its days. So, for each
//! UTC day with bars outside, the smallest whole number of hours is looked for that brings its bars inside.

use std::collections::BTreeMap;

use contracts::bar::Bar;
use contracts::time::{DayNumber, UtcMillis};
use serde::Serialize;
use strategy::calendar::Calendar;

use super::super::share;
use crate::limits::{DAY_MS, SHIFT_HOURS_MAX, SHIFT_INSIDE_SHARE_MIN, SHIFT_OUTSIDE_SHARE_MIN};

/// Bars outside the weekly sessions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outside {
    /// How many; those on listed holidays are not among them.
    pub bars: u64,
    /// Of all bars, in [0, 1].
    pub share: f64,
    /// The first of them.
    pub first: Option<UtcMillis>,
    /// Days that would lie inside were their times shifted, by the hours of the shift.
    pub shifted: Vec<Shifted>,
}

/// Days that one shift explains.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shifted {
    /// Hours to add to the times as they are declared.
    pub hours: i64,
    /// Days, UTC.
    pub days: u64,
    /// Their bars.
    pub bars: u64,
    /// First day.
    pub first: DayNumber,
    /// Last day.
    pub last: DayNumber,
    /// True when the hours are the offset of the calendar's zone on these days: local times that were taken for UTC, or the other way
    /// round.
    pub is_offset_of_zone: bool,
}

const HOUR_MS: i64 = 60 * 60 * 1_000;

/// Looks for them.
pub fn outside(weekly: &Calendar, bars: &[Bar]) -> Outside {
    let out: Vec<&Bar> = bars
        .iter()
        .filter(|bar| !weekly.in_session(bar.close_time))
        .collect();
    let mut shifted: BTreeMap<i64, Shifted> = BTreeMap::new();
    for day in days_of(&out) {
        let start = bars.partition_point(|bar| day_of(bar) < day);
        let end = bars.partition_point(|bar| day_of(bar) <= day);
        let all = &bars[start..end];
        let Some(hours) = shift_of(weekly, all) else {
            continue;
        };
        let is_offset = offset_hours(weekly, day).is_some_and(|offset| offset.abs() == hours.abs());
        let entry = shifted.entry(hours).or_insert(Shifted {
            hours,
            days: 0,
            bars: 0,
            first: day,
            last: day,
            is_offset_of_zone: true,
        });
        entry.days += 1;
        entry.bars += all.len() as u64;
        entry.last = day;
        entry.is_offset_of_zone &= is_offset;
    }
    let mut shifted: Vec<Shifted> = shifted.into_values().collect();
    shifted.sort_by_key(|one| std::cmp::Reverse(one.bars));
    Outside {
        bars: out.len() as u64,
        share: share(out.len() as u64, bars.len() as u64),
        first: out.first().map(|bar| bar.close_time),
        shifted,
    }
}

fn day_of(bar: &Bar) -> DayNumber {
    let day = bar.close_time.bar_open().0.div_euclid(DAY_MS);
    DayNumber(i32::try_from(day).unwrap_or(i32::MAX))
}

fn days_of(bars: &[&Bar]) -> Vec<DayNumber> {
    let mut days: Vec<DayNumber> = bars.iter().map(|bar| day_of(bar)).collect();
    days.dedup();
    days
}

/// The hours that bring a day's bars inside, the fewest first; none where few of them are outside or nothing explains them.
fn shift_of(weekly: &Calendar, bars: &[Bar]) -> Option<i64> {
    let inside = |hours: i64| {
        let there = bars
            .iter()
            .filter(|bar| weekly.in_session(bar.close_time.plus_ms(hours * HOUR_MS)));
        share(there.count() as u64, bars.len() as u64)
    };
    if 1.0 - inside(0) < SHIFT_OUTSIDE_SHARE_MIN {
        return None;
    }
    (1..=SHIFT_HOURS_MAX)
        .flat_map(|hours| [hours, -hours])
        .find(|hours| inside(*hours) >= SHIFT_INSIDE_SHARE_MIN)
}

/// Hours that the zone is ahead of UTC on a day.
fn offset_hours(weekly: &Calendar, day: DayNumber) -> Option<i64> {
    let midnight = weekly.midnight(day)?;
    Some((i64::from(day.0) * DAY_MS - midnight.0) / HOUR_MS)
}
