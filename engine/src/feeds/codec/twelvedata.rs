//! Twelve Data prices: ticks only, stamped in seconds; bars are aggregated here. The key is part of the request's
//! URL, put there by the client.

use std::time::Duration;

use contracts::time::UnixNanos;
use serde::Deserialize;

use super::fields::{Decimal, Text, Whole, instant_s, read};
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
    /// Absent in an error.
    #[serde(borrow, default)]
    event: Option<Text<'a>>,
    #[serde(borrow, default)]
    symbol: Option<Text<'a>>,
    #[serde(default)]
    timestamp: Option<Whole>,
    #[serde(default)]
    price: Option<Decimal>,
    #[serde(borrow, default)]
    status: Option<Text<'a>>,
    /// Why a request as a whole was refused.
    #[serde(borrow, default)]
    message: Option<Text<'a>>,
    /// The symbols that were refused: a name each, or an object with name, code and message.
    #[serde(default)]
    fails: Option<Vec<serde_json::Value>>,
}

impl TwelveData {
    pub(super) fn new(symbols: SymbolTable) -> Self {
        Self { symbols }
    }

    fn price(&self, message: &Message<'_>) -> Result<Decoded, DecodeError> {
        let (Some(symbol), Some(timestamp), Some(price)) =
            (&message.symbol, message.timestamp, message.price)
        else {
            return Err(DecodeError::shape(
                Source::TwelveData,
                "a price needs symbol, timestamp and price",
            ));
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

/// A refused symbol, and why where that is said.
fn failed(fail: &serde_json::Value) -> String {
    let symbol = fail.as_str().or_else(|| fail["symbol"].as_str()).unwrap_or("?");
    match fail["message"].as_str() {
        Some(why) => format!("{symbol} ({why})"),
        None => symbol.to_owned(),
    }
}

impl Codec for TwelveData {
    fn subscribe(&self, _after: &After) -> Vec<String> {
        let symbols: Vec<_> = self.symbols.vendors().collect();
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
        let message: Message<'_> = read(Source::TwelveData, text)?;
        let event = message.event.as_ref().map_or("", |event| &event.0);
        let refused = message.status.as_ref().is_some_and(|status| status.0 == "error");
        match event {
            "price" => out.push(self.price(&message)?),
            "heartbeat" | "heartbeat-status" => out.push(Decoded::Event(FeedEvent::Heartbeat)),
            "subscribe-status" => {
                let fails: Vec<_> = message.fails.iter().flatten().map(failed).collect();
                if refused || !fails.is_empty() {
                    return Err(DecodeError::refused(Source::TwelveData, event, &fails.join(", ")));
                }
            }
            _ if refused => {
                let detail = message.message.as_ref().map_or("", |message| &message.0);
                return Err(DecodeError::refused(Source::TwelveData, "error", detail));
            }
            "" => return Err(DecodeError::shape(Source::TwelveData, "it has no `event`")),
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
        let fails = read(fails).unwrap_err();
        assert_eq!(fails.reason(), FeedRefusal::SourceError);
        assert!(fails.to_string().contains("USD/XYZ"), "{fails}");
        let why = r#"{"event":"subscribe-status","status":"ok","fails":[{"symbol":"BAD","code":404,"message":"not found"}]}"#;
        assert!(read(why).unwrap_err().to_string().contains("BAD (not found)"));
        let taken =
            r#"{"event":"subscribe-status","status":"ok","success":[{"symbol":"USD/COP"}],"fails":null}"#;
        assert_eq!(read(taken).unwrap(), []);
        let key = r#"{"code":401,"message":"wrong key","status":"error"}"#;
        assert!(read(key).unwrap_err().to_string().contains("wrong key"));
        assert_eq!(read("{}").unwrap_err().reason(), FeedRefusal::Malformed);
        assert_eq!(
            read(r#"{"event":"price","symbol":"USD/COP"}"#)
                .unwrap_err()
                .reason(),
            FeedRefusal::Malformed
        );
    }
}
