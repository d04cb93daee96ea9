//! A report in sentences.

use super::super::{Finding, Severity, percent, share};
use super::{BarsReport, LevelKind};
use crate::limits::{ALARM_SHIFTED_SHARE, FLAT_SHARE_WARN};

/// What there is to say, the worst first.
pub fn findings(report: &BarsReport) -> Vec<Finding> {
    let mut found: Vec<Finding> = [
        empty(report),
        bad(report),
        zone(report),
        outside(report),
        future(report),
        conflicts(report),
        repeats(report),
        levels(report),
        jumps(report),
        absent(report),
        holidays(report),
        partial(report),
        gaps(report),
        flat(report),
        stale(report),
        volume(report),
    ]
    .into_iter()
    .flatten()
    .collect();
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

fn found(code: &'static str, severity: Severity, text: String) -> Option<Finding> {
    Some(Finding::new(code, severity, text))
}

fn empty(report: &BarsReport) -> Option<Finding> {
    let text = || "no bar could be taken from the source".to_owned();
    (report.bars == 0).then(|| Finding::new("empty", Severity::Alarm, text()))
}

fn bad(report: &BarsReport) -> Option<Finding> {
    let first = report.bad.rows.first()?;
    found(
        "bad_rows",
        Severity::Warn,
        format!(
            "{} of {} rows are no possible bars and were left out; the first: {}, line {}: {}",
            report.bad.count, report.rows, first.file, first.line, first.fault
        ),
    )
}

fn zone(report: &BarsReport) -> Option<Finding> {
    let worst = report.outside.shifted.first()?;
    let bars: u64 = report.outside.shifted.iter().map(|one| one.bars).sum();
    let severity = if share(bars, report.bars) >= ALARM_SHIFTED_SHARE {
        Severity::Alarm
    } else {
        Severity::Warn
    };
    let why = if worst.is_offset_of_zone {
        ": as if local times had been declared as UTC, or the other way round"
    } else {
        ""
    };
    found(
        "wrong_zone",
        severity,
        format!(
            "{bars} bars ({}) look like times of another zone: {} days from {} to {} would lie in their sessions {} h {}{why}",
            percent(share(bars, report.bars)),
            worst.days,
            worst.first,
            worst.last,
            worst.hours.abs(),
            if worst.hours > 0 { "later" } else { "earlier" },
        ),
    )
}

fn outside(report: &BarsReport) -> Option<Finding> {
    let first = report.outside.first?;
    found(
        "outside_sessions",
        Severity::Warn,
        format!(
            "{} bars ({}) lie outside the sessions of {}, the first closes at {first}: they are kept and not used",
            report.outside.bars,
            percent(report.outside.share),
            report.calendar
        ),
    )
}

fn future(report: &BarsReport) -> Option<Finding> {
    let ahead = report.in_future;
    let text = || format!("{ahead} bars close later than now: no market has made them yet");
    (ahead > 0).then(|| Finding::new("in_future", Severity::Warn, text()))
}

fn conflicts(report: &BarsReport) -> Option<Finding> {
    let first = report.repeats.conflicts.rows.first()?;
    found(
        "conflicts",
        Severity::Warn,
        format!(
            "{} rows give another bar for a close that was there: the first of each stays (at {}: {} on line {} stays, {} on line {} goes)",
            report.repeats.conflicts.count,
            first.close_time,
            first.kept_close,
            first.kept_line,
            first.close,
            first.line
        ),
    )
}

fn repeats(report: &BarsReport) -> Option<Finding> {
    let (same, moved) = (report.repeats.same, report.repeats.out_of_order);
    let text =
        || format!("{same} rows repeat a bar and were left out; {moved} came too late and were put in order");
    (same + moved > 0).then(|| Finding::new("repeated_rows", Severity::Note, text()))
}

fn levels(report: &BarsReport) -> Option<Finding> {
    let first = report.levels.rows.first()?;
    let goes_on = match first.kind {
        LevelKind::Single => "live it would be quarantined",
        LevelKind::Shift => "the next bar agrees: live the features would restart there",
    };
    found(
        "level_jumps",
        Severity::Warn,
        format!(
            "{} bars close at five times the last close or more, or a fifth or less; the first at {}: {} after {} (x{:.4}); {goes_on}",
            report.levels.count, first.close_time, first.close, first.last, first.factor
        ),
    )
}

fn jumps(report: &BarsReport) -> Option<Finding> {
    let first = report.jumps.bars.rows.first()?;
    let back = report
        .jumps
        .bars
        .rows
        .iter()
        .filter(|jump| jump.taken_back)
        .count();
    found(
        "jumps",
        Severity::Warn,
        format!(
            "{} bars move more than {} times as far as the bars around them usually do; the largest closes at {}: {:+.2} % ({:.0} times); \
             {back} of those listed are taken back by the next bar; none is dropped",
            report.jumps.bars.count, report.jumps.medians, first.close_time, first.percent, first.medians
        ),
    )
}

fn absent(report: &BarsReport) -> Option<Finding> {
    let absent = &report.sessions.absent;
    let unlisted = absent.count - absent.on_holidays;
    let severity = if unlisted > 0 {
        Severity::Warn
    } else {
        Severity::Note
    };
    let text = || {
        let first = absent.dates.rows.iter().take(5).map(ToString::to_string);
        let first: Vec<String> = first.collect();
        format!(
            "{} days of trading have no bar: {} are listed holidays, {unlisted} are not{}{}",
            absent.count,
            absent.on_holidays,
            if first.is_empty() { "" } else { ": " },
            and_more(&first, unlisted)
        )
    };
    (absent.count > 0).then(|| Finding::new("absent_sessions", severity, text()))
}

fn and_more(first: &[String], count: u64) -> String {
    let shown = first.join(", ");
    match count.saturating_sub(first.len() as u64) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn holidays(report: &BarsReport) -> Option<Finding> {
    let days = &report.sessions.on_holidays;
    let first = days.rows.first()?;
    found(
        "bars_on_holidays",
        Severity::Note,
        format!(
            "{} sessions lie on holidays of the calendar, the first on {first}: their bars are kept and not used",
            days.count
        ),
    )
}

fn partial(report: &BarsReport) -> Option<Finding> {
    let sessions = &report.sessions;
    let text = || {
        format!(
            "{} of {} sessions are not complete",
            sessions.partial.count, sessions.with_bars
        )
    };
    (sessions.partial.count > 0).then(|| Finding::new("partial_sessions", Severity::Note, text()))
}

fn gaps(report: &BarsReport) -> Option<Finding> {
    let longest = report.gaps.longest.rows.first()?;
    found(
        "gaps",
        Severity::Note,
        format!(
            "{} bars are missing in {} gaps inside sessions; the longest misses {} after {}",
            report.gaps.missing_bars, report.gaps.count, longest.missing_bars, longest.after
        ),
    )
}

fn flat(report: &BarsReport) -> Option<Finding> {
    let severity = if report.flat.share >= FLAT_SHARE_WARN {
        Severity::Warn
    } else {
        Severity::Note
    };
    let text = || {
        format!(
            "{} bars ({}) are flat (open = high = low = close): where that is common, only the close is real and range features say little",
            report.flat.bars,
            percent(report.flat.share)
        )
    };
    (report.flat.bars > 0).then(|| Finding::new("flat_bars", severity, text()))
}

fn stale(report: &BarsReport) -> Option<Finding> {
    let first = report.stale.dates.rows.first()?;
    found(
        "stale_sessions",
        Severity::Warn,
        format!(
            "{} sessions have at most {} distinct closes (holidays, or a feed that stood still), the first on {first}",
            report.stale.dates.count, report.stale.closes_max
        ),
    )
}

fn volume(report: &BarsReport) -> Option<Finding> {
    let missing = report.without_volume;
    let text = || {
        format!(
            "{missing} bars ({}) have no volume",
            percent(share(missing, report.bars))
        )
    };
    (missing > 0).then(|| Finding::new("no_volume", Severity::Note, text()))
}
