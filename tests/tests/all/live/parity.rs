//! Three processes and a file: `engine run` fed over its WebSocket by `engine feed`, against `engine replay` of what was served.

use std::process::Command;

use contracts::bar::Bar;
use contracts::ids::InstrumentId;
use contracts::time::UtcMillis;
use testkit::guard::HangGuard;
use testkit::market::{MacroPoint, Market, MarketSpec};
use testkit::process::binary;
use testkit::{shared, test_name};

use super::client::is_result;
use super::{Client, Heard, Place};
use crate::parity::{bars_of, daily_of, timeless};

const FEATURES: &str = "usdcop_15";

/// What `engine replay` writes for the files the feed serves.
fn replayed(place: &Place) -> Vec<String> {
    let mut command = Command::new(binary("engine"));
    command.arg("replay");
    command
        .arg("--contract")
        .arg(place.path("contract/contract.json"));
    command.arg("--artifacts").arg(place.path("contract/artifacts"));
    for (bars, name) in place.files.bars.iter().zip(&place.market.instruments) {
        command.arg("--bars").arg(bars);
        command.args(["--instrument", name.as_str()]);
    }
    command.arg("--macro").arg(&place.files.macros);
    command.args(["--stamp", "close", "--out", "-"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Every published message of `engine run`, from the first to its orderly end.
async fn published(place: &Place) -> Vec<String> {
    let total: usize = place.market.bars.iter().map(Vec::len).sum();
    let (_feed, url) = place.feed();
    let (engine, address) = place.engine(&url, "journal");
    let mut client = Client::connect(address, Some((1, 1))).await;
    let (mut texts, mut results) = (Vec::new(), 0);
    while let Heard::Message(message, text) = client.next().await {
        assert_ne!(message["refill"], false, "{text}");
        if message["seq"].is_u64() {
            results += usize::from(is_result(&message));
            texts.push(text);
            if results == total {
                results += 1;
                engine.signal(libc::SIGTERM);
            }
        }
    }
    assert!(engine.end().success());
    texts
}

async fn parity(market: Market) {
    let mut place = Place::new(market, FEATURES);
    let expected = replayed(&place);
    let signals = expected
        .iter()
        .filter(|text| text.contains("\"type\":\"signal\""));
    let (signals, bars) = (signals.count(), place.market.bars[0].len());
    assert!(
        signals * 4 > bars,
        "{signals} signals of {bars} bars show too little"
    );
    for driver in ["driver = \"inline\"", "driver = \"pipeline\""] {
        place = place.set("", driver);
        let seen = published(&place).await;
        for (seen, expected) in seen.iter().zip(&expected) {
            assert_eq!(timeless(seen), timeless(expected), "{driver}");
        }
        assert_eq!(seen.len(), expected.len(), "{driver}: the number of messages");
        place = place.unset(driver);
        std::fs::remove_dir_all(place.path("journal")).unwrap();
    }
}

#[tokio::test]
async fn a_real_month_served_by_the_feed_is_its_replay() {
    let test = test_name!();
    let (Some(bars), Some(daily)) = (
        shared::shared_file(test, "usdcop_5m.csv.gz"),
        shared::shared_file(test, "macro_daily.csv"),
    ) else {
        return;
    };
    let _guard = HangGuard::lasting(test, std::time::Duration::from_secs(600));
    let (from, to) = ("2025-09-01T00:00:00Z", "2025-10-01T00:00:00Z");
    let (from, to) = (UtcMillis::parse(from).unwrap(), UtcMillis::parse(to).unwrap());
    let month: Vec<Bar> = bars_of(&bars)
        .into_iter()
        .filter(|bar| bar.close_time > from && bar.close_time <= to)
        .collect();
    let point = |(series, date, value)| MacroPoint { series, date, value };
    parity(Market {
        instruments: vec![InstrumentId::parse("USDCOP").unwrap()],
        bars: vec![month],
        macros: daily_of(&daily).into_iter().map(point).collect(),
    })
    .await;
}

#[tokio::test]
async fn a_generated_month_served_by_the_feed_is_its_replay() {
    let _guard = HangGuard::lasting(test_name!(), std::time::Duration::from_secs(600));
    parity(Market::generate(&MarketSpec::usdcop_like(17, "USDCOP", 30))).await;
}
