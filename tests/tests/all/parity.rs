//! Live and replay are one: what an engine publishes over its WebSocket is, byte for byte, what `engine replay` writes for the
//! same file, but for the moments a message names.
//!
//! Both sides get the bars by different ways: the replay from a file that was written and read again, the engine from memory
//! over a WebSocket as JSON.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use contracts::bar::{Bar, Stamp};
use contracts::features::FeatureContract;
use contracts::files::{BarFileOptions, read_bars, read_daily};
use contracts::ids::{InstrumentId, SeriesId};
use contracts::numerics::Executor;
use contracts::time::{DayNumber, UtcMillis};
use engine::bundle::make::Made;
use engine::config::DriverKind;
use engine::feeds::file_server::{Pace, Release, Tape};
use testkit::guard::HangGuard;
use testkit::live::{Engine, MakeSpec, Run, bars_tape, lay, made, replayed};
use testkit::market::{Market, MarketSpec};
use testkit::{rig, scale, shared, test_name};

/// The drivers an engine can run under.
const DRIVERS: [DriverKind; 2] = [DriverKind::Inline, DriverKind::Pipeline];
/// Most rows inferred together.
const BATCHES: [usize; 3] = [1, 7, 64];
/// What may differ between live and replay.
const MOMENTS: [&str; 4] = ["received_at", "decided_at", "latency_ns", "simulated"];
/// Instruments of the synthetic month.
const INSTRUMENTS: usize = 64;
/// Sizes of batches that must have occurred.
const SIZES_MIN: usize = 5;

/// A message without its moments.
pub fn timeless(text: &str) -> String {
    let mut rest = text.to_owned();
    for name in MOMENTS {
        let key = format!(",\"{name}\":");
        if let Some(from) = rest.find(&key) {
            let value = &rest[from + key.len()..];
            let length = value.find([',', '}']).unwrap_or(value.len());
            rest.replace_range(from..from + key.len() + length, "");
        }
    }
    rest
}

/// Bars and daily values twice: as the engine's feed has them, and as the replay reads them.
struct Data {
    features: FeatureContract,
    live: Arc<Tape>,
    file: Tape,
}

/// The synthetic month, through files on the replay's side.
fn synthetic(features: FeatureContract, market: &Market) -> Data {
    let folder = tempfile::tempdir().unwrap();
    let files = market.write(folder.path(), Stamp::Open).unwrap();
    let read = files.bars.iter().map(|path| bars_of(path));
    let from_file: Vec<(InstrumentId, Vec<Bar>)> = market.instruments.iter().cloned().zip(read).collect();
    let in_memory = market.instruments.iter().cloned().zip(market.bars.clone());
    let daily = market.macros.iter().map(|p| (p.series.clone(), p.date, p.value));
    Data {
        live: Arc::new(bars_tape(&features, in_memory, daily)),
        file: bars_tape(&features, from_file, daily_of(&files.macros)),
        features,
    }
}

pub fn bars_of(path: &Path) -> Vec<Bar> {
    read_bars(path, &BarFileOptions::stamped(Stamp::Open))
        .unwrap()
        .bars
}

pub fn daily_of(path: &Path) -> Vec<(SeriesId, DayNumber, f64)> {
    let file = read_daily(path).unwrap();
    let of = |row: &contracts::files::DailyRow| (file.series[row.series].clone(), row.date, row.value);
    file.rows.iter().map(of).collect()
}

/// Every run against the replay; gives the sizes of the batches that occurred.
fn parity(data: &Data, executors: &[Executor]) -> BTreeMap<usize, u64> {
    let mut sizes = BTreeMap::new();
    for &executor in executors {
        let made = made(&MakeSpec {
            features: &data.features,
            seed: 5,
            executor,
            generation: 100,
            hidden: 64,
        });
        let expected: Vec<String> = replayed(&made, &data.file).iter().map(|m| timeless(m)).collect();
        let signals = expected
            .iter()
            .filter(|m| m.contains("\"type\":\"signal\""))
            .count();
        assert!(
            signals * 4 > data.live.bars_total(),
            "{signals} signals show too little"
        );
        for driver in DRIVERS {
            for batch_rows_max in BATCHES {
                for paced in [false, true] {
                    let what = format!("{executor:?} {driver:?} batches of {batch_rows_max}, paced {paced}");
                    let seen = run(data, &made, driver, batch_rows_max, paced, &mut sizes);
                    same(&what, &expected, &seen);
                }
            }
        }
    }
    sizes
}

