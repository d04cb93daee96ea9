//! Source files: those that are shipped, and every kind of fault with its place.

use super::*;

const BARS: &str = "kind: bars\nid: x\nvendor: v\nvendor_id: V/X\ninstrument: X\ncalendar: usdcop\ninterval: 5min\nstamp: open\n";
const DAILY: &str = "kind: daily\nid: m\nseries:\n- {series: dxy, vendor: investing, vendor_id: '942611'}\n";

fn refused(text: &str) -> String {
    Source::parse(text.as_bytes(), "s.yaml").unwrap_err().to_string()
}

#[test]
fn every_shipped_source_loads_under_its_own_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/sources");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = Source::load(&path).unwrap_or_else(|error| panic!("{error}"));
        let (id, calendar) = match &source {
            Source::Bars(bars) => (bars.id.to_string(), Some(bars.calendar.clone())),
            Source::Daily(daily) => (daily.id.to_string(), None),
        };
        assert_eq!(Some(id.as_str()), path.file_stem().and_then(|stem| stem.to_str()));
        if let Some(calendar) = calendar {
            let calendar = path
                .parent()
                .unwrap()
                .join(format!("../calendars/{calendar}.yaml"));
            contracts::features::load_calendar(&calendar).unwrap();
        }
        found.push(id);
    }
    found.sort();
    let expected = [
        "eurusd_ticks",
        "fred",
        "macro_investing_fred",
        "synthetic_bars",
        "synthetic_macro",
        "usdcop_twelvedata",
    ];
    assert_eq!(found, expected);
}

#[test]
fn faults_are_named_with_path_and_line() {
    for (text, part) in [
        (format!("{BARS}color: red\n"), "line 9: color: unknown field"),
        (BARS.replace("stamp: open\n", ""), "stamp: missing field"),
        (BARS.replace("stamp: open", "stamp: middle"), "line 8: stamp"),
        (BARS.replace("5min", "1min"), "line 7: interval"),
        (
            BARS.replace("kind: bars", "kind: ticks"),
            "is none of bars, daily",
        ),
        (
            format!("{BARS}zone: Mars/Base\n"),
            "line 9: zone: `Mars/Base` is no IANA zone",
        ),
        (format!("{BARS}columns: {{tiem: t}}\n"), "columns.tiem"),
        (format!("{BARS}format: xlsx\n"), "format"),
        (BARS.replace("id: x", "id: 7"), "line 2: id"),
    ] {
        let error = refused(&text);
        assert!(
            error.starts_with("s.yaml: ") && error.contains(part),
            "{part}: {error}"
        );
    }
}

#[test]
fn one_series_never_mixes_two_ids() {
    let with = |line: &str| format!("{DAILY}- {line}\n");
    for (text, part) in [
        (
            with("{series: dxy, vendor: fred, vendor_id: OTHER, column: d}"),
            "line 5: series[1].series: dxy has two entries: one series never mixes two ids",
        ),
        (
            with("{series: usd, vendor: investing, vendor_id: '942611'}"),
            "942611 of investing feeds two series",
        ),
        (
            with("{series: usd, vendor: a, vendor_id: b, column: DXY}"),
            "series[1].column: the column DXY feeds two series",
        ),
        (
            with("{series: vix, vendor: a, vendor_id: b, plausible: [9, 1]}"),
            "series[1].plausible",
        ),
        ("kind: daily\nid: m\nseries: []\n".to_owned(), "1 to 32 series"),
    ] {
        let error = refused(&text);
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn another_dollar_index_may_not_feed_dxy() {
    let text = DAILY.replace("investing, vendor_id: '942611'", "fred, vendor_id: DTWEXBGS");
    let error = refused(&text);
    assert!(
        error.contains("line 4: series[0].vendor_id: DTWEXBGS may not feed dxy"),
        "{error}"
    );
    Source::parse(text.replace("dxy", "usd_broad").as_bytes(), "s.yaml").unwrap();
}

#[test]
fn a_key_is_named_and_never_written() {
    let download = |key: &str| {
        format!("{BARS}download: {{connector: twelvedata, key_env: {key}, requests_per_minute: 8}}\n")
    };
    Source::parse(download("TWELVEDATA_API_KEY").as_bytes(), "s.yaml").unwrap();
    let error = refused(&download("0a1b2c3d4e5f"));
    assert!(
        error.contains("download.key_env") && !error.contains("0a1b2c3d4e5f"),
        "{error}"
    );
    let error = refused(&download("A").replace("requests_per_minute: 8", "requests_per_minute: 0"));
    assert!(error.contains("requests per minute"), "{error}");
    let foreign = format!("{DAILY}download: {{connector: fred, key_env: A, requests_per_minute: 8}}\n");
    assert!(refused(&foreign).contains("cannot fetch a series of investing"));
}
