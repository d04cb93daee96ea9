//! `kill -9` under load: no bar without its result, no hole, nothing a client has that the journal has not, and the same
//! observations as in a run that nobody killed.

use std::collections::BTreeMap;
use std::path::Path;

use engine::core::record::Kind;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use testkit::guard::HangGuard;
use testkit::market::{Market, MarketSpec};

use super::client::is_result;
use super::journal::{BarEntry, assert_no_holes};
use super::{Client, Heard, Place, journal};

const KILLS: usize = 10;
const INSTRUMENTS: usize = 24;
/// A kill comes before the journal has grown by this many bytes: less than the bars of one run take.
const GROWTH_MAX: u64 = 400_000;

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
        assert_ne!(message["type"], "fault", "{message}");
    }
}

fn results(received: &Received) -> usize {
    let parsed = received.values().map(|text| serde_json::from_str(text).unwrap());
    parsed.filter(is_result).count()
}

/// Size of the journal: the moment of a kill is a place in it.
fn bytes_in(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let segments = files.filter(|file| file.path().extension().is_some_and(|end| end == "seg"));
    segments
        .filter_map(|file| Some(file.metadata().ok()?.len()))
        .sum()
}

fn bars_of(entries: &[super::Entry]) -> Vec<BarEntry> {
    let mut bars: Vec<BarEntry> = entries.iter().filter_map(|entry| entry.bar.clone()).collect();
    bars.sort();
    bars
}

#[tokio::test]
async fn ten_kills_lose_nothing_repeat_nothing_and_change_no_bit() {
    let market = Market::generate(&MarketSpec::many(31, INSTRUMENTS, 26));
    let total: usize = market.bars.iter().map(Vec::len).sum();
    let place = Place::new(market, "usdcop_15").set("journal", "segment_bytes = 1000000");
    let (_feed, url) = place.feed();

    let (engine, address) = place.engine(&url, "whole");
    let mut client = Client::connect(address, Some((1, 1))).await;
    let mut whole = Received::new();
    let mut count = 0;
    while count < total {
        let before = whole.len();
        read(&mut client, &mut whole, |seen| seen.len() > before).await;
        let (_, last) = whole.last_key_value().unwrap();
        count += usize::from(is_result(&serde_json::from_str(last).unwrap()));
    }
    engine.signal(libc::SIGTERM);
    assert!(engine.end().success());

    let mut rng = ChaCha8Rng::seed_from_u64(0x6b69_6c6c);
    let mut received = Received::new();
    let dir = place.path("killed");
    let mut dead = 0;
    for kill in 1..=KILLS {
        // Each run has a share of the bars more than the last, so that a slow test cannot find the file finished.
        let (_feed, url) = place.feed_part(kill, KILLS + 1);
        let (mut engine, address) = place.engine(&url, "killed");
        let next = received.last_key_value().map_or(1, |(seq, _)| seq + 1);
        let mut client = Client::connect(address, Some((next, 1))).await;
        assert_eq!(client.epoch(), 1);
        let grown = dead + rng.random_range(1..GROWTH_MAX);
        let watched = dir.clone();
        let killer = std::thread::spawn(move || {
            let _guard = HangGuard::new("the journal's growth");
            while bytes_in(&watched) < grown {
                std::thread::yield_now();
            }
            engine.kill();
        });
        // To the end of the stream: what had left the engine before it died still arrives.
        read(&mut client, &mut received, |_| false).await;
        killer.join().unwrap();
        dead = bytes_in(&dir);
    }
    let (engine, address) = place.engine(&url, "killed");
    let next = received.last_key_value().map_or(1, |(seq, _)| seq + 1);
    let mut client = Client::connect(address, Some((next, 1))).await;
    let mut count = results(&received);
    while count < total {
        let before = received.len();
        read(&mut client, &mut received, |seen| seen.len() > before).await;
        let (_, last) = received.last_key_value().unwrap();
        count += usize::from(is_result(&serde_json::from_str(last).unwrap()));
    }
    engine.signal(libc::SIGTERM);
    assert!(engine.end().success());

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
    assert!(worked.count() > KILLS / 2, "kills come under load");
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
