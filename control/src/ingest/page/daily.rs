//! The page about daily series.

use backtest::report::axis::months_of;
use backtest::report::chart::{Mark, line, number};
use backtest::report::page::{END, begin};

use super::super::quality::daily::{DailyReport, SeriesReport};
use super::super::quality::percent;
use super::super::read::Daily;
use super::{bad, findings, listed, or_dash, origins, table};

/// The page; `values` are those the report is about, by series.
#[must_use]
pub fn html(report: &DailyReport, values: &[Vec<Daily>]) -> String {
    let mut page = begin(&format!("{}: quality of the daily series", report.source));
    page.push_str(&findings(&report.findings));
    page.push_str(&overview(&report.series));
    for (series, values) in report.series.iter().zip(values) {
        page.push_str(&one(series, values));
    }
    page.push_str(&bad(&report.bad));
    page.push_str(&origins(&report.origins));
    page.push_str(END);
    page
}

fn overview(series: &[SeriesReport]) -> String {
    let rows = series.iter().map(|one| {
        let gap = one.gaps.rows.iter().map(|gap| gap.days).max();
        vec![
            one.series.clone(),
            format!("{} {}", one.vendor, one.vendor_id),
            one.values.to_string(),
            or_dash(one.first),
            or_dash(one.last),
            percent(one.blanks_share),
            or_dash(gap),
            one.jumps.count.to_string(),
            one.implausible.count.to_string(),
            if one.filled.suspicious { "yes" } else { "no" }.to_owned(),
            one.revisions.to_string(),
            one.arrivals.known.to_string(),
        ]
    });
    let head = [
        "series",
        "vendor and id",
        "values",
        "first",
        "last",
        "blank",
        "longest gap, days",
        "jumps",
        "implausible",
        "filled forward",
        "revisions",
        "arrivals known",
    ];
    format!("<h2>Series</h2>{}", table(&head, rows))
}

fn one(series: &SeriesReport, values: &[Daily]) -> String {
    let numbers: Vec<f64> = values.iter().map(|one| one.value).collect();
    let jumps = series.jumps.rows.iter().map(|jump| Mark {
        at: values.partition_point(|one| one.date < jump.date),
        value: jump.to,
        class: "short",
    });
    let marks: Vec<Mark> = jumps.collect();
    let months = months_of(values.iter().map(|one| one.date));
    let mut out = line(&series.series, &numbers, &marks, &months);
    let title = |what: &str| format!("{}: {what}", series.series);
    out.push_str(&listed(
        &title("gaps"),
        &["after", "before", "days"],
        &series.gaps,
        |gap| {
            vec![
                gap.after.to_string(),
                gap.before.to_string(),
                gap.days.to_string(),
            ]
        },
    ));
    out.push_str(&listed(
        &title("jumps"),
        &["date", "from", "to", "times the usual move"],
        &series.jumps,
        |jump| {
            vec![
                jump.date.to_string(),
                number(jump.from),
                number(jump.to),
                format!("{:.0}", jump.medians),
            ]
        },
    ));
    out.push_str(&listed(
        &title("implausible values"),
        &["date", "value"],
        &series.implausible,
        |one| vec![one.date.to_string(), number(one.value)],
    ));
    out.push_str(&listed(
        &title("conflicts, the first stays"),
        &["date", "line that stays", "value", "line that goes", "value"],
        &series.repeats.conflicts,
        |one| {
            vec![
                one.date.to_string(),
                one.kept_line.to_string(),
                number(one.kept),
                one.line.to_string(),
                number(one.value),
            ]
        },
    ));
    out
}
