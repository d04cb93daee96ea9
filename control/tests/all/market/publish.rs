//! New rows from a process that computes, over the wire.

use clap::Parser as _;
use contracts::bar::{Bar, Stamp};
use contracts::files::{BarFileOptions, DailyRow, read_bars, read_daily};
use contracts::time::UtcMillis;
use control::artifacts::{ArtifactStore as _, DirectoryStore};
use control::auth::{Role, Scope};
use control::cli::remote::{ServerArgs, Who};
use control::cli::{CliError, Exit};
use control::market::publish::{Batch, Publish, Published, Source, publish};
use control::market::remote::{Fetched, fetch};
use control::market::{DailyValue, MarketName, Rows};

use crate::cli::Served;
use crate::kit::http::{token, user};
use crate::kit::market::{SOURCE, bars, closes, current, daily, month, source, values, vendor};

#[derive(clap::Parser)]
struct Args {
    #[command(flatten)]
    server: ServerArgs,
}

/// A served control, a researcher's token, and a cache.
struct Place {
    served: Served,
    token: std::path::PathBuf,
    cache: DirectoryStore,
}

impl Place {
    fn new() -> Self {
        let served = Served::start();
        let secret = served.runtime.block_on(async {
            user(&served.test, "rita", &[Role::Researcher]).await;
            token(&served.test, "rita", Scope::ResearchWrite, None).await.0
        });
        let token = served.home.path().join("token");
        std::fs::write(&token, secret).unwrap();
        let cache = DirectoryStore::new(&served.home.path().join("cache"));
        Self { served, token, cache }
    }

    fn server(&self) -> ServerArgs {
        let token = self.token.to_str().unwrap();
        Args::parse_from(["test", "--url", &self.served.url, "--token-file", token]).server
    }

    fn publish(&self, at: &str, batches: &[(&MarketName, Rows)]) -> Result<Published, CliError> {
        let (mut out, source) = (
            Vec::new(),
            Source {
                id: source().id,
                text: SOURCE.to_owned(),
            },
        );
        let mut remote = self.server().remote(Who::Anybody, &mut out).unwrap();
        let how = Publish {
            cache: &self.cache,
            source: &source,
            ingest_id: None,
            note: None,
            at: UtcMillis::parse(at).unwrap(),
        };
        let batch = |(name, rows): &(&MarketName, Rows)| Batch {
            name: (*name).clone(),
            vendor: vendor(&format!("{}-id", name.as_str())),
            rows: rows.clone(),
        };
        let batches = batches.iter().map(batch).collect();
        self.served.runtime.block_on(publish(&mut remote, how, batches))
    }

    fn fetch(&self, series: &[&str]) -> Result<Fetched, CliError> {
        let mut out = Vec::new();
        let mut remote = self.server().remote(Who::Anybody, &mut out).unwrap();
        let series: Vec<_> = series.iter().map(|name| name.parse().unwrap()).collect();
        let instrument = "USDCOP".parse().unwrap();
        let fetched = fetch(&mut remote, &self.cache, &instrument, &series);
        self.served.runtime.block_on(fetched)
    }
}

const NOW: &str = "2026-03-01T00:00:00Z";

fn counts(done: &Published) -> (u64, u64, u64) {
    (done.added, done.changed, done.unchanged)
}

