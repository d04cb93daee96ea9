//! The machine's zone changes nothing, and clock changes fall where New York and Europe put them.

use std::io::Write as _;
use std::process::Command;

use contracts::features::{Calendar, FeatureContract, load_calendar};
use contracts::hash::ArtifactHash;
use contracts::ids::InstrumentId;
use contracts::reason::Withheld;
use strategy::plan::FeaturePlan;

use super::market::{self, Market};
use super::walk::{Step, walk};

/// Weeks around the clock changes of 2026 in Europe (29 March, 25 October) and New York (8 March, 1 November).
const WEEKS: [&str; 2] = ["2026-03-01T00:05:00Z", "2026-10-18T00:05:00Z"];
const WEEKS_BARS: usize = 35 * 288;

fn fx_24x5() -> Calendar {
    let path = format!("{}/../config/calendars/fx_24x5.yaml", env!("CARGO_MANIFEST_DIR"));
    load_calendar(path.as_ref()).unwrap()
}

fn london_day() -> Calendar {
    let yaml = "{name: london, zone: Europe/London, sessions_per_year: 253, holidays: [],
        sessions: [{days: [mon, tue, wed, thu, fri], open: '08:00', close: '16:30'}]}";
    serde_norway::from_str(yaml).unwrap()
}

fn contract(calendar: Calendar) -> FeatureContract {
    FeatureContract {
        calendar,
        ..market::contract("technical_8")
    }
}

fn steps(calendar: Calendar) -> Vec<Step> {
    let plan = FeaturePlan::new(&contract(calendar)).unwrap();
    let market = |first| Market {
        instrument: InstrumentId::parse("X").unwrap(),
        bars: market::steady_bars(first, WEEKS_BARS, 3),
        daily: Vec::new(),
    };
    WEEKS
        .iter()
        .flat_map(|first| walk(&plan, &market(first)))
        .collect()
}

/// Prints a digest of every output; the test below runs it under other zones.
#[test]
fn digest() {
    let mut bytes = Vec::new();
    for calendar in [fx_24x5(), london_day(), market::contract("usdcop_15").calendar] {
        for step in steps(calendar) {
            bytes.extend_from_slice(step.close_time.to_string().as_bytes());
            bytes.extend_from_slice(format!("{:?}", step.seen).as_bytes());
            bytes.extend(step.features.iter().flat_map(|x| x.to_bits().to_le_bytes()));
        }
    }
    assert!(bytes.len() > 1_000_000);
    drop(writeln!(
        std::io::stdout(),
        "\ndigest {}",
        ArtifactHash::of(&bytes)
    ));
}

#[test]
fn three_machine_zones_give_the_same_bits() {
    let digest_under = |zone: &str| {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "zones::digest", "--nocapture"])
            .env("TZ", zone)
            .output()
            .unwrap();
        let text = String::from_utf8(child.stdout).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("digest "))
            .unwrap_or_else(|| panic!("{text}"));
        line.to_owned()
    };
    let here = digest_under("UTC");
    for zone in ["America/New_York", "Asia/Kolkata", "Pacific/Apia"] {
        assert_eq!(digest_under(zone), here, "TZ={zone}");
    }
}

/// Close of the first and of the last used bar after `from`, of one session.
fn session_after(steps: &[Step], from: &str) -> (String, String) {
    let from = contracts::time::UtcMillis::parse(from).unwrap();
    let later = steps.iter().skip_while(|step| step.close_time <= from);
    let off = |step: &&Step| step.seen.withheld == Some(Withheld::OffSession);
    let session: Vec<_> = later.skip_while(off).take_while(|step| step.seen.used).collect();
    (
        session[0].close_time.to_string(),
        session[session.len() - 1].close_time.to_string(),
    )
}

#[test]
fn sessions_move_with_the_clock() {
    let fx = steps(fx_24x5());
    let week = |from| session_after(&fx, from);
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        week("2026-03-06T23:00:00Z"),
        pair("2026-03-08T21:05:00Z", "2026-03-13T21:00:00Z")
    );
    assert_eq!(
        week("2026-10-23T23:00:00Z"),
        pair("2026-10-25T21:05:00Z", "2026-10-30T21:00:00Z")
    );
    assert_eq!(
        week("2026-10-30T23:00:00Z"),
        pair("2026-11-01T22:05:00Z", "2026-11-06T22:00:00Z")
    );
    let london = steps(london_day());
    let day = |from| session_after(&london, from);
    assert_eq!(
        day("2026-03-26T20:00:00Z"),
        pair("2026-03-27T08:05:00Z", "2026-03-27T16:30:00Z")
    );
    assert_eq!(
        day("2026-03-27T20:00:00Z"),
        pair("2026-03-30T07:05:00Z", "2026-03-30T15:30:00Z")
    );
    assert_eq!(
        day("2026-10-23T20:00:00Z"),
        pair("2026-10-26T08:05:00Z", "2026-10-26T16:30:00Z")
    );
}

#[test]
fn the_time_feature_stays_in_its_range_and_rises_within_a_day() {
    for (calendar, whole_day) in [(fx_24x5(), true), (london_day(), false)] {
        let steps = steps(calendar);
        let used: Vec<_> = steps.iter().filter(|step| step.seen.used).collect();
        let time = |step: &Step| *step.features.last().unwrap();
        assert!(used.iter().all(|step| (0.0..1.0).contains(&time(step))));
        let restarts = used.windows(2).filter(|pair| time(pair[1]) <= time(pair[0]));
        for pair in restarts {
            // It falls at local midnight or at the next session's open, where it begins at zero, or where a week begins.
            let new_week = pair[1].close_time.0 - pair[0].close_time.0 > 300_000;
            assert!(
                time(pair[1]) == 0.0 || (whole_day && new_week),
                "{}",
                pair[1].close_time
            );
        }
    }
}
