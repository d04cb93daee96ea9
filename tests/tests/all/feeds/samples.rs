//! Vendors' sample messages parse to the right bars, minutes aggregate, other intervals are refused by name. The twins on
//! messages of our own are the unit tests of each codec and `minutes_of_every_kind_aggregate` below.

use contracts::bar::Bar;
use contracts::ids::InstrumentId;
use contracts::time::{UnixNanos, UtcMillis};
use engine::feeds::codec::DecodeError;
use engine::feeds::decoder::FeedDecoder;
use engine::feeds::symbols::{Symbol, SymbolTable};
use engine::feeds::{FeedEvent, FeedRefusal, Source};
use testkit::shared::shared_file;

/// Grace, in milliseconds.
const GRACE_MS: i64 = 2_000;

fn decoder(source: Source, vendor: &str) -> FeedDecoder {
    let symbol = Symbol {
        instrument: InstrumentId::parse("X").expect("a name"),
        vendor: vendor.into(),
    };
    FeedDecoder::new(
        source,
        SymbolTable::new(vec![symbol], Vec::new()).expect("one name"),
        GRACE_MS,
    )
}

/// Reads one message in the year 2030, then lets every grace pass.
fn events(source: Source, vendor: &str, texts: &[String]) -> Result<Vec<FeedEvent>, DecodeError> {
    let mut decoder = decoder(source, vendor);
    let mut out = Vec::new();
    let now = UnixNanos(1_900_000_000_000_000_000);
    for text in texts {
        decoder.text(text, now, &mut out)?;
    }
    decoder.poll(now, &mut out);
    Ok(out)
}

fn bars(events: &[FeedEvent]) -> Vec<Bar> {
    let bar = |event: &FeedEvent| match event {
        FeedEvent::Bar { bar, .. } => Some(*bar),
        _ => None,
    };
    events.iter().filter_map(bar).collect()
}

fn count(events: &[FeedEvent], reason: FeedRefusal) -> usize {
    let ignored = FeedEvent::Ignored { reason };
    events.iter().filter(|event| **event == ignored).count()
}

fn sample(test: &str, name: &str) -> Option<String> {
    let path = shared_file(test, &format!("feeds/{name}"))?;
    Some(std::fs::read_to_string(path).expect("a sample is text"))
}

fn at(time: &str) -> UtcMillis {
    UtcMillis::parse(time).expect("an instant")
}

#[test]
fn samples_with_a_final_flag() {
    let test = "samples_with_a_final_flag";
    let Some(closed) = sample(test, "binance_kline_closed.json") else {
        return;
    };
    let seen = events(Source::Binance, "BTCUSDT", &[closed]).unwrap();
    // One minute out of five, so four are missing when grace has passed.
    assert_eq!(count(&seen, FeedRefusal::MissingMinute), 4);
    let expected = Bar {
        close_time: at("2021-12-05T23:45:00Z"),
        open: 0.001,
        high: 0.0025,
        low: 0.001,
        close: 0.002,
        volume: 1_000.0,
    };
    assert_eq!(bars(&seen), [expected]);
    for (source, vendor, name) in [
        (Source::Binance, "BTCUSDT", "binance_kline_open.json"),
        (Source::Bybit, "BTCUSDT", "bybit_ws_kline_5m.json"),
    ] {
        let seen = events(source, vendor, &[sample(test, name).unwrap()]).unwrap();
        assert_eq!(count(&seen, FeedRefusal::InProgress), 1, "{name}");
        assert_eq!(bars(&seen), [], "{name}");
    }
    // The same message with its flag set.
    let bybit = sample(test, "bybit_ws_kline_5m.json").unwrap();
    let confirmed = bybit.replace("\"confirm\": false", "\"confirm\": true");
    let seen = events(Source::Bybit, "BTCUSDT", &[confirmed]).unwrap();
    let expected = Bar {
        close_time: at("2022-12-29T14:45:00Z"),
        open: 16_649.5,
        high: 16_677.0,
        low: 16_608.0,
        close: 16_677.0,
        volume: 2.081,
    };
    assert_eq!(bars(&seen), [expected]);
}

#[test]
fn samples_without_a_final_flag() {
    let test = "samples_without_a_final_flag";
    let Some(coinbase) = sample(test, "coinbase_ws_candles.json") else {
        return;
    };
    let expected = Bar {
        close_time: at("2026-04-07T00:35:00Z"),
        open: 68_900.0,
        high: 68_950.0,
        low: 68_850.0,
        close: 68_920.5,
        volume: 42.15,
    };
    let seen = events(Source::Coinbase, "BTC-USD", &[coinbase]).unwrap();
    assert_eq!(bars(&seen), [expected]);
    let beat = sample(test, "coinbase_ws_heartbeats.json").unwrap();
    assert_eq!(
        events(Source::Coinbase, "BTC-USD", &[beat]).unwrap(),
        [FeedEvent::Heartbeat]
    );
    let kraken = sample(test, "kraken_ws_v2_ohlc_update.json").unwrap();
    let seen = events(Source::Kraken, "BTC/USD", &[kraken]).unwrap();
    let expected = Bar {
        close_time: at("2023-10-04T16:30:00Z"),
        open: 106_038.2,
        high: 106_044.3,
        low: 106_038.1,
        close: 106_040.1,
        volume: 30_927.680_662_26,
    };
    assert_eq!(bars(&seen), [expected]);
}

