//! What an operator sees on `/metrics` is fed by what happens, under either driver.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use contracts::reason::Latch;
use engine::core::Input;
use testkit::guard::HangGuard;
use testkit::market::{Market, MarketSpec};
use tokio::runtime::Runtime;

use super::client::is_result;
use super::faults::live_with;
use super::place::TOKEN;
use super::{Client, Place};

/// The page, as a scraper with a token gets it.
fn page(address: SocketAddr) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    let request = format!(
        "GET /metrics HTTP/1.1\r\nhost: engine\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).unwrap();
    let mut page = String::new();
    socket.read_to_string(&mut page).unwrap();
    page
}

/// The sum of all samples whose line begins with `sample`.
fn value(page: &str, sample: &str) -> f64 {
    let lines = page.lines().filter(|line| line.starts_with(sample));
    lines
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

/// Scrapes until the sample has this value.
fn until(address: SocketAddr, sample: &str, wanted: f64) {
    let _guard = HangGuard::new(format!("{sample} {wanted}"));
    while value(&page(address), sample).to_bits() != wanted.to_bits() {
        std::thread::yield_now();
    }
}

fn everything_is_fed(driver: &'static str, shards: &'static str) {
    let market = Market::generate(&MarketSpec::many(21, 2, 12));
    let total: usize = market.bars.iter().map(Vec::len).sum();
    let place = Place::new(market, "technical_8").set("", driver).set("", shards);
    let (_feed, url) = place.feed();
    let live = live_with(&place, &url, |_| {});
    let runtime = Runtime::new().unwrap();
    let mut client = runtime.block_on(async {
        let mut client = Client::connect(live.address(), Some((1, 1))).await;
        for _ in 0..total {
            client.until("a result", is_result).await;
        }
        client
    });
    let address = live.address();
    until(address, "engine_swap_attempts_total{outcome=\"serving\"}", 1.0);
    place.contract(8, 2_000);
    live.look_for_contract();
    runtime.block_on(client.until("the swap", |message| {
        message["type"] == "model_swapped" && message["generation"] == 2_000
    }));
    until(address, "engine_swap_attempts_total{outcome=\"serving\"}", 2.0);
    std::fs::write(place.path("contract/contract.json"), b"{}").unwrap();
    live.look_for_contract();
    until(address, "engine_swap_attempts_total{outcome=\"refused\"}", 1.0);
    let halt = live.control().submit(Input::Halt { latch: Latch::Local });
    halt.unwrap().wait_blocking().unwrap();

    let page = page(address);
    assert_eq!(value(&page, "engine_bars_accepted_total"), total as f64);
    let results = value(&page, "engine_signals_total") + value(&page, "engine_withheld_total");
    assert_eq!(results, total as f64);
    for sample in [
        "engine_bars_total",
        "engine_signals_total",
        "engine_withheld_total{reason=\"warming\"}",
        "engine_batches_total",
        "engine_feed_connections_total",
        "engine_feed_connected",
        "engine_next_seq",
        "engine_journal_bytes_total",
        "engine_signal_clients",
        "engine_swaps_adopted_total",
        "engine_halted{latch=\"local\"}",
        "engine_latency_seconds_count{stage=\"received_to_decided\"}",
        "engine_latency_seconds_count{stage=\"received_to_written\"}",
        "engine_latency_seconds_count{stage=\"step\"}",
        "engine_latency_seconds_count{stage=\"journal_write\"}",
        "engine_latency_seconds_count{stage=\"journal_sync\"}",
    ] {
        assert!(value(&page, sample) > 0.0, "{sample} is 0:\n{page}");
    }
    let running = page
        .lines()
        .find(|line| line.starts_with("engine_contract_info{"));
    let running = running.unwrap();
    for label in ["generation=\"2000\"", "origin=\"local\"", "executor=\"dense\""] {
        assert!(running.contains(label), "{running}");
    }
    assert!(!running.contains("contract=\"\""), "{running}");
    assert_eq!(value(&page, "engine_journal_torn_bytes"), 0.0);
    drop(client);
    live.stop().unwrap();
}

#[test]
fn everything_is_fed_under_the_inline_driver() {
    everything_is_fed("driver = \"inline\"", "shards = 1");
}

#[test]
fn everything_is_fed_under_the_pipeline_driver() {
    everything_is_fed("driver = \"pipeline\"", "shards = 2");
}

#[test]
fn a_torn_tail_is_on_the_page() {
    let market = Market::generate(&MarketSpec::many(21, 1, 2));
    let place = Place::new(market, "technical_8");
    let (_feed, url) = place.feed();
    live_with(&place, &url, |_| {}).stop().unwrap();
    let files = std::fs::read_dir(place.path("journal")).unwrap().flatten();
    let mut segments: Vec<_> = files
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|end| end == "seg"))
        .collect();
    segments.sort();
    let last = std::fs::OpenOptions::new()
        .append(true)
        .open(segments.last().unwrap());
    last.unwrap().write_all(&[7; 11]).unwrap();
    let live = live_with(&place, &url, |_| {});
    assert_eq!(value(&page(live.address()), "engine_journal_torn_bytes"), 11.0);
    live.stop().unwrap();
}
