//! The page about bars.

use backtest::report::axis::months_of;
use backtest::report::chart::{Mark, histogram, line, number};
use backtest::report::escape::escape;
use backtest::report::page::{END, begin};
use contracts::bar::Bar;
use contracts::time::DayNumber;

use super::super::quality::bars::{BarsReport, LevelKind};
use super::super::quality::percent;
use super::{bad, findings, listed, or_dash, origins, table};
use crate::limits::DAY_MS;

/// Parts of the histogram of bars per session.
const BINS: usize = 30;

/// The page; `bars` are those the report is about.
#[must_use]
pub fn html(report: &BarsReport, bars: &[Bar]) -> String {
    let mut page = begin(&format!("{}: quality of the bars", report.instrument));
    page.push_str(&format!(
        "<p>source {} · {} {} · calendar {} · {} bars · {} to {}</p>",
        escape(&report.source),
        escape(&report.vendor),
        escape(&report.vendor_id),
        escape(&report.calendar),
        report.bars,
        or_dash(report.first),
        or_dash(report.last)
    ));
    page.push_str(&findings(&report.findings));
    page.push_str(&charts(report, bars));
    page.push_str(&figures(report));
    page.push_str(&lists(report));
    page.push_str(&bad(&report.bad));
    page.push_str(&origins(&report.origins));
    page.push_str(END);
    page
}

fn date_of(bar: &Bar) -> DayNumber {
    let day = bar.close_time.bar_open().0.div_euclid(DAY_MS);
    DayNumber(i32::try_from(day).unwrap_or(i32::MAX))
}

fn charts(report: &BarsReport, bars: &[Bar]) -> String {
    let closes: Vec<f64> = bars.iter().map(|bar| bar.close).collect();
    let place = |time| bars.partition_point(|bar| bar.close_time < time);
    let jumps = report.jumps.bars.rows.iter().map(|jump| Mark {
        at: place(jump.close_time),
        value: jump.to,
        class: "short",
    });
    let levels = report.levels.rows.iter().map(|level| Mark {
        at: place(level.close_time),
        value: level.close,
        class: "short",
    });
    let marks: Vec<Mark> = jumps.chain(levels).collect();
    let months = months_of(bars.iter().map(date_of));
    let mut out = line(
        "Close, with jumps and other levels in red",
        &closes,
        &marks,
        &months,
    );
    let (flat, labels) = flat_by_month(bars);
    out.push_str(&line("Flat bars of each month, %", &flat, &[], &labels));
    out.push_str(&histogram("Bars of each day (UTC)", &bars_by_day(bars), BINS));
    out
}

/// Share of flat bars by month in percent, and the months.
fn flat_by_month(bars: &[Bar]) -> (Vec<f64>, Vec<(usize, String)>) {
    let month = |bar: &Bar| date_of(bar).to_civil().map(|civil| (civil.year(), civil.month()));
    let parts: Vec<&[Bar]> = bars.chunk_by(|a, b| month(a) == month(b)).collect();
    let share = |part: &&[Bar]| {
        let flat = part
            .iter()
            .filter(|bar| bar.open == bar.close && bar.high == bar.low);
        100.0 * flat.count() as f64 / part.len() as f64
    };
    let labels = months_of(parts.iter().map(|part| date_of(&part[0])));
    (parts.iter().map(share).collect(), labels)
}

fn bars_by_day(bars: &[Bar]) -> Vec<f64> {
    bars.chunk_by(|a, b| date_of(a) == date_of(b))
        .map(|day| day.len() as f64)
        .collect()
}