#[test]
fn a_real_morning_of_minutes_aggregates() {
    let test = "a_real_morning_of_minutes_aggregates";
    let Some(text) = sample(test, "kraken_rest_ohlc.json") else {
        return;
    };
    // The same rows, read independently.
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = document["result"]["XBTUSDT"].as_array().unwrap();
    let number = |row: &serde_json::Value, k: usize| row[k].as_str().unwrap().parse::<f64>().unwrap();
    let mut expected: Vec<(i64, Vec<[f64; 5]>)> = Vec::new();
    for row in rows {
        let close = (row[0].as_i64().unwrap() / 300 + 1) * 300_000;
        let values = [1, 2, 3, 4, 6].map(|k| number(row, k));
        match expected.last_mut() {
            Some((last, minutes)) if *last == close => minutes.push(values),
            _ => expected.push((close, vec![values])),
        }
    }
    let seen = events(Source::Kraken, "XBTUSDT", &[text]).unwrap();
    let read = bars(&seen);
    assert_eq!(read.len(), expected.len());
    for (bar, (close, minutes)) in read.iter().zip(&expected) {
        assert_eq!(bar.close_time.0, *close);
        assert_eq!(bar.open, minutes[0][0]);
        assert_eq!(bar.high, minutes.iter().map(|m| m[1]).fold(f64::MIN, f64::max));
        assert_eq!(bar.low, minutes.iter().map(|m| m[2]).fold(f64::MAX, f64::min));
        assert_eq!(bar.close, minutes[minutes.len() - 1][3]);
        assert_eq!(bar.volume, minutes.iter().map(|m| m[4]).sum::<f64>());
    }
    let missing: usize = expected.iter().map(|(_, minutes)| 5 - minutes.len()).sum();
    assert_eq!(count(&seen, FeedRefusal::MissingMinute), missing);
}

#[test]
fn samples_of_other_intervals_are_refused_by_name() {
    let test = "samples_of_other_intervals_are_refused_by_name";
    for (source, vendor, name, interval) in [
        (Source::Okx, "BTC-USDT", "okx_ws_candle.json", "`1D`"),
        (Source::Binance, "BNBBTC", "binance_rest_klines.json", "`1w`"),
    ] {
        let Some(text) = sample(test, name) else {
            return;
        };
        let error = events(source, vendor, &[text]).unwrap_err();
        assert_eq!(error.reason(), FeedRefusal::WrongInterval);
        assert!(error.to_string().contains(interval), "{error}");
    }
}

/// One-minute messages of every source that has them, written from the schemas.
fn minutes(source: Source, open_ms: i64, price: f64) -> String {
    let (high, low) = (price + 2.0, price - 2.0);
    match source {
        Source::Binance => format!(
            r#"{{"e":"kline","s":"X","k":{{"t":{open_ms},"s":"X","i":"1m","o":"{price}","c":"{price}","h":"{high}","l":"{low}","v":"1.5","x":true}}}}"#
        ),
        Source::Bybit => format!(
            r#"{{"topic":"kline.1.X","data":[{{"start":{open_ms},"open":"{price}","close":"{price}","high":"{high}","low":"{low}","volume":"1.5","confirm":true}}]}}"#
        ),
        Source::Okx => format!(
            r#"{{"arg":{{"channel":"candle1m","instId":"X"}},"data":[["{open_ms}","{price}","{high}","{low}","{price}","1.5","0","0","1"]]}}"#
        ),
        Source::Kraken => format!(
            r#"{{"channel":"ohlc","type":"update","data":[{{"symbol":"X","interval":1,"interval_begin":"{}","open":{price},"close":{price},"high":{high},"low":{low},"volume":1.5}}]}}"#,
            UtcMillis(open_ms)
        ),
        Source::Alpaca => format!(
            r#"[{{"T":"b","S":"X","o":{price},"h":{high},"l":{low},"c":{price},"v":1.5,"t":"{}"}}]"#,
            UtcMillis(open_ms)
        ),
        Source::Polygon => format!(
            r#"[{{"ev":"AM","sym":"X","o":{price},"c":{price},"h":{high},"l":{low},"v":1.5,"s":{open_ms}}}]"#
        ),
        Source::TwelveData => {
            format!(
                r#"{{"event":"price","symbol":"X","timestamp":{},"price":{price}}}"#,
                open_ms / 1_000
            )
        }
        Source::Native => format!(
            r#"{{"type":"tick","instrument":"X","time":"{}","price":{price}}}"#,
            UtcMillis(open_ms)
        ),
        Source::Coinbase => unreachable!("five-minute buckets only"),
    }
}

#[test]
fn minutes_of_every_kind_aggregate() {
    let first = at("2026-01-05T13:00:00Z").0;
    for &source in Source::ALL.iter().filter(|source| **source != Source::Coinbase) {
        let vendor = if source == Source::Polygon { "AM.X" } else { "X" };
        let texts: Vec<_> = [4_100.0, 4_104.0, 4_096.5, 4_099.0, 4_101.25, 4_200.0]
            .iter()
            .zip(0..)
            .map(|(price, k)| minutes(source, first + k * 60_000, *price))
            .collect();
        let seen = events(source, vendor, &texts).unwrap();
        let read = bars(&seen);
        let ticks = matches!(source, Source::TwelveData | Source::Native);
        let (reach, volume) = if ticks { (0.0, 0.0) } else { (2.0, 7.5) };
        let expected = Bar {
            close_time: at("2026-01-05T13:05:00Z"),
            open: 4_100.0,
            high: 4_104.0 + reach,
            low: 4_096.5 - reach,
            close: 4_101.25,
            volume,
        };
        assert_eq!(read[0], expected, "{}", source.word());
        // The sixth minute is alone in its bar when grace passes.
        assert_eq!(read.len(), 2, "{}", source.word());
        assert_eq!(count(&seen, FeedRefusal::MissingMinute), 4, "{}", source.word());
    }
}