fn same(what: &str, expected: &[String], seen: &[String]) {
    for (expected, seen) in expected.iter().zip(seen) {
        let seen = timeless(seen);
        assert_eq!(*expected, seen, "{what}");
    }
    assert_eq!(expected.len(), seen.len(), "{what}: the number of messages");
}

/// One live run from its first message to its close.
fn run(
    data: &Data,
    made: &Made,
    driver: DriverKind,
    batch_rows_max: usize,
    paced: bool,
    sizes: &mut BTreeMap<usize, u64>,
) -> Vec<String> {
    let (release, released) = Release::new();
    let run = Run {
        tape: Arc::clone(&data.live),
        pace: if paced { released } else { Pace::Max },
        driver,
        batch_rows_max,
    };
    let engine = Engine::start(run, |contracts| lay(contracts, made));
    let mut client = engine.subscribe();
    if paced {
        let mut read = 0;
        for (close_time, bars) in by_close_time(&data.live) {
            release.up_to(close_time);
            read += bars;
            client.read_results(read);
        }
    }
    client.read_results(data.live.bars_total());
    let metrics = Arc::clone(engine.metrics());
    let client = engine.stop_read_by(client);
    for (size, batches) in metrics.cores.iter().flat_map(|core| core.batch_sizes()) {
        *sizes.entry(size).or_insert(0) += batches;
        assert!(size <= batch_rows_max, "a batch of {size} rows");
    }
    client.published
}

fn by_close_time(tape: &Tape) -> BTreeMap<UtcMillis, usize> {
    let instruments: Vec<InstrumentId> = tape.instruments().cloned().collect();
    let mut counts = BTreeMap::new();
    for (_, bar) in tape.merged(&instruments, &BTreeMap::new()) {
        *counts.entry(bar.close_time).or_insert(0) += 1;
    }
    counts
}

fn print(test: &str, sizes: &BTreeMap<usize, u64>) {
    // Not through the macro, whose output the test runner keeps to itself.
    drop(writeln!(std::io::stderr(), "{test}: batches by rows {sizes:?}"));
}

#[test]
fn a_real_month_live_is_its_replay() {
    let test = test_name!();
    let (Some(bars), Some(daily)) = (
        shared::shared_file(test, "usdcop_5m.csv.gz"),
        shared::shared_file(test, "macro_daily.csv"),
    ) else {
        return;
    };
    let _guard = HangGuard::lasting(test, std::time::Duration::from_secs(600));
    let features = rig::features("usdcop_15");
    let (from, to) = ("2025-09-01T00:00:00Z", "2025-10-01T00:00:00Z");
    let (from, to) = (UtcMillis::parse(from).unwrap(), UtcMillis::parse(to).unwrap());
    let month: Vec<Bar> = bars_of(&bars)
        .into_iter()
        .filter(|bar| bar.close_time > from && bar.close_time <= to)
        .collect();
    assert!(month.len() > 900, "{} bars", month.len());
    let usdcop = InstrumentId::parse("USDCOP").unwrap();
    let tape = || bars_tape(&features, [(usdcop.clone(), month.clone())], daily_of(&daily));
    let data = Data {
        live: Arc::new(tape()),
        file: tape(),
        features: features.clone(),
    };
    let sizes = parity(&data, &[Executor::Dense, Executor::Ort]);
    print(test, &sizes);
}

#[test]
fn a_generated_month_live_is_its_replay() {
    let test = test_name!();
    let _guard = HangGuard::lasting(test, std::time::Duration::from_secs(600));
    let market = Market::generate(&MarketSpec::usdcop_like(17, "USDCOP", 30));
    let data = synthetic(rig::features("usdcop_15"), &market);
    let sizes = parity(&data, &[Executor::Dense, Executor::Ort]);
    print(test, &sizes);
}

#[test]
fn a_month_of_many_instruments_live_is_its_replay() {
    let test = test_name!();
    let _guard = HangGuard::lasting(test, std::time::Duration::from_secs(3_600));
    // The operators settle in the fifth session: a shorter month would show warming bars only.
    let days = 9 + u32::try_from(scale::soak(21)).unwrap_or(21);
    let market = Market::generate(&MarketSpec::many(18, INSTRUMENTS, days));
    let data = synthetic(rig::features("usdcop_15"), &market);
    let sizes = parity(&data, &[Executor::Dense, Executor::Ort]);
    print(test, &sizes);
    assert!(sizes.len() >= SIZES_MIN, "batches by rows {sizes:?}");
}
