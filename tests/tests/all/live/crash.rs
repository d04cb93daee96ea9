//! `kill -9` and a full disk under load, under every driver and from one to another: no bar without its result, no hole, nothing a client has that the journal has not, and the same
//! observations as in a run that nobody killed.

use std::collections::BTreeMap;
use std::path::Path;

use engine::core::record::Kind;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use testkit::guard::HangGuard;
use testkit::market::{Market, MarketSpec};
use testkit::process::Process;

use super::client::is_result;
use super::journal::{BarEntry, assert_no_holes};
use super::{Client, Heard, Place, journal};

const KILLS: usize = 10;
const INSTRUMENTS: usize = 24;
/// A kill comes before the journal has grown by this many bytes: less than the bars of one run take.
const GROWTH_MAX: u64 = 400_000;
const PIPELINE: &str = "driver = \"pipeline\"";
const TWO_CORES: &str = "driver = \"pipeline\"\nshards = 2";

/// Everything a client was ever sent that has a number.
type Received = BTreeMap<u64, String>;

/// Reads until `enough` says so or the stream ends; every numbered message once, in order.
async fn read(client: &mut Client, received: &mut Received, mut enough: impl FnMut(&Received) -> bool) {
    while !enough(received) {
        let Heard::Message(message, text) = client.next().await else {
            return;
        };
        if let Some(seq) = message["seq"].as_u64() {
            let next = received.last_key_value().map_or(seq, |(seq, _)| seq + 1);
            assert_eq!(seq, next, "{text}");
            received.insert(seq, text);
        }
        assert_ne!(message["type"], "rewound", "the machine was not rebooted");
    }
}

/// Reads on until `total` bars are answered.
async fn read_to_results(client: &mut Client, received: &mut Received, total: usize) {
    let mut count = results(received);
    while count < total {
        let before = received.len();
        read(client, received, |seen| seen.len() > before).await;
        assert!(
            received.len() > before,
            "the stream ended at {count} results of {total}"
        );
        let (_, last) = received.last_key_value().unwrap();
        count += usize::from(is_result(&serde_json::from_str(last).unwrap()));
    }
}

/// Ends an engine, and looks at how it ended. True when it ended as the blow says: a disk that is full in the moment a segment
/// begins has room for the rest.
fn end(mut engine: Process, blow: Blow, run: usize, dir: &Path) -> bool {
    let blow = match (blow, run % 3) {
        (Blow::Turns, 0) => {
            engine.signal(libc::SIGTERM);
            assert!(engine.end().success());
            return true;
        }
        (Blow::Turns, 1) => Blow::Kill,
        (Blow::Turns, _) => Blow::FullDisk,
        (blow, _) => blow,
    };
    if blow == Blow::Kill {
        engine.kill();
        return true;
    }
    // No segment may grow beyond where the newest one is now; one that is begun meanwhile fills up to there.
    engine.limit_files(newest_bytes_in(dir));
    // One that has journaled all of its share by now has still to write that it stopped.
    engine.signal(libc::SIGTERM);
    let code = engine.end().code();
    assert!(matches!(code, Some(0 | 74)), "{code:?}");
    code == Some(74)
}

fn results(received: &Received) -> usize {
    let parsed = received.values().map(|text| serde_json::from_str(text).unwrap());
    parsed.filter(is_result).count()
}

fn has_result_after(seq: u64, received: &Received) -> bool {
    let mut newer = received.range(seq + 1..);
    newer.any(|(_, text)| is_result(&serde_json::from_str(text).unwrap()))
}

fn last_seq_in(dir: &Path) -> u64 {
    let seqs = journal(dir).into_iter().map(|entry| entry.seq);
    seqs.max().unwrap_or(0)
}

/// Size of the journal: the moment of a kill is a place in it.
fn bytes_in(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let segments = files.filter(|file| file.path().extension().is_some_and(|end| end == "seg"));
    segments
        .filter_map(|file| Some(file.metadata().ok()?.len()))
        .sum()
}

fn newest_bytes_in(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let segments = files.filter(|file| file.path().extension().is_some_and(|end| end == "seg"));
    let newest = segments.max_by_key(std::fs::DirEntry::file_name);
    newest.map_or(0, |file| file.metadata().unwrap().len())
}

fn bars_of(entries: &[super::Entry]) -> Vec<BarEntry> {
    let mut bars: Vec<BarEntry> = entries.iter().filter_map(|entry| entry.bar.clone()).collect();
    bars.sort();
    bars
}

/// What ends a run.
#[derive(Clone, Copy, PartialEq)]
enum Blow {
    /// `kill -9`.
    Kill,
    /// The journal's file can grow no more.
    FullDisk,
    /// One after the other, and an orderly end as the third.
    Turns,
}

