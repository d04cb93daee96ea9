//! Every defect of a file of bars is named; on the real file those that its description names, with their numbers.

use std::path::{Path, PathBuf};

use contracts::features::load_calendar;

use super::*;
use crate::ingest::source::Source;
use crate::ingest::{order, read};

const SOURCE: &str = "kind: bars\nid: x\nvendor: v\nvendor_id: X\ninstrument: X\ncalendar: usdcop\ninterval: 5min\nstamp: open\nzone: UTC\n";

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn bars_source(yaml: &[u8]) -> BarSource {
    match Source::parse(yaml, "s.yaml") {
        Ok(Source::Bars(source)) => *source,
        other => panic!("no source of bars: {other:?}"),
    }
}

fn report(source: &BarSource, path: PathBuf) -> BarsReport {
    let calendar = load_calendar(&root(&format!("config/calendars/{}.yaml", source.calendar))).unwrap();
    let taken = read::bars(source, &[path]).unwrap();
    let (bars, repeats) = order::bars(&taken.rows);
    let taken = Taken {
        origins: &taken.origins,
        bad: &taken.bad,
        rows: taken.rows.len() as u64,
        repeats: &repeats,
        bars: &bars,
        now: UtcMillis::parse("2026-11-30T00:00:00Z").unwrap(),
    };
    examine(source, &calendar, taken).unwrap()
}

/// A row of the market below.
#[derive(Clone)]
struct Line {
    open_minute: i64,
    price: [f64; 4],
    volume: f64,
}

/// Ten days of trading from Monday 2026-01-19 in Bogota, without holidays: a wave that no filter calls odd.
fn market() -> Vec<Line> {
    let first = UtcMillis::parse("2026-01-19T13:00:00Z").unwrap().0 / 60_000;
    let mut lines = Vec::new();
    for day in (0..12).filter(|day| day % 7 < 5) {
        for bar in 0..60 {
            let n = (day * 60 + bar) as f64;
            let close = 4_000.0 + 3.0 * (n * 0.7).sin() + (n * 2.3).cos();
            let price = [close - 0.5, close + 1.0, close - 1.0, close];
            lines.push(Line {
                open_minute: first + day * 24 * 60 + bar * 5,
                price,
                volume: 10.0,
            });
        }
    }
    lines
}

fn written(lines: &[Line], shift_minutes: i64) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bars.csv");
    let mut text = "time,open,high,low,close,volume\n".to_owned();
    for line in lines {
        let [open, high, low, close] = line.price;
        let at = UtcMillis((line.open_minute + shift_minutes) * 60_000);
        text.push_str(&format!("{at},{open},{high},{low},{close},{}\n", line.volume));
    }
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

fn report_of(lines: &[Line]) -> BarsReport {
    let (_dir, path) = written(lines, 0);
    report(&bars_source(SOURCE.as_bytes()), path)
}

fn codes(report: &BarsReport) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn a_clean_market_has_nothing_to_say() {
    let report = report_of(&market());
    assert_eq!(codes(&report), Vec::<&str>::new(), "{:?}", report.findings);
    assert_eq!((report.sessions.with_bars, report.sessions.complete), (10, 10));
    assert_eq!(report.bars, 600);
}

#[test]
fn duplicates_are_counted_and_conflicts_are_listed_with_their_lines() {
    let mut lines = market();
    lines.push(lines[7].clone());
    let mut other = lines[9].clone();
    other.price[3] += 0.25;
    lines.push(other);
    let report = report_of(&lines);
    assert_eq!(codes(&report), ["conflicts", "repeated_rows"]);
    assert_eq!(report.repeats.same, 1);
    let conflict = &report.repeats.conflicts.rows[0];
    assert_eq!((conflict.kept_line, conflict.line), (11, 603));
    assert_eq!(report.bars, 600);
}

#[test]
fn a_jump_by_ten_thousand_is_named_and_kept() {
    let mut lines = market();
    for price in &mut lines[100].price {
        *price *= 10_000.0;
    }
    let report = report_of(&lines);
    assert_eq!(codes(&report), ["level_jumps"]);
    let [level] = report.levels.rows.as_slice() else {
        panic!("{:?}", report.levels);
    };
    assert_eq!(level.kind, LevelKind::Single);
    assert!((9_900.0..10_100.0).contains(&level.factor), "{level:?}");
    assert_eq!(report.bars, 600, "nothing is dropped");
    for line in &mut lines[101..] {
        for price in &mut line.price {
            *price *= 10_000.0;
        }
    }
    let report = report_of(&lines);
    assert_eq!(report.levels.count, 1);
    assert_eq!(report.levels.rows[0].kind, LevelKind::Shift);
}

#[test]
fn a_bad_tick_is_flagged_and_says_whether_it_was_taken_back() {
    let mut lines = market();
    for price in &mut lines[100].price {
        *price *= 1.067;
    }
    let report = report_of(&lines);
    assert_eq!(codes(&report), ["jumps"]);
    let jumps = &report.jumps.bars.rows;
    assert_eq!(jumps.len(), 2, "there and back: {jumps:?}");
    assert!(jumps.iter().any(|jump| jump.percent > 6.0 && jump.taken_back));
}