#[test]
fn rows_are_merged_month_by_month_and_come_back_as_a_market() {
    let place = Place::new();
    let (usdcop, dxy, vix) = (bars("USDCOP"), daily("dxy"), daily("vix"));
    // Two months in no order, the last bar of January at its very end.
    let both = |first: f64| {
        let (Rows::Bars(mut all), Rows::Bars(january)) = (
            closes("2026-02-01T00:00:00Z", &[5.0, 6.0]),
            closes("2026-01-31T23:50:00Z", &[first, 4.0]),
        ) else {
            unreachable!()
        };
        all.extend(january);
        Rows::Bars(all)
    };
    let first_values = values(&[("2026-01-05", 98.0, None), ("2026-01-06", 99.0, None)]);
    let done = place
        .publish(NOW, &[(&usdcop, both(3.0)), (&dxy, first_values.clone())])
        .unwrap();
    assert_eq!(counts(&done), (6, 0, 0));
    let months: Vec<_> = done
        .partitions
        .iter()
        .map(|one| (one.name.as_str(), one.month.to_string(), one.revision))
        .collect();
    assert_eq!(
        months,
        [
            ("USDCOP", "2026-01".to_owned(), 1),
            ("USDCOP", "2026-02".to_owned(), 1),
            ("dxy", "2026-01".to_owned(), 1)
        ]
    );
    assert!(done.ingest_id.is_some());
    let again = place
        .publish(NOW, &[(&usdcop, both(3.0)), (&dxy, first_values)])
        .unwrap();
    assert_eq!((counts(&again), &again.ingest_id), ((0, 0, 6), &None));

    // One bar of January and one value are others; what the source no longer tells stays.
    let later = values(&[("2026-01-05", 97.0, None), ("2026-02-02", 96.0, None)]);
    let Rows::Bars(all) = both(3.5) else {
        unreachable!()
    };
    let changed = Rows::Bars(vec![all[2]]);
    let done = place.publish(NOW, &[(&usdcop, changed), (&dxy, later)]).unwrap();
    assert_eq!(counts(&done), (1, 2, 0));
    place
        .publish(NOW, &[(&vix, values(&[("2026-01-06", 14.0, None)]))])
        .unwrap();

    let fetched = place.fetch(&["vix", "dxy"]).unwrap();
    let closes_of = |bars: &[Bar]| bars.iter().map(|bar| bar.close).collect::<Vec<_>>();
    assert_eq!(closes_of(&fetched.market.bars), [3.5, 4.0, 5.0, 6.0]);
    let row = |series, date: &str, value, arrived: Option<&str>| DailyRow {
        series,
        date: contracts::time::DayNumber::parse(date).unwrap(),
        value,
        arrived_at: arrived.map(|at| UtcMillis::parse(at).unwrap()),
    };
    assert_eq!(
        fetched.market.daily.rows,
        [
            row(1, "2026-01-05", 98.0, None),
            row(1, "2026-01-05", 97.0, Some(NOW)),
            row(0, "2026-01-06", 14.0, None),
            row(1, "2026-01-06", 99.0, None),
            row(1, "2026-02-02", 96.0, None),
        ]
    );
    let sources: Vec<_> = fetched.sources.iter().map(ToString::to_string).collect();
    assert_eq!(
        sources,
        [
            "bars USDCOP 2026-01 revision 2",
            "bars USDCOP 2026-02 revision 1",
            "daily vix 2026-01 revision 1",
            "daily dxy 2026-01 revision 2",
            "daily dxy 2026-02 revision 1",
        ]
    );

    // A damaged file of the cache is fetched anew.
    let cached = place.cache.path(fetched.sources[0].sha256);
    std::fs::write(&cached, "damaged").unwrap();
    assert_eq!(place.fetch(&["vix", "dxy"]).unwrap(), fetched);
    assert_eq!(
        place.cache.get(fetched.sources[0].sha256).unwrap().len(),
        std::fs::read(&cached).unwrap().len()
    );
    let missing = place.fetch(&["embi"]).unwrap_err();
    assert_eq!(missing.exit(), Exit::NoInput);
    assert!(missing.to_string().contains("daily embi"), "{missing}");
}