/// `runs` engines after each other on one journal, each with the driver `driver` gives it, all but the last ended at a seeded
/// moment under load.
async fn nothing_is_lost(seed: u64, blow: Blow, driver: impl Fn(usize) -> &'static str) {
    let market = Market::generate(&MarketSpec::many(31, INSTRUMENTS, 26));
    let total: usize = market.bars.iter().map(Vec::len).sum();
    let place = Place::new(market, "usdcop_15").set("journal", "segment_bytes = 1000000");
    let (_feed, url) = place.feed();

    let (engine, address) = place.engine(&url, "whole");
    let mut client = Client::connect(address, Some((1, 1))).await;
    let mut whole = Received::new();
    read_to_results(&mut client, &mut whole, total).await;
    engine.signal(libc::SIGTERM);
    assert!(engine.end().success());

    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut received = Received::new();
    let dir = place.path("killed");
    let (mut dead, mut struck) = (0, 0);
    for run in 1..=KILLS {
        // Each run has a share of the bars more than the last, so that a slow test cannot find the file finished.
        let (_feed, url) = place.feed_part(run, KILLS + 1);
        let journaled = if run % 2 == 0 { last_seq_in(&dir) } else { 0 };
        let (engine, address) = place.engine_with(&url, "killed", driver(run));
        let next = received.last_key_value().map_or(1, |(seq, _)| seq + 1);
        let mut client = Client::connect(address, Some((next, 1))).await;
        assert_eq!(client.epoch(), 1);
        let grown = dead + rng.random_range(1..GROWTH_MAX);
        // Every second blow waits for a result of this run; the others may fall while the engine still starts.
        if run % 2 == 0 {
            read(&mut client, &mut received, |seen| {
                has_result_after(journaled, seen)
            })
            .await;
        }
        let watched = dir.clone();
        let ender = std::thread::spawn(move || {
            let guard = HangGuard::new("the journal's growth");
            while bytes_in(&watched) < grown {
                std::thread::yield_now();
            }
            drop(guard);
            end(engine, blow, run, &watched)
        });
        // To the end of the stream: what had left the engine before it died still arrives.
        read(&mut client, &mut received, |_| false).await;
        struck += usize::from(ender.join().unwrap());
        dead = bytes_in(&dir);
    }
    let (engine, address) = place.engine_with(&url, "killed", driver(0));
    let next = received.last_key_value().map_or(1, |(seq, _)| seq + 1);
    let mut client = Client::connect(address, Some((next, 1))).await;
    read_to_results(&mut client, &mut received, total).await;
    engine.signal(libc::SIGTERM);
    assert!(engine.end().success());

    assert!(struck > KILLS / 2, "{struck} of {KILLS} ended by the blow");
    let entries = journal(&place.path("killed"));
    assert_no_holes(&entries);
    assert!(entries.iter().all(|entry| entry.epoch == 1));
    let starts: Vec<usize> = (0..entries.len())
        .filter(|&at| entries[at].kind == Kind::Start)
        .collect();
    assert_eq!(starts.len(), KILLS + 1);
    let worked = starts.windows(2).filter(|run| {
        let records = &entries[run[0]..run[1]];
        records.iter().any(|entry| entry.bar.is_some())
    });
    assert!(worked.count() >= KILLS / 2, "kills come under load");
    let kept: BTreeMap<u64, &str> = entries
        .iter()
        .filter_map(|entry| Some((entry.seq, entry.text.as_deref()?)))
        .collect();
    for (seq, text) in &received {
        assert_eq!(kept.get(seq), Some(&text.as_str()));
    }
    let killed = bars_of(&entries);
    let undisturbed = bars_of(&journal(&place.path("whole")));
    assert_eq!(
        killed.len(),
        total,
        "every bar of the file has exactly one result"
    );
    assert_eq!(undisturbed.len(), total);
    for (killed, undisturbed) in killed.iter().zip(&undisturbed) {
        assert_eq!(killed, undisturbed);
    }
    assert!(killed.iter().filter(|bar| !bar.observation.is_empty()).count() * 2 > total);
}

#[tokio::test]
async fn ten_kills_lose_nothing_repeat_nothing_and_change_no_bit() {
    nothing_is_lost(0x6b69_6c6c, Blow::Kill, |_| "").await;
}

#[tokio::test]
async fn ten_kills_of_a_pipeline_with_one_core_do_neither() {
    nothing_is_lost(0x6b31, Blow::Kill, |_| PIPELINE).await;
}

#[tokio::test]
async fn ten_kills_of_a_pipeline_with_two_cores_do_neither() {
    nothing_is_lost(0x6b32, Blow::Kill, |_| TWO_CORES).await;
}

#[tokio::test]
async fn ten_full_disks_do_neither() {
    nothing_is_lost(0x6630, Blow::FullDisk, |_| "").await;
}

#[tokio::test]
async fn ten_full_disks_under_a_pipeline_with_two_cores_do_neither() {
    nothing_is_lost(0x6632, Blow::FullDisk, |_| TWO_CORES).await;
}

#[tokio::test]
async fn another_driver_and_number_of_cores_after_every_end_changes_no_bit() {
    const COURSE: [&str; 5] = ["", PIPELINE, TWO_CORES, PIPELINE, TWO_CORES];
    nothing_is_lost(0x7368, Blow::Turns, |run| COURSE[run % COURSE.len()]).await;
}
