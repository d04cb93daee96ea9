//! Twelve Data prices: ticks only, stamped in seconds; bars are aggregated here. The key is part of the URL.

use std::time::Duration;

use contracts::time::UnixNanos;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::fields::{Decimal, Text, Whole, instant_s};
use super::{After, Codec, DecodeError, Decoded, Source};
use crate::feeds::event::{FeedEvent, FeedRefusal};
use crate::feeds::symbols::SymbolTable;

/// What its manual asks for.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct TwelveData {
    symbols: SymbolTable,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    event: Text<'a>,
    #[serde(borrow, default)]
    symbol: Option<Text<'a>>,
    #[serde(default)]
    timestamp: Option<Whole>,
    #[serde(default)]
    price: Option<Decimal>,
    #[serde(borrow, default)]
    status: Option<Text<'a>>,
    #[serde(default)]
    fails: Option<Vec<IgnoredAny>>,
}

impl TwelveData {
    pub(super) fn new(symbols: SymbolTable) -> Self {
        Self { symbols }
    }

    fn price(&self, message: &Message<'_>) -> Result<Decoded, DecodeError> {
        let (Some(symbol), Some(timestamp), Some(price)) =
            (&message.symbol, message.timestamp, message.price)
        else {
            return Err(DecodeError::Shape {
                from: Source::TwelveData,
                what: "a price needs symbol, timestamp and price",
            });
        };
        let Some(instrument) = self.symbols.instrument(&symbol.0) else {
            return Ok(Decoded::ignored(FeedRefusal::UnknownInstrument));
        };
        Ok(
            instant_s(timestamp.0).map_or(Decoded::ignored(FeedRefusal::OffGrid), |time| Decoded::Tick {
                instrument,
                time,
                price: price.0,
            }),
        )
    }
}

impl Codec for TwelveData {
    fn subscribe(&self, _after: &After) -> Vec<String> {
        let symbols: Vec<_> = self.symbols.symbols().iter().map(|s| &*s.vendor).collect();
        let params = serde_json::json!({"symbols": symbols.join(",")});
        vec![serde_json::json!({"action": "subscribe", "params": params}).to_string()]
    }

    fn heartbeat(&self) -> Option<(Duration, &'static str)> {
        Some((HEARTBEAT_EVERY, r#"{"action":"heartbeat"}"#))
    }

    fn decode(
        &mut self,
        text: &str,
        _received_at: UnixNanos,
        out: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        let message: Message<'_> =
            serde_json::from_str(text).map_err(|error| DecodeError::json(Source::TwelveData, error))?;
        match &*message.event.0 {
            "price" => out.push(self.price(&message)?),
            "heartbeat" | "heartbeat-status" => out.push(Decoded::Event(FeedEvent::Heartbeat)),
            "subscribe-status" => {
                let failed = message.fails.map_or(0, |fails| fails.len());
                let refused = message.status.is_some_and(|status| status.0 == "error");
                if failed > 0 || refused {
                    let detail = format!("{failed} symbols were refused");
                    return Err(DecodeError::refused(
                        Source::TwelveData,
                        "subscribe-status",
                        &detail,
                    ));
                }
            }
            _ => out.push(Decoded::ignored(FeedRefusal::UnknownKind)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, ignored};
    use super::*;
    use crate::core::input::InstrumentIndex;
    use contracts::time::UtcMillis;

    #[test]
    fn prices_are_ticks() {
        let read = |text: &str| testing::decode(Source::TwelveData, "USD/COP", text);
        let tick = Decoded::Tick {
            instrument: InstrumentIndex(0),
            time: UtcMillis(1_700_000_101_000),
            price: 4_100.25,
        };
        for text in [
            r#"{"event":"price","symbol":"USD/COP","timestamp":1700000101,"price":4100.25}"#,
            r#"{"event":"price","symbol":"USD/COP","currency":"COP","timestamp":"1700000101","price":"4100.25","bid":1}"#,
        ] {
            assert_eq!(read(text).unwrap(), [tick]);
        }
        let other = r#"{"event":"price","symbol":"EUR/USD","timestamp":1700000101,"price":1.1}"#;
        assert_eq!(read(other).unwrap(), [ignored(FeedRefusal::UnknownInstrument)]);
        let beat = r#"{"event":"heartbeat","status":"ok"}"#;
        assert_eq!(read(beat).unwrap(), [Decoded::Event(FeedEvent::Heartbeat)]);
        assert_eq!(
            read(r#"{"event":"welcome"}"#).unwrap(),
            [ignored(FeedRefusal::UnknownKind)]
        );
        let fails = r#"{"event":"subscribe-status","status":"ok","success":[],"fails":["USD/XYZ"]}"#;
        assert_eq!(read(fails).unwrap_err().reason(), FeedRefusal::SourceError);
        assert_eq!(
            read(r#"{"event":"price","symbol":"USD/COP"}"#)
                .unwrap_err()
                .reason(),
            FeedRefusal::Malformed
        );
    }
}
