//! FRED.

use contracts::ids::VendorId;
use contracts::time::DayNumber;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::super::fred::{Fred, Observation, ZONE, known};
use super::super::*;
use super::{KEY, Reply, TestPace, Vendor, at, reply};

#[tokio::test]
async fn nobody_there_is_an_error_without_the_address() {
    let vendor = Vendor::start(vec![reply(200, &json!({}))]).await;
    let mut http = vendor.http();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = free.local_addr().unwrap();
    drop(free);
    http.point_at(&format!("http://{gone}/"));
    let connector = fred("2026-01-01", "2026-01-31");
    let error = all(&connector, &http, &TestPace::default(), 600, |_, _| ())
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::Silent { tries: 5, .. }), "{error}");
    let mut chain = format!("{error:?}");
    let mut next = std::error::Error::source(&error);
    while let Some(cause) = next {
        chain.push_str(&cause.to_string());
        next = cause.source();
    }
    assert!(!chain.contains(KEY), "{chain}");
}

fn fred(from: &str, to: &str) -> Fred {
    let day = |text: &str| DayNumber::parse(text).unwrap();
    Fred {
        id: VendorId::parse("VIXCLS").unwrap(),
        from: day(from),
        to: day(to),
        zone: TimeZone::get(ZONE).unwrap(),
        today: day("2026-02-02"),
    }
}

fn observations(offset: u64, count: u64, rows: &[(&str, &str, &str)]) -> Value {
    let rows: Vec<Value> = rows
        .iter()
        .map(|(known, date, value)| json!({"realtime_start": known, "realtime_end": "9999-12-31", "date": date, "value": value}))
        .collect();
    json!({"realtime_start": "2026-01-01", "realtime_end": "9999-12-31", "observation_start": "2026-01-01",
           "observation_end": "9999-12-31", "units": "lin", "output_type": 1, "file_type": "json", "order_by": "observation_date",
           "sort_order": "asc", "count": count, "offset": offset, "limit": 100_000, "observations": rows})
}

async fn fetch_fred(
    connector: &Fred,
    answers: Vec<Reply>,
) -> (Result<fetch::Fetched<Observation>, FetchError>, Vendor) {
    let vendor = Vendor::start(answers).await;
    let fetched = all(connector, &vendor.http(), &TestPace::default(), 600, |_, _| ()).await;
    (fetched, vendor)
}

#[tokio::test]
async fn a_value_arrives_at_the_end_of_the_day_it_was_first_known_and_a_dot_is_a_blank() {
    let first = observations(
        0,
        4,
        &[
            ("2026-01-05", "2026-01-02", "14.51"),
            ("2026-01-06", "2026-01-05", "."),
        ],
    );
    let second = observations(
        2,
        4,
        &[
            ("2026-01-07", "2026-01-06", "14.90"),
            ("2026-01-09", "2026-01-06", "14.95"),
        ],
    );
    let connector = fred("2026-01-01", "2026-01-31");
    let (fetched, vendor) = fetch_fred(&connector, vec![reply(200, &first), reply(200, &second)]).await;
    let known = known(&fetched.unwrap().rows);
    let rows: Vec<_> = known
        .values
        .iter()
        .map(|one| {
            (
                one.date.to_string(),
                one.value,
                one.arrived_at.unwrap().to_string(),
            )
        })
        .collect();
    let row = |date: &str, value: f64, arrived: &str| (date.to_owned(), value, arrived.to_owned());
    assert_eq!(
        rows,
        [
            row("2026-01-02", 14.51, "2026-01-06T06:00:00Z"),
            row("2026-01-06", 14.90, "2026-01-08T06:00:00Z"),
            row("2026-01-06", 14.95, "2026-01-10T06:00:00Z"),
        ]
    );
    assert_eq!(known.blanks, [DayNumber::parse("2026-01-05").unwrap()]);
    let asked = vendor.asked();
    for part in [
        "series_id=VIXCLS",
        "realtime_start=2026-01-01",
        "realtime_end=2026-02-02",
        "output_type=1",
        "offset=0",
    ] {
        assert!(asked[0].0.contains(part), "{part}: {}", asked[0].0);
    }
    assert!(asked[1].0.contains("offset=2"), "{}", asked[1].0);
    assert!(asked[0].0.contains(&format!("api_key={KEY}")) && asked[0].1.is_none());
}