fn figures(report: &BarsReport) -> String {
    let sessions = &report.sessions;
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let rows = vec![
        row("rows read", report.rows.to_string()),
        row("rows left out", report.bad.count.to_string()),
        row("rows that repeat a bar", report.repeats.same.to_string()),
        row(
            "rows in conflict with a bar",
            report.repeats.conflicts.count.to_string(),
        ),
        row("rows out of order", report.repeats.out_of_order.to_string()),
        row("bars", report.bars.to_string()),
        row("sessions with bars", sessions.with_bars.to_string()),
        row("complete sessions", sessions.complete.to_string()),
        row("partial sessions", sessions.partial.count.to_string()),
        row(
            "sessions on listed holidays",
            sessions.on_holidays.count.to_string(),
        ),
        row("sessions without bars", sessions.absent.count.to_string()),
        row(
            "… of these on listed holidays",
            sessions.absent.on_holidays.to_string(),
        ),
        row("gaps inside sessions", report.gaps.count.to_string()),
        row("bars missing in gaps", report.gaps.missing_bars.to_string()),
        row(
            "flat bars",
            format!("{} ({})", report.flat.bars, percent(report.flat.share)),
        ),
        row(
            &format!("sessions of at most {} closes", report.stale.closes_max),
            report.stale.dates.count.to_string(),
        ),
        row("jumps", report.jumps.bars.count.to_string()),
        row("closes at another level", report.levels.count.to_string()),
        row(
            "bars outside sessions",
            format!("{} ({})", report.outside.bars, percent(report.outside.share)),
        ),
        row("bars without volume", report.without_volume.to_string()),
        row("bars that close later than now", report.in_future.to_string()),
    ];
    let years = report.flat.years.iter().map(|year| {
        vec![
            year.year.to_string(),
            year.bars.to_string(),
            year.flat.to_string(),
            percent(year.share),
        ]
    });
    format!(
        "<h2>Figures</h2>{}<h2>Flat bars by year</h2>{}",
        table(&["figure", "value"], rows),
        table(&["year", "bars", "flat", "share"], years)
    )
}

fn lists(report: &BarsReport) -> String {
    let date = |date: &DayNumber| vec![date.to_string()];
    [
        listed(
            "Jumps",
            &[
                "close",
                "from",
                "to",
                "move",
                "times the usual move",
                "taken back",
            ],
            &report.jumps.bars,
            |jump| {
                vec![
                    jump.close_time.to_string(),
                    number(jump.from),
                    number(jump.to),
                    format!("{:+.2} %", jump.percent),
                    format!("{:.0}", jump.medians),
                    if jump.taken_back { "yes" } else { "no" }.to_owned(),
                ]
            },
        ),
        listed(
            "Closes at another level",
            &["close", "last", "value", "factor", "goes on"],
            &report.levels,
            |level| {
                let kind = match level.kind {
                    LevelKind::Single => "alone: quarantined",
                    LevelKind::Shift => "the next bar agrees",
                };
                vec![
                    level.close_time.to_string(),
                    number(level.last),
                    number(level.close),
                    number(level.factor),
                    kind.to_owned(),
                ]
            },
        ),
        listed(
            "Conflicts: the first stays",
            &["close", "line that stays", "close", "line that goes", "close"],
            &report.repeats.conflicts,
            |one| {
                vec![
                    one.close_time.to_string(),
                    one.kept_line.to_string(),
                    one.kept_close.to_string(),
                    one.line.to_string(),
                    one.close.to_string(),
                ]
            },
        ),
        listed(
            "Days that another zone would explain",
            &["hours", "days", "bars", "first", "last", "offset of the zone"],
            &report.outside.shifted.iter().cloned().collect(),
            |one| {
                vec![
                    format!("{:+}", one.hours),
                    one.days.to_string(),
                    one.bars.to_string(),
                    one.first.to_string(),
                    one.last.to_string(),
                    if one.is_offset_of_zone { "yes" } else { "no" }.to_owned(),
                ]
            },
        ),
        listed(
            "Days of trading without bars that are no listed holidays",
            &["date"],
            &report.sessions.absent.dates,
            date,
        ),
        listed("Stale sessions", &["date"], &report.stale.dates, date),
        listed(
            "Longest gaps inside sessions",
            &["after", "before", "bars missing"],
            &report.gaps.longest,
            |gap| {
                vec![
                    gap.after.to_string(),
                    gap.before.to_string(),
                    gap.missing_bars.to_string(),
                ]
            },
        ),
        listed(
            "Partial sessions",
            &["date", "bars", "of"],
            &report.sessions.partial,
            |one| {
                vec![
                    one.date.to_string(),
                    one.bars.to_string(),
                    one.expected.to_string(),
                ]
            },
        ),
    ]
    .concat()
}
