//! Sessions, holidays and clock changes against instants worked out by hand.

use std::path::Path;

use contracts::features::load_calendar;

use super::*;

fn shipped(name: &str) -> Calendar {
    let path = format!("{}/../config/calendars/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    Calendar::new(&load_calendar(Path::new(&path)).unwrap()).unwrap()
}

fn at(text: &str) -> UtcMillis {
    UtcMillis::parse(text).unwrap()
}

fn inline(zone: &str, sessions: &str, holidays: &str) -> Calendar {
    let doc = format!(
        "{{name: c, zone: {zone}, sessions: [{sessions}], holidays: [{holidays}], sessions_per_year: 250}}"
    );
    Calendar::new(&serde_norway::from_str(&doc).unwrap()).unwrap()
}

#[test]
fn bogota_trades_sixty_bars_a_day() {
    let calendar = shipped("usdcop");
    let midnight = at("2026-01-05T05:00:00Z");
    let closes = (1..=288).map(|i| midnight.plus_ms(i * BAR_INTERVAL_MS));
    let open: Vec<_> = closes.filter(|close| calendar.in_session(*close)).collect();
    assert_eq!(open.len(), 60);
    assert_eq!(open[0], at("2026-01-05T13:05:00Z"));
    assert_eq!(open[59], at("2026-01-05T18:00:00Z"));
    assert!(!calendar.in_session(at("2026-01-04T14:00:00Z")), "Sunday");
    assert!(
        !calendar.in_session(at("2026-01-12T14:00:00Z")),
        "Epiphany, moved to Monday"
    );
    assert!(
        !calendar.in_session(at("2026-01-05T13:02:00Z")),
        "opens before the session"
    );
}

/// Ley 51 de 1983: computed anew here, from the rules, for every listed year.
#[test]
fn the_listed_holidays_are_those_of_the_law() {
    let listed = shipped("usdcop").holidays;
    let mut expected: Vec<DayNumber> = (2019..=2027).flat_map(colombian_holidays).collect();
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(listed, expected);
}

fn colombian_holidays(year: i16) -> Vec<DayNumber> {
    let day = |month, day| DayNumber::from_civil(jiff::civil::date(year, month, day));
    // 1970-01-01 was a Thursday: day number 4 is a Monday.
    let monday_from = |d: DayNumber| DayNumber(d.0 + (4 - d.0).rem_euclid(7));
    let easter = easter(year);
    let after = |days| DayNumber(easter.0 + days);
    let mut dates = vec![
        day(1, 1),
        day(5, 1),
        day(7, 20),
        day(8, 7),
        day(12, 8),
        day(12, 25),
    ];
    let moved = [
        day(1, 6),
        day(3, 19),
        day(6, 29),
        day(8, 15),
        day(10, 12),
        day(11, 1),
        day(11, 11),
    ];
    dates.extend(moved.map(monday_from));
    dates.extend([after(-3), after(-2)]);
    dates.extend([after(39), after(60), after(68)].map(monday_from));
    dates
}

/// Gauss's algorithm with the Gregorian corrections of 1900 to 2099.
fn easter(year: i16) -> DayNumber {
    let y = i32::from(year);
    let (a, b, c) = (y % 19, y % 4, y % 7);
    let d = (19 * a + 24) % 30;
    let e = (2 * b + 4 * c + 6 * d + 5) % 7;
    let mut march_day = 22 + d + e;
    if march_day == 57 || (march_day == 56 && d == 28 && a > 10) {
        march_day -= 7;
    }
    DayNumber(DayNumber::from_civil(jiff::civil::date(year, 3, 1)).0 + march_day - 1)
}

#[test]
fn new_york_weeks_follow_the_clock_change() {
    let fx = shipped("fx_24x5");
    // Winter: 17:00 is 22:00 UTC; from 2026-03-08 on it is 21:00 UTC.
    assert!(fx.in_session(at("2026-03-06T22:00:00Z")) && !fx.in_session(at("2026-03-06T22:05:00Z")));
    assert!(!fx.in_session(at("2026-03-08T21:00:00Z")) && fx.in_session(at("2026-03-08T21:05:00Z")));
    assert!(fx.in_session(at("2026-03-13T21:00:00Z")) && !fx.in_session(at("2026-03-13T21:05:00Z")));
    assert!(!fx.in_session(at("2026-11-01T22:00:00Z")) && fx.in_session(at("2026-11-01T22:05:00Z")));
    let wednesday = fx.locate(at("2026-03-11T03:00:00Z"));
    assert_eq!(wednesday.session.unwrap().start, at("2026-03-10T21:00:00Z"));
    assert_eq!(wednesday.date, DayNumber::parse("2026-03-10").unwrap());
    assert!(!fx.in_session(at("2025-12-25T12:00:00Z")) && fx.in_session(at("2025-12-25T04:55:00Z")));
}

#[test]
fn a_session_across_the_clock_change_has_its_real_length() {
    let hours = |span: Span| (span.end.0 - span.start.0) / 3_600_000;
    let every_day = "{days: [mon, tue, wed, thu, fri, sat, sun], open: '00:00', close: '24:00'}";
    for (zone, spring, autumn) in [
        ("Europe/London", "2026-03-29T12:00:00Z", "2026-10-25T12:00:00Z"),
        ("Europe/Berlin", "2026-03-29T12:00:00Z", "2026-10-25T12:00:00Z"),
        ("America/New_York", "2026-03-08T12:00:00Z", "2026-11-01T12:00:00Z"),
    ] {
        let calendar = inline(zone, every_day, "");
        let (spring, autumn) = (calendar.locate(at(spring)), calendar.locate(at(autumn)));
        assert_eq!((hours(spring.day), hours(autumn.day)), (23, 25), "{zone}");
        assert_eq!(
            (hours(spring.session.unwrap()), hours(autumn.session.unwrap())),
            (23, 25),
            "{zone}"
        );
    }
}

#[test]
fn the_answer_holds_for_the_whole_valid_span() {
    let evening = "{days: [sun, mon, tue, wed, thu], open: '17:00', close: '17:00'}";
    for calendar in [
        shipped("usdcop"),
        shipped("fx_24x5"),
        shipped("crypto_24x7"),
        inline("Europe/London", evening, "2026-03-30, 2026-10-26"),
    ] {
        let start = at("2026-03-27T00:00:00Z");
        for i in 0..2_000 {
            let here = start.plus_ms(i * BAR_INTERVAL_MS);
            let place = calendar.locate(here);
            assert!(place.valid.contains(here) && place.day.contains(here));
            let last = UtcMillis(place.valid.end.0 - 1);
            assert_eq!(calendar.locate(place.valid.start), place);
            assert_eq!(calendar.locate(last), place);
        }
    }
}

#[test]
fn missing_bars_are_counted_within_a_stretch_of_trading_only() {
    let missing = |calendar: &Calendar, from: &str, to: &str| {
        let open = at(to).bar_open();
        calendar.missing_bars(at(from), open, &calendar.locate(open))
    };
    let cop = shipped("usdcop");
    assert_eq!(missing(&cop, "2026-01-05T13:05:00Z", "2026-01-05T13:10:00Z"), 0);
    assert_eq!(missing(&cop, "2026-01-05T13:05:00Z", "2026-01-05T13:25:00Z"), 3);
    assert_eq!(
        missing(&cop, "2026-01-05T18:00:00Z", "2026-01-06T13:10:00Z"),
        0,
        "across a night"
    );
    let crypto = shipped("crypto_24x7");
    assert_eq!(
        missing(&crypto, "2026-01-05T23:55:00Z", "2026-01-06T00:10:00Z"),
        2,
        "across midnight"
    );
    assert_eq!(
        missing(&crypto, "2026-01-05T00:00:00Z", "2026-01-08T00:00:00Z"),
        3 * 288 - 1
    );
    let fx = shipped("fx_24x5");
    assert_eq!(
        missing(&fx, "2026-03-06T22:00:00Z", "2026-03-08T21:05:00Z"),
        0,
        "across a week-end"
    );
}
