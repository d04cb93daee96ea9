//! Every defect of a daily series is named; on the real file those that its description names.

use std::path::{Path, PathBuf};

use super::*;
use crate::ingest::read;
use crate::ingest::source::Source;

fn report_of(source: &str, text: &str) -> DailyReport {
    let Ok(Source::Daily(source)) = Source::parse(source.as_bytes(), "s.yaml") else {
        panic!("a daily source");
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.csv");
    std::fs::write(&path, text).unwrap();
    let taken = read::daily(&source, &[path]).unwrap();
    examine(&source, &taken).1
}

const SOURCE: &str = "kind: daily\nid: m\narrived_at: arrived_at\nseries:\n\
                      - {series: x, vendor: v, vendor_id: x, plausible: [50, 150]}\n";

/// A value on each of `days` days from 2026-01-01.
fn table(days: i32, value: impl Fn(i32) -> String) -> String {
    let mut text = "date,arrived_at,x\n".to_owned();
    for day in 0..days {
        let date = DayNumber(DayNumber::parse("2026-01-01").unwrap().0 + day);
        text.push_str(&format!("{date},{}\n", value(day)));
    }
    text
}

fn codes(report: &DailyReport) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn a_quiet_series_has_nothing_to_say() {
    let quiet = table(90, |day| format!(",{}", 100.0 + f64::from(day * 7 % 11) / 10.0));
    let report = report_of(SOURCE, &quiet);
    assert_eq!(codes(&report), Vec::<&str>::new(), "{:?}", report.findings);
    assert_eq!(report.series[0].values, 90);
}

#[test]
fn each_defect_is_named() {
    let wave = |day: i32| 100.0 + f64::from(day * 7 % 11) / 10.0;
    for (code, text) in [
        (
            "implausible",
            table(60, |day| {
                format!(",{}", if day == 30 { 151.0 } else { wave(day) })
            }),
        ),
        (
            "jumps",
            table(60, |day| {
                format!(",{}", if day == 30 { 149.0 } else { wave(day) })
            }),
        ),
        (
            "blanks",
            table(60, |day| {
                if day == 30 {
                    ",".to_owned()
                } else {
                    format!(",{}", wave(day))
                }
            }),
        ),
        ("gaps", {
            let text = table(60, |day| format!(",{}", wave(day)));
            text.lines()
                .enumerate()
                .filter(|(at, _)| !(20..29).contains(at))
                .map(|(_, line)| format!("{line}\n"))
                .collect()
        }),
        (
            "filled_forward",
            table(400, |day| {
                let month = DayNumber(DayNumber::parse("2026-01-01").unwrap().0 + day)
                    .to_civil()
                    .unwrap();
                format!(
                    ",{}",
                    60 + i32::from(month.month()) + 2 * i32::from(month.year() - 2026)
                )
            }),
        ),
        (
            "conflicts",
            table(60, |day| format!(",{}", wave(day))) + "2026-01-05,,101.77\n",
        ),
        (
            "repeated_rows",
            table(60, |day| format!(",{}", wave(day))) + "2026-01-05,,102.8\n",
        ),
        (
            "revisions",
            table(60, |day| format!("2026-06-01T00:00:00Z,{}", wave(day)))
                + "2026-01-05,2026-07-01T00:00:00Z,99\n",
        ),
        (
            "arrives_early",
            table(60, |day| format!("2026-01-20T00:00:00Z,{}", wave(day))),
        ),
        (
            "bad_rows",
            table(60, |day| format!(",{}", wave(day))) + "2026-02-30,,1\n",
        ),
        ("empty", "date,arrived_at,x\n".to_owned()),
    ] {
        let report = report_of(SOURCE, &text);
        assert!(codes(&report).contains(&code), "{code}: {:?}", report.findings);
    }
}

/// The real file, or a line that says what was skipped.
fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data")
        .join(name);
    if path.is_file() {
        return Some(path);
    }
    use std::io::Write as _;
    writeln!(
        std::io::stderr(),
        "SKIPPED: quality of the real {name}: ../shared/data not found"
    )
    .ok();
    None
}

#[test]
fn the_real_macro_file_shows_its_known_gap_its_blanks_and_the_series_filled_forward() {
    let Some(path) = shared("macro_daily.csv") else {
        return;
    };
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/sources/macro_investing_fred.yaml");
    let Ok(Source::Daily(source)) = Source::load(&shipped) else {
        panic!("a daily source");
    };
    let taken = read::daily(&source, &[path]).unwrap();
    let (_, report) = examine(&source, &taken);
    assert_eq!(report.series.len(), 18);
    let of = |name: &str| report.series.iter().find(|one| one.series == name).unwrap();
    for name in ["dxy", "vix", "usdmxn", "gold", "wti"] {
        let gap = of(name).gaps.rows.iter().max_by_key(|gap| gap.days).unwrap();
        assert_eq!(
            (gap.after.to_string(), gap.days),
            ("2026-03-12".to_owned(), 88),
            "{name}"
        );
    }
    for name in ["brent", "gold", "coffee", "col10y"] {
        let blanks = of(name).blanks_share;
        assert!((0.08..0.16).contains(&blanks), "{name}: {blanks}");
    }
    let filled: Vec<&str> = report
        .series
        .iter()
        .filter(|one| one.filled.suspicious)
        .map(|one| one.series.as_str())
        .collect();
    assert_eq!(filled, ["fedfunds"]);
    let wti = &of("wti").jumps.rows;
    assert_eq!(
        wti[0].date.to_string(),
        "2020-04-22",
        "the week of negative oil: {wti:?}"
    );
}