#[tokio::test]
async fn long_histories_are_asked_for_in_windows_that_cut_no_arrival() {
    let connector = fred("2018-01-01", "2025-12-31");
    let (fetched, vendor) = fetch_fred(&connector, vec![reply(200, &observations(0, 0, &[]))]).await;
    // Two windows and a day; the first ends too long ago, so it is asked for as of today as well.
    assert_eq!(fetched.unwrap().pages, 4);
    for (at, (url, _)) in vendor.asked().iter().enumerate() {
        let of = |name: &str| {
            let start = url.find(name).unwrap() + name.len() + 1;
            url[start..start + 10].to_owned()
        };
        assert!(of("observation_end") <= of("realtime_end"), "{url}");
        if at == 1 {
            assert_eq!(
                (of("realtime_start"), of("realtime_end")),
                ("2026-02-02".into(), "2026-02-02".into())
            );
        } else {
            assert_eq!(of("observation_start"), of("realtime_start"), "{url}");
        }
    }
}

#[tokio::test]
async fn what_an_archive_did_not_have_yet_comes_as_it_is_known_today() {
    let connector = fred("2005-01-01", "2005-01-31");
    let message = "Bad Request.  The series does not exist in ALFRED but may exist in FRED.";
    let before = reply(400, &json!({"error_code": 400, "error_message": message}));
    let today = observations(0, 1, &[("2026-02-02", "2005-01-03", "14.08")]);
    let (fetched, _) = fetch_fred(&connector, vec![before, reply(200, &today)]).await;
    let known = known(&fetched.unwrap().rows);
    assert_eq!((known.values.len(), known.archived), (1, 1));
    assert_eq!((known.values[0].value, known.values[0].arrived_at), (14.08, None));
}

#[test]
fn an_arrival_years_later_says_when_the_archive_began() {
    let value = |date: &str, arrived: &str, value: f64| {
        Observation::Value(crate::ingest::read::Daily {
            date: DayNumber::parse(date).unwrap(),
            value,
            arrived_at: Some(at(arrived)),
        })
    };
    let found = known(&[
        value("2005-01-03", "2010-06-01T05:00:00Z", 14.0),
        value("2005-01-03", "2011-06-01T05:00:00Z", 14.5),
        Observation::Blank(DayNumber::parse("2012-01-02").unwrap()),
        value("2012-01-02", "2012-08-01T05:00:00Z", 20.0),
    ]);
    let arrivals: Vec<_> = found.values.iter().map(|one| one.arrived_at.is_some()).collect();
    // The revision's arrival is believed, and so is that of a value which was blank before.
    assert_eq!(arrivals, [false, true, true]);
    assert_eq!((found.archived, found.blanks.len()), (1, 0));
    // A value that came ten weeks late, without a blank before, in an archive that had begun: it was not known earlier.
    let found = known(&[
        value("2010-05-28", "2010-06-01T05:00:00Z", 14.0),
        value("2012-01-02", "2012-03-12T05:00:00Z", 20.0),
    ]);
    assert_eq!(found.values[1].arrived_at, Some(at("2012-03-12T05:00:00Z")));
    assert_eq!(found.archived, 0);
}

#[tokio::test]
async fn what_fred_refuses_is_told_by_kind() {
    let refuse =
        |code: u16, message: &str| reply(code, &json!({"error_code": code, "error_message": message}));
    let connector = fred("2026-01-01", "2026-01-31");
    let key = refuse(
        400,
        "Bad Request.  The value for variable api_key is not registered.",
    );
    let (fetched, _) = fetch_fred(&connector, vec![key]).await;
    assert!(matches!(fetched, Err(FetchError::Key { .. })));
    let vintages = refuse(
        400,
        "Bad Request.  This exceeds the maximum number of vintage dates allowed (2000).",
    );
    let (fetched, _) = fetch_fred(&connector, vec![vintages]).await;
    let error = fetched.unwrap_err();
    assert!(
        matches!(error, FetchError::Refused { .. }) && error.to_string().contains("vintage"),
        "{error}"
    );
    let slow = refuse(429, "Too Many Requests.  Exceeded Rate Limit");
    let (fetched, _) = fetch_fred(&connector, vec![slow, reply(200, &observations(0, 0, &[]))]).await;
    assert_eq!(fetched.unwrap().rows.len(), 0);
    for wrong in [
        observations(7, 9, &[]),
        observations(0, 9, &[]),
        json!({"observations": []}),
    ] {
        let (fetched, _) = fetch_fred(&connector, vec![reply(200, &wrong)]).await;
        assert!(matches!(fetched, Err(FetchError::Refused { .. })), "{wrong}");
    }
    let bad = observations(
        0,
        2,
        &[
            ("2026-01-05", "2026-01-02", "x"),
            ("2026-01-05", "1999-01-02", "1"),
        ],
    );
    let (fetched, _) = fetch_fred(&connector, vec![reply(200, &bad)]).await;
    assert_eq!(fetched.unwrap().bad.len(), 2);
}
