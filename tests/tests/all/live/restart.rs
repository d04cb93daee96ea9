//! An orderly end and what a client finds after it: the rest of the stream, or the names of what is gone.

use std::collections::BTreeMap;

use engine::core::record::Kind;
use testkit::guard::HangGuard;
use testkit::market::{Market, MarketSpec};

use super::client::is_result;
use super::journal::assert_no_holes;
use super::{Client, Heard, Place, journal};

/// Every numbered message up to `last`, and the ranges the engine says it no longer has.
async fn read_to(client: &mut Client, last: u64) -> (BTreeMap<u64, String>, Vec<(u64, u64)>) {
    let (mut got, mut missing) = (BTreeMap::new(), Vec::new());
    while got.last_key_value().is_none_or(|(seq, _)| *seq < last) {
        let Heard::Message(message, text) = client.next().await else {
            panic!("the stream ended before message {last}");
        };
        if message["type"] == "gap" && message["refill"] == false {
            missing.push((message["from"].as_u64().unwrap(), message["to"].as_u64().unwrap()));
        }
        if let Some(seq) = message["seq"].as_u64() {
            assert!(got.insert(seq, text).is_none(), "message {seq} came twice");
        }
    }
    (got, missing)
}

#[tokio::test]
async fn a_client_continues_across_a_restart_or_is_told_what_is_gone() {
    let market = Market::generate(&MarketSpec::many(33, 8, 12));
    let total: usize = market.bars.iter().map(Vec::len).sum();
    let place = Place::new(market, "technical_8").set("journal", "segment_bytes = 100000");
    let (_feed, url) = place.feed();
    let (engine, address) = place.engine(&url, "journal");
    let mut client = Client::connect(address, Some((1, 1))).await;
    for _ in 0..total {
        client.until("a result", is_result).await;
    }
    engine.signal(libc::SIGTERM);
    let code = loop {
        if let Heard::End(code) = client.next().await {
            break code;
        }
    };
    assert_eq!(code, Some(1001));
    assert!(engine.end().success());
    let dir = place.path("journal");
    let entries = journal(&dir);
    assert_eq!(entries.last().unwrap().kind, Kind::Stop);
    assert_no_holes(&entries);

    // Far older than the ring of 64: all of it comes from the journal, the same bytes.
    let place = place.set("signals", "ring_messages = 64");
    let (engine, address) = place.engine(&url, "journal");
    let mut client = Client::connect(address, Some((1, 1))).await;
    assert_eq!(client.epoch(), 1);
    // The contract is the one the journal knows: what runs is said after a restart too.
    let guard = HangGuard::new("a welcome that names the model");
    let welcome = loop {
        let welcome = Client::connect(address, None).await.welcome;
        if !welcome["generation"].is_null() {
            break welcome;
        }
    };
    drop(guard);
    assert_eq!(
        (&welcome["generation"], &welcome["origin"]),
        (&1_000.into(), &"local".into())
    );
    let last = client.welcome["next_seq"].as_u64().unwrap() - 1;
    let (got, missing) = read_to(&mut client, last).await;
    assert_eq!(missing, []);
    let kept: BTreeMap<u64, String> = journal(&dir)
        .into_iter()
        .filter(|entry| (1..=last).contains(&entry.seq))
        .map(|entry| (entry.seq, entry.text.unwrap()))
        .collect();
    assert_eq!(got, kept);
    engine.signal(libc::SIGTERM);
    assert!(engine.end().success());

    // With a retention that deletes: exactly the deleted range is named, the rest is whole.
    let place = place.set("journal", "retention_bytes = 400000");
    let (_engine, address) = place.engine(&url, "journal");
    let oldest = loop {
        let oldest = Client::connect(address, None).await.welcome["oldest_seq"]
            .as_u64()
            .unwrap();
        if oldest > 1 {
            break oldest;
        }
    };
    let mut client = Client::connect(address, Some((1, 1))).await;
    let (got, missing) = read_to(&mut client, last).await;
    assert_eq!(missing, [(1, oldest - 1)]);
    assert!(got.keys().copied().eq(oldest..=*got.last_key_value().unwrap().0));
    for (seq, text) in got.range(..=last) {
        assert_eq!(Some(text), kept.get(seq));
    }
}