#[test]
fn flat_bars_stale_sessions_and_missing_volume_are_counted() {
    let mut lines = market();
    for line in &mut lines[..120] {
        line.price = [line.price[3]; 4];
        line.volume = 0.0;
    }
    for line in &mut lines[60..120] {
        line.price = [4_000.0; 4];
    }
    let report = report_of(&lines);
    assert_eq!(codes(&report), ["flat_bars", "stale_sessions", "no_volume"]);
    assert_eq!((report.flat.bars, report.without_volume), (120, 120));
    assert_eq!(report.flat.years[0].share, 0.2);
    assert_eq!(report.stale.dates.rows[0].to_string(), "2026-01-20");
}

#[test]
fn gaps_partial_and_absent_sessions_are_told_apart() {
    let mut lines = market();
    lines.drain(60..120);
    lines.drain(20..25);
    lines.drain(..3);
    let report = report_of(&lines);
    assert_eq!(codes(&report), ["absent_sessions", "partial_sessions", "gaps"]);
    assert_eq!(report.sessions.absent.dates.rows[0].to_string(), "2026-01-20");
    assert_eq!((report.gaps.count, report.gaps.missing_bars), (1, 5));
    assert_eq!(report.sessions.partial.rows[0].bars, 52);
}

#[test]
fn times_of_another_zone_are_an_alarm_that_names_the_hours() {
    let source = bars_source(SOURCE.as_bytes());
    // Local times of Bogota that are declared as UTC.
    let (_dir, path) = written(&market(), -5 * 60);
    let report = report(&source, path);
    let finding = &report.findings[0];
    assert_eq!(
        (finding.code, finding.severity),
        ("wrong_zone", crate::ingest::quality::Severity::Alarm)
    );
    assert!(
        finding.text.contains("5 h later") && finding.text.contains("local times"),
        "{}",
        finding.text
    );
    assert!(codes(&report).contains(&"outside_sessions"));
    let [shifted] = report.outside.shifted.as_slice() else {
        panic!("{:?}", report.outside);
    };
    assert_eq!((shifted.hours, shifted.days, shifted.bars), (5, 10, 600));
    assert!(shifted.is_offset_of_zone);
}

#[test]
fn a_few_days_of_another_zone_among_good_ones_are_found() {
    let mut lines = market();
    for line in &mut lines[60..120] {
        line.open_minute -= 5 * 60;
    }
    let report = report_of(&lines);
    let shifted = &report.outside.shifted[0];
    assert_eq!((shifted.hours, shifted.days), (5, 1));
    assert_eq!(shifted.first.to_string(), "2026-01-20");
}

#[test]
fn bars_that_nobody_can_have_yet_are_named() {
    let mut lines = market();
    for line in &mut lines {
        line.open_minute += 364 * 24 * 60;
    }
    let report = report_of(&lines);
    assert_eq!(report.in_future, 600);
    assert!(codes(&report).contains(&"in_future"), "{:?}", report.findings);
}

#[test]
fn impossible_bars_and_bars_off_the_grid_are_left_out_and_named() {
    let mut lines = market();
    lines[5].price[1] = 1.0;
    lines[6].open_minute += 1;
    let report = report_of(&lines);
    assert_eq!(report.bad.count, 2);
    assert_eq!((report.bad.rows[0].line, report.bad.rows[1].line), (7, 8));
    assert!(
        report.bad.rows[0].fault.contains("impossible"),
        "{:?}",
        report.bad.rows
    );
    assert_eq!(report.rows, 600);
    assert_eq!(report.bars, 598);
}

/// The real file, or a line that says what was skipped.
fn shared(name: &str) -> Option<PathBuf> {
    let path = root("../shared/data").join(name);
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
fn the_real_bars_have_the_properties_that_their_description_names() {
    let Some(path) = shared("usdcop_5m.csv.gz") else {
        return;
    };
    let source = std::fs::read(root("config/sources/usdcop_twelvedata.yaml")).unwrap();
    let report = report(&bars_source(&source), path);
    assert_eq!((report.rows, report.bars, report.bad.count), (92_339, 92_339, 0));
    assert_eq!((report.repeats.same, report.repeats.conflicts.count), (0, 0));
    let sessions = &report.sessions;
    assert_eq!((sessions.with_bars, sessions.complete), (1_600, 1_308));
    assert_eq!(sessions.absent.count, 18);
    assert_eq!(sessions.absent.on_holidays, 5);
    assert_eq!(sessions.on_holidays.count, 92);
    assert!(
        (0.885..0.895).contains(&report.flat.share),
        "{}",
        report.flat.share
    );
    assert_eq!(report.stale.dates.count, 63);
    assert_eq!(report.without_volume, 92_339);
    assert_eq!((report.outside.bars, report.outside.shifted.len()), (0, 0));
    assert_eq!(report.levels.count, 0);
    // The two ticks that its description names are the two that stand out most; opens there, closes here.
    let worst: Vec<_> = report.jumps.bars.rows[..2]
        .iter()
        .map(|jump| (jump.close_time.to_string(), (jump.percent * 10.0).round() / 10.0))
        .collect();
    let expected = [
        ("2020-03-09T14:05:00Z".to_owned(), 7.0),
        ("2022-06-01T13:40:00Z".to_owned(), -4.8),
    ];
    assert_eq!(worst, expected);
    assert!(report.jumps.bars.count < 100, "{}", report.jumps.bars.count);
}
