//! `control ingest` against a served control: twice is once, a changed value is a revision, and what is wrong with the data is said.

mod vendors;

use std::path::Path;

use contracts::time::UtcMillis;
use control::auth::Role;
use serde_json::{Value, json};

use super::{Said, Served};
use crate::kit::http::user;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A researcher's home with sources and calendars.
struct Desk {
    served: Served,
}

impl Desk {
    fn new() -> Self {
        let mut served = Served::start();
        let (runtime, test) = (&served.runtime, &served.test);
        runtime.block_on(user(test, "rita", &[Role::Researcher]));
        served.login("rita");
        let home = served.home.path();
        for folder in ["sources", "calendars"] {
            let to = home.join("config").join(folder);
            std::fs::create_dir_all(&to).unwrap();
            for entry in std::fs::read_dir(format!("{ROOT}/config/{folder}")).unwrap() {
                let entry = entry.unwrap();
                std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
        Self { served }
    }

    fn home(&self) -> &Path {
        self.served.home.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.home().join(name), text).unwrap();
    }

    fn run(&self, line: &str) -> Said {
        self.run_with(line, &[])
    }

    fn run_with(&self, line: &str, env: &[(&str, &str)]) -> Said {
        let words: Vec<&str> = line.split_whitespace().collect();
        let home = self.home().to_str().unwrap();
        let env = [&[("HOME", home), ("XDG_CACHE_HOME", home)], env].concat();
        self.served.run_with("rita", &words, "", &env)
    }

    fn ok(&self, line: &str) -> Value {
        let said = self.run(&format!("{line} --json"));
        assert_eq!(said.code, 0, "{line}: {}{}", said.out, said.err);
        said.json()
    }
}

/// Bars of the generated market's format: `days` days of trading from 2026-01-19, closes in UTC, shifted by some minutes.
fn market(days: i64, shift_minutes: i64) -> String {
    let first = UtcMillis::parse("2026-01-19T13:05:00Z").unwrap();
    let mut text = "close_time,open,high,low,close,volume\n".to_owned();
    for day in (0..days).filter(|day| day % 7 < 5) {
        for bar in 0..60 {
            let at = first.plus_ms(((day * 24 * 60) + bar * 5 + shift_minutes) * 60_000);
            let n = (day * 60 + bar) as f64;
            let close = 4_000.0 + 3.0 * (n * 0.7).sin() + (n * 2.3).cos();
            text.push_str(&format!(
                "{at},{:?},{:?},{:?},{close:?},10\n",
                close - 0.5,
                close + 1.0,
                close - 1.0
            ));
        }
    }
    text
}

const BARS: &str = "ingest bars --source config/sources/synthetic_bars.yaml --file bars.csv";

#[test]
fn the_same_again_is_nothing_and_a_changed_value_is_a_revision_with_its_hash() {
    let desk = Desk::new();
    desk.write("bars.csv", &market(21, 0));
    let first = desk.ok(BARS);
    assert_eq!(first["bars"], 900);
    let months = first["published"]["partitions"].as_array().unwrap();
    assert_eq!(months.len(), 2);
    assert_eq!(first["published"]["added"], 900);
    assert_eq!(first["findings"], json!([]));
    let before = months[0]["sha256"].clone();

    let again = desk.ok(BARS);
    assert_eq!(again["published"]["ingest_id"], Value::Null);
    assert_eq!(again["published"]["unchanged"], 900);
    let said = desk.run(BARS);
    assert!(
        said.out
            .contains("Nothing new: the market store has all 900 rows already"),
        "{}",
        said.out
    );

    let changed = market(21, 0).replacen(",10\n", ",11\n", 1);
    desk.write("bars.csv", &changed);
    let third = desk.ok(BARS);
    let published = &third["published"];
    assert_eq!(
        (&published["changed"], &published["added"]),
        (&json!(1), &json!(0))
    );
    let january = &published["partitions"][0];
    assert_eq!(
        (&january["month"], &january["revision"]),
        (&json!("2026-01"), &json!(2))
    );
    let hash = january["sha256"].as_str().unwrap();
    assert!(hash.len() == 64 && january["sha256"] != before);

    let status = desk.ok("ingest status");
    let row = &status["market"][0];
    assert_eq!(
        (&row["name"], &row["months"], &row["revisions"], &row["rows"]),
        (&json!("USDCOP"), &json!(2), &json!(3), &json!(900))
    );
    assert!(row["age_days"].is_i64() || row["age_days"].is_u64(), "{row}");
    let said = desk.run("ingest status").out;
    for part in ["AGE, DAYS", "USDCOP", "synthetic"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_bad_row_refuses_the_whole_or_is_left_out_and_listed() {
    let desk = Desk::new();
    desk.write("bars.csv", &market(5, 0).replacen(",10\n", ",ten\n", 1));
    let said = desk.run(&format!("{BARS} --report q.html"));
    assert_eq!(said.code, 65, "{}", said.err);
    assert!(
        said.err.contains("bars.csv, line 2: `ten` in column `volume`"),
        "{}",
        said.err
    );
    assert!(said.err.contains("nothing was published"), "{}", said.err);
    assert_eq!(desk.ok("ingest status")["market"], json!([]));
    // The report says it all the same.
    let report: Value = serde_json::from_slice(&std::fs::read(desk.home().join("q.json")).unwrap()).unwrap();
    assert_eq!(report["bad"]["count"], 1);
    let done = desk.ok(&format!("{BARS} --skip-bad-rows"));
    assert_eq!((&done["bad_rows"], &done["bars"]), (&json!(1), &json!(299)));
    assert_eq!(done["findings"][0]["code"], "bad_rows");
}

#[test]
fn times_of_another_zone_are_published_only_when_somebody_says_so() {
    let desk = Desk::new();
    desk.write("bars.csv", &market(12, -5 * 60));
    let said = desk.run(BARS);
    assert_eq!(said.code, 65, "{}", said.err);
    assert!(
        said.err.contains("wrong_zone") && said.err.contains("5 h later"),
        "{}",
        said.err
    );
    assert!(said.out.contains("ALARM"), "{}", said.out);
    assert_eq!(desk.ok("ingest status")["market"], json!([]));
    let done = desk.ok(&format!("{BARS} --accept-alarms"));
    assert_eq!(done["published"]["added"], 600);
}

#[test]
fn daily_values_get_versions_and_a_series_is_of_one_id() {
    let desk = Desk::new();
    let macros = "ingest macro --source config/sources/synthetic_macro.yaml --file macro.csv";
    let table = |dxy: &str| {
        format!(
            "date,dxy,vix,embi,brent,usdmxn,col10y,ust10y\n2026-01-02,{dxy},14,200,60,18,11,4\n2026-01-05,98.6,,201,61,18.1,11.1,4.1\n"
        )
    };
    desk.write("macro.csv", &table("98.4"));
    let first = desk.ok(macros);
    assert_eq!(
        (&first["values"], &first["published"]["added"]),
        (&json!(13), &json!(13))
    );
    assert_eq!(desk.ok(macros)["published"]["ingest_id"], Value::Null);
    desk.write("macro.csv", &table("98.5"));
    let changed = desk.ok(macros);
    assert_eq!(changed["published"]["changed"], 1);
    let dxy = changed["published"]["partitions"].as_array().unwrap();
    let dxy = dxy.iter().find(|month| month["name"] == "dxy").unwrap();
    assert_eq!(
        (&dxy["revision"], &dxy["rows"]),
        (&json!(2), &json!(3)),
        "both versions stay"
    );

    let source = std::fs::read_to_string(desk.home().join("config/sources/synthetic_macro.yaml")).unwrap();
    let other = source.replace("vendor_id: dxy", "vendor_id: other");
    assert_ne!(source, other);
    desk.write("config/sources/synthetic_macro.yaml", &other);
    desk.write("macro.csv", &table("98.9"));
    let said = desk.run(macros);
    assert_eq!(said.code, 77, "{}{}", said.out, said.err);
    assert!(
        said.err.contains("other_vendor_id") || said.err.contains("vendor"),
        "{}",
        said.err
    );
}

#[test]
fn a_dry_run_asks_nobody_and_the_report_stands_alone() {
    let desk = Desk::new();
    desk.write("bars.csv", &market(5, 0));
    let line = format!("{BARS} --dry-run --report reports/q.html --url http://127.0.0.1:1");
    let said = desk.run(&line);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out.contains("Dry run: 300 rows would be published"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("wrote reports/q.html\nwrote reports/q.json\n"),
        "{}",
        said.out
    );
    let page = std::fs::read_to_string(desk.home().join("reports/q.html")).unwrap();
    for forbidden in [
        "<script", "http://", "https://", "src=", "href=", "url(", "@import", "NaN",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("prefers-color-scheme:dark") && page.matches("<svg").count() == 3);
}

#[test]
fn what_cannot_be_ingested_says_why() {
    let desk = Desk::new();
    desk.write("bars.csv", &market(1, 0));
    desk.write("config/sources/bad.yaml", "kind: bars\nid: bad\nstamp: middle\n");
    let bars = "ingest bars --source config/sources/synthetic_bars.yaml";
    for (line, code, part) in [
        (format!("{bars} --file none.csv"), 66, "none.csv cannot be read"),
        (
            format!("{bars} --file bars.csv --report q.pdf"),
            2,
            "neither .html nor .json",
        ),
        (
            format!("{bars} --file bars.csv --from 2026-02-01 --to 2026-01-01"),
            2,
            "is after --to",
        ),
        (bars.to_owned(), 2, "neither --file nor --from"),
        (format!("{bars} --from 2026-01-01"), 2, "names no `download`"),
        (
            "ingest bars --source none.yaml --file bars.csv".to_owned(),
            66,
            "none.yaml",
        ),
        (
            "ingest bars --source config/sources/bad.yaml --file bars.csv".to_owned(),
            78,
            "line ",
        ),
        (
            "ingest macro --source config/sources/synthetic_bars.yaml --file x".to_owned(),
            2,
            "ingest bars",
        ),
        (
            "ingest bars --source config/sources/fred.yaml --file x".to_owned(),
            2,
            "ingest macro",
        ),
        (
            "ingest bars --source config/sources/usdcop_twelvedata.yaml --file bars.csv".to_owned(),
            65,
            "name the column in the source file",
        ),
        (
            "ingest bars --source config/sources/usdcop_twelvedata.yaml --from 2026-01-01".to_owned(),
            77,
            "TWELVEDATA_API_KEY is not set",
        ),
    ] {
        let said = desk.run(&line);
        assert_eq!(said.code, code, "{line}: {}{}", said.out, said.err);
        assert!(said.err.contains(part), "{line}: {}", said.err);
    }
    assert_eq!(desk.ok("ingest status")["market"], json!([]));
}

/// The real files, or a line that says what was skipped.
fn shared(name: &str) -> Option<std::path::PathBuf> {
    let path = Path::new(ROOT).join("../shared/data").join(name);
    if path.is_file() {
        return Some(path.canonicalize().unwrap());
    }
    use std::io::Write as _;
    writeln!(
        std::io::stderr(),
        "SKIPPED: ingest of the real {name}: ../shared/data not found"
    )
    .ok();
    None
}

#[test]
fn the_real_files_go_in_once() {
    let (Some(bars), Some(macros)) = (shared("usdcop_5m.csv.gz"), shared("macro_daily.csv")) else {
        return;
    };
    let desk = Desk::new();
    let bars = format!(
        "ingest bars --source config/sources/usdcop_twelvedata.yaml --file {}",
        bars.display()
    );
    let macros = format!(
        "ingest macro --source config/sources/macro_investing_fred.yaml --file {}",
        macros.display()
    );
    assert_eq!(desk.ok(&bars)["published"]["added"], 92_339);
    assert_eq!(desk.ok(&macros)["published"]["added"], 28_225);
    for line in [&bars, &macros] {
        let again = desk.ok(line);
        assert_eq!(again["published"]["ingest_id"], Value::Null, "{line}");
    }
    let status = desk.ok("ingest status");
    let market = status["market"].as_array().unwrap();
    assert_eq!(market.len(), 19);
    let of = |name: &str| {
        let found = market.iter().find(|row| row["name"] == name);
        found.unwrap_or_else(|| panic!("{name}: {status}")).clone()
    };
    assert_eq!(
        (&of("USDCOP")["rows"], &of("USDCOP")["months"]),
        (&json!(92_339), &json!(75))
    );
    assert_eq!(
        (&of("dxy")["vendor"], &of("dxy")["vendor_id"]),
        (&json!("investing"), &json!("942611"))
    );
}