#[test]
fn what_cannot_be_merged_or_is_not_allowed_registers_nothing() {
    let place = Place::new();
    let usdcop = bars("USDCOP");
    let start = "2026-01-05T13:05:00Z";
    let Rows::Bars(mut twice) = closes(start, &[1.0]) else {
        unreachable!()
    };
    twice.push(Bar {
        close: 1.5,
        ..twice[0]
    });
    let error = place.publish(NOW, &[(&usdcop, Rows::Bars(twice))]).unwrap_err();
    assert_eq!(error.exit(), Exit::Data);
    assert!(error.to_string().contains("2026-01-05T13:05:00Z"), "{error}");
    let Rows::Bars(mut between) = closes(start, &[1.0]) else {
        unreachable!()
    };
    between[0].close_time = between[0].close_time.plus_ms(1);
    let error = place.publish(NOW, &[(&usdcop, Rows::Bars(between))]).unwrap_err();
    assert!(
        error.to_string().contains("does not close on five minutes"),
        "{error}"
    );

    // A good name beside one that is another vendor's: neither is registered.
    place.publish(NOW, &[(&usdcop, closes(start, &[1.0]))]).unwrap();
    let dxy = daily("dxy");
    let runtime = &place.served.runtime;
    runtime.block_on(async {
        let rita = crate::kit::app::person("rita", &[Role::Researcher]);
        let rows = values(&[("2026-01-05", 1.0, None)]);
        let mut first =
            crate::kit::market::partition(&place.served.test, &dxy, month("2026-01"), &rows).await;
        first.vendor = vendor("another");
        let new = crate::kit::market::new_ingest(vec![first]);
        control::market::ingest(&place.served.test.app, &rita, new)
            .await
            .unwrap();
    });
    let before = runtime.block_on(current(&place.served.test, &usdcop, month("2026-01")));
    let more = [
        (&usdcop, closes(start, &[2.0])),
        (&dxy, values(&[("2026-01-06", 1.0, None)])),
    ];
    let error = place.publish(NOW, &more).unwrap_err();
    assert_eq!(error.exit(), Exit::Refused);
    assert!(error.to_string().contains("other_vendor_id"), "{error}");
    let after = runtime.block_on(current(&place.served.test, &usdcop, month("2026-01")));
    assert_eq!(after, before, "the files are there, and nothing names them");
    let done = place.publish(NOW, &more[..1]).unwrap();
    assert_eq!(counts(&done), (0, 1, 0), "the same again goes on");
}

/// The real bars and every daily series beside them, or a line that says what was skipped.
#[test]
fn the_real_market_comes_back_bit_by_bit() {
    let shared = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let (file, macros) = (shared.join("usdcop_5m.csv.gz"), shared.join("macro_daily.csv"));
    if !file.is_file() || !macros.is_file() {
        let skipped = b"SKIPPED: the_real_market_comes_back_bit_by_bit: ../shared/data not found\n";
        std::io::Write::write_all(&mut std::io::stderr(), skipped).unwrap();
        return;
    }
    let read = read_bars(&file, &BarFileOptions::stamped(Stamp::Open))
        .unwrap()
        .bars;
    let macro_file = read_daily(&macros).unwrap();
    let names: Vec<MarketName> = macro_file
        .series
        .iter()
        .map(|name| daily(name.as_str()))
        .collect();
    let of_series = |place: usize| {
        let rows = macro_file.rows.iter().filter(|row| row.series == place);
        let value = |row: &DailyRow| DailyValue {
            date: row.date,
            value: row.value,
            arrived_at: row.arrived_at,
        };
        Rows::Daily(rows.map(value).collect())
    };
    let usdcop = bars("USDCOP");
    let mut batches = vec![(&usdcop, Rows::Bars(read.clone()))];
    batches.extend(
        names
            .iter()
            .enumerate()
            .map(|(place, name)| (name, of_series(place))),
    );

    let place = Place::new();
    let done = place.publish(NOW, &batches).unwrap();
    let rows = (read.len() + macro_file.rows.len()) as u64;
    assert_eq!(counts(&done), (rows, 0, 0));
    assert!(done.partitions.len() > 1_000, "{}", done.partitions.len());
    let again = place.publish(NOW, &batches).unwrap();
    assert_eq!((counts(&again), again.ingest_id), ((0, 0, rows), None));

    let series: Vec<&str> = macro_file
        .series
        .iter()
        .map(contracts::ids::SeriesId::as_str)
        .collect();
    let fetched = place.fetch(&series).unwrap();
    assert!(
        fetched
            .market
            .bars
            .iter()
            .zip(&read)
            .all(|(bar, read)| bar.same_bits(read))
    );
    assert_eq!(fetched.market.bars.len(), read.len());
    let mut expected = macro_file.rows.clone();
    expected.sort_by_key(|row| (row.date, row.series));
    assert_eq!(fetched.market.daily.rows, expected);
    assert_eq!(fetched.sources.len(), done.partitions.len());
}
