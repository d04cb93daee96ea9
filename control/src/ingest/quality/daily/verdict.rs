//! A report in sentences.

use super::super::{Finding, Severity, percent};
use super::{DailyReport, SeriesReport};
use crate::ingest::source::{DailySource, Every};

/// Blank cells are something to look at from this share on.
const BLANKS_SHARE_WARN: f64 = 0.05;

/// What there is to say, the worst first.
pub fn findings(source: &DailySource, report: &DailyReport) -> Vec<Finding> {
    let mut found = Vec::new();
    if report.series.iter().all(|one| one.values == 0) {
        let text = "no value could be taken from the source".to_owned();
        found.push(Finding::new("empty", Severity::Alarm, text));
    }
    if let Some(first) = report.bad.rows.first() {
        let text = format!(
            "{} rows or cells cannot be read and were left out; the first: {}, line {}: {}",
            report.bad.count, first.file, first.line, first.fault
        );
        found.push(Finding::new("bad_rows", Severity::Warn, text));
    }
    for (declared, one) in source.series.iter().zip(&report.series) {
        let said = [
            none(one),
            filled(one, declared.every),
            early(one),
            conflicts(one),
            implausible(one, declared.plausible),
            gaps(one),
            jumps(one),
            blanks(one),
            archived(one),
            revisions(one),
            repeats(one),
        ];
        found.extend(said.into_iter().flatten().map(|finding| Finding {
            series: Some(one.series.clone()),
            ..finding
        }));
    }
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

fn found(code: &'static str, severity: Severity, text: String) -> Option<Finding> {
    Some(Finding::new(code, severity, text))
}

fn none(one: &SeriesReport) -> Option<Finding> {
    let text = || "has no value".to_owned();
    (one.values == 0).then(|| Finding::new("no_values", Severity::Warn, text()))
}

fn filled(one: &SeriesReport, every: Every) -> Option<Finding> {
    let filled = &one.filled;
    let declared = match every {
        Every::Month => "the source declares it monthly",
        Every::Day => "it looks monthly",
    };
    let text = || {
        format!(
            "{declared}, yet a value stands for {:.0} days on average and {} of the changes come with the month: a monthly value was filled \
             forward over days before it was published, which is a look into the future",
            filled.run_mean,
            percent(filled.with_the_month)
        )
    };
    filled
        .suspicious
        .then(|| Finding::new("filled_forward", Severity::Warn, text()))
}

fn early(one: &SeriesReport) -> Option<Finding> {
    let first = one.arrivals.early.rows.first()?;
    found(
        "arrives_early",
        Severity::Warn,
        format!(
            "{} values arrive before their date begins, the first of {} at {}",
            one.arrivals.early.count, first.date, first.arrived_at
        ),
    )
}

fn conflicts(one: &SeriesReport) -> Option<Finding> {
    let first = one.repeats.conflicts.rows.first()?;
    found(
        "conflicts",
        Severity::Warn,
        format!(
            "{} rows give another value for a date that was there and no later arrival: the first of each stays (for {}: {} on line {} stays, \
             {} on line {} goes)",
            one.repeats.conflicts.count, first.date, first.kept, first.kept_line, first.value, first.line
        ),
    )
}

fn implausible(one: &SeriesReport, plausible: Option<[f64; 2]>) -> Option<Finding> {
    let (first, [low, high]) = (one.implausible.rows.first()?, plausible?);
    found(
        "implausible",
        Severity::Warn,
        format!(
            "{} values lie outside {low} to {high}, the first on {}: {}",
            one.implausible.count, first.date, first.value
        ),
    )
}

fn gaps(one: &SeriesReport) -> Option<Finding> {
    let longest = one.gaps.rows.iter().max_by_key(|gap| gap.days)?;
    found(
        "gaps",
        Severity::Warn,
        format!(
            "long gaps: {}; the longest has {} days, from {} to {}",
            one.gaps.count, longest.days, longest.after, longest.before
        ),
    )
}

fn jumps(one: &SeriesReport) -> Option<Finding> {
    let first = one.jumps.rows.first()?;
    found(
        "jumps",
        Severity::Warn,
        format!(
            "moves far larger than usual: {}; the largest on {}: {} after {} ({:.0} times the usual move)",
            one.jumps.count, first.date, first.to, first.from, first.medians
        ),
    )
}

fn blanks(one: &SeriesReport) -> Option<Finding> {
    let severity = if one.blanks_share >= BLANKS_SHARE_WARN {
        Severity::Warn
    } else {
        Severity::Note
    };
    let text = || {
        format!(
            "{} of its dates ({}) are blank: no observation",
            one.blanks,
            percent(one.blanks_share)
        )
    };
    (one.blanks > 0).then(|| Finding::new("blanks", severity, text()))
}

fn archived(one: &SeriesReport) -> Option<Finding> {
    let archived = one.arrivals.archived;
    let text = || {
        format!(
            "of {archived} values the arrival is the day the vendor's archive began and not the day they were published: taken as unknown, the \
             delay of the feature contract counts"
        )
    };
    (archived > 0).then(|| Finding::new("archived", Severity::Note, text()))
}

fn revisions(one: &SeriesReport) -> Option<Finding> {
    let text = || {
        format!(
            "{} values are later versions of one that was known: each counts from its arrival",
            one.revisions
        )
    };
    (one.revisions > 0).then(|| Finding::new("revisions", Severity::Note, text()))
}

fn repeats(one: &SeriesReport) -> Option<Finding> {
    let (same, moved) = (one.repeats.same, one.repeats.out_of_order);
    let text = || {
        format!("{same} rows repeat a value and were left out; {moved} came too late and were put in order")
    };
    (same + moved > 0).then(|| Finding::new("repeated_rows", Severity::Note, text()))
}
