//! Coinbase Advanced `candles`: five-minute buckets only, stamped at the start in seconds, no final flag.

use contracts::time::UnixNanos;
use serde::Deserialize;

use super::fields::{Decimal, Prices, Text, Whole, candle, instant_s, read};
use super::{After, Codec, DecodeError, Decoded, Finality, Source, Width};
use crate::feeds::event::{FeedEvent, FeedRefusal};
use crate::feeds::symbols::SymbolTable;

/// See the module.
pub(super) struct Coinbase {
    symbols: SymbolTable,
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, default)]
    channel: Option<Text<'a>>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    message: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Candles<'a> {
    #[serde(borrow)]
    events: Vec<Event<'a>>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    candles: Vec<Candle<'a>>,
}

#[derive(Deserialize)]
struct Candle<'a> {
    start: Whole,
    high: Decimal,
    low: Decimal,
    open: Decimal,
    close: Decimal,
    volume: Decimal,
    #[serde(borrow)]
    product_id: Text<'a>,
}

impl Coinbase {
    pub(super) fn new(symbols: SymbolTable) -> Self {
        Self { symbols }
    }

    fn candles(&self, text: &str, out: &mut Vec<Decoded>) -> Result<(), DecodeError> {
        let message: Candles<'_> = read(Source::Coinbase, text)?;
        for mut event in message.events {
            // A snapshot comes newest first; only in order of time is each final because of the next.
            event.candles.sort_by_key(|c| c.start.0);
            out.extend(event.candles.iter().map(|c| {
                let prices = Prices {
                    open: c.open,
                    high: c.high,
                    low: c.low,
                    close: c.close,
                    volume: c.volume,
                };
                let start = instant_s(c.start.0);
                let instrument = self.symbols.instrument(&c.product_id.0);
                candle(instrument, Width::FiveMinutes, Finality::Unflagged, start, prices)
            }));
        }
        Ok(())
    }
}

impl Codec for Coinbase {
    fn subscribe(&self, _after: &After) -> Vec<String> {
        let products: Vec<_> = self.symbols.vendors().collect();
        ["candles", "heartbeats"]
            .map(|channel| {
                serde_json::json!({"type": "subscribe", "product_ids": products, "channel": channel})
                    .to_string()
            })
            .to_vec()
    }

    fn decode(
        &mut self,
        text: &str,
        _received_at: UnixNanos,
        out: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        let kind: Kind<'_> = read(Source::Coinbase, text)?;
        if kind.kind.is_some_and(|kind| kind.0 == "error") {
            let detail = kind.message.map_or_else(Default::default, |message| message.0);
            return Err(DecodeError::refused(Source::Coinbase, "error", &detail));
        }
        match kind.channel.as_ref().map(|channel| &*channel.0) {
            Some("candles") => return self.candles(text, out),
            Some("heartbeats") => out.push(Decoded::Event(FeedEvent::Heartbeat)),
            Some("subscriptions") => {}
            Some(_) | None => out.push(Decoded::ignored(FeedRefusal::UnknownKind)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, ignored};
    use super::*;

    #[test]
    fn a_snapshot_is_put_in_order_and_nothing_is_final_by_itself() {
        let read = |text: &str| testing::decode(Source::Coinbase, "SOL-EUR", text);
        let one = |start: i64, product: &str| {
            format!(
                r#"{{"start":"{start}","high":"4.125","low":"3.0625","open":"3.5","close":"3.25","volume":"17.5","product_id":"{product}"}}"#
            )
        };
        let text = format!(
            r#"{{"channel":"candles","client_id":"","timestamp":"x","sequence_num":0,"events":[{{"type":"snapshot","candles":[{},{},{}]}}]}}"#,
            one(1_700_000_700, "DOT-EUR"),
            one(1_700_000_400, "SOL-EUR"),
            one(1_700_000_100, "SOL-EUR")
        );
        let at = |ms| testing::candle(Width::FiveMinutes, Finality::Unflagged, ms);
        let expected = [
            at(1_700_000_100_000),
            at(1_700_000_400_000),
            ignored(FeedRefusal::UnknownInstrument),
        ];
        assert_eq!(read(&text).unwrap(), expected);
        let off = text.replace("1700000100", "1700000101");
        assert_eq!(read(&off).unwrap()[0], ignored(FeedRefusal::OffGrid));
        let beat = r#"{"channel":"heartbeats","events":[{"current_time":"x","heartbeat_counter":1}]}"#;
        assert_eq!(read(beat).unwrap(), [Decoded::Event(FeedEvent::Heartbeat)]);
        let refused = read(r#"{"type":"error","message":"product not found"}"#).unwrap_err();
        assert!(refused.to_string().contains("product not found"));
    }
}
