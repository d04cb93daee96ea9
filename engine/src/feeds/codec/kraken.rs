//! Kraken v2 `ohlc`: no final flag, so a candle is final when the next interval begins or grace has passed.
//!
//! Also read: the answer of the OHLC request, whose rows name no interval; it is taken from their spacing. Its last row is
//! the candle in progress, as everywhere at Kraken.

use std::collections::BTreeMap;
use std::fmt;

use contracts::time::{UnixNanos, UtcMillis};
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, SeqAccess, Visitor};

use super::fields::{Decimal, Prices, Text, Whole, candle, each, instant_ms, instant_s, interval_name, read};
use super::{After, Codec, DecodeError, Decoded, Finality, Source, Width};
use crate::feeds::event::{FeedEvent, FeedRefusal};
use crate::feeds::symbols::SymbolTable;
use crate::limits::MINUTE_MS;

/// See the module.
pub(super) struct Kraken {
    symbols: SymbolTable,
}

/// What tells messages apart; the payload is read once the channel is known.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, default)]
    channel: Option<Text<'a>>,
    #[serde(borrow, default)]
    method: Option<Text<'a>>,
    #[serde(default)]
    success: Option<bool>,
}

#[derive(Deserialize)]
struct Ohlc<'a> {
    #[serde(borrow)]
    data: Vec<Candle<'a>>,
}

#[derive(Deserialize)]
struct Candle<'a> {
    #[serde(borrow)]
    symbol: Text<'a>,
    interval: i64,
    #[serde(borrow)]
    interval_begin: Text<'a>,
    open: Decimal,
    high: Decimal,
    low: Decimal,
    close: Decimal,
    volume: Decimal,
}

#[derive(Deserialize)]
struct Refusal<'a> {
    #[serde(borrow, default)]
    error: Option<Text<'a>>,
}

/// `{"error":[…],"result":{"SYMBOL":[row, …],"last":…}}`
#[derive(Deserialize)]
struct Answer {
    error: Vec<String>,
    #[serde(default)]
    result: BTreeMap<String, Rows>,
}

/// time in seconds, open, high, low, close, vwap, volume, trades.
#[derive(Deserialize)]
struct Row(
    Whole,
    Decimal,
    Decimal,
    Decimal,
    Decimal,
    IgnoredAny,
    Decimal,
    IgnoredAny,
);

/// Rows, or the number under `last`.
#[derive(Default)]
struct Rows(Vec<Row>);

struct RowsVisitor;

impl<'de> Visitor<'de> for RowsVisitor {
    type Value = Rows;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows of eight, or the number under `last`")
    }
    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Rows, E> {
        Ok(Rows::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Rows, A::Error> {
        let mut rows = Vec::new();
        while let Some(row) = seq.next_element()? {
            rows.push(row);
        }
        Ok(Rows(rows))
    }
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RowsVisitor)
    }
}

impl Kraken {
    pub(super) fn new(symbols: SymbolTable) -> Self {
        Self { symbols }
    }

    fn ohlc(&self, text: &str, out: &mut Vec<Decoded>) -> Result<(), DecodeError> {
        let Ohlc { mut data } = read(Source::Kraken, text)?;
        // A snapshot holds many; only in order of time is each final because of the next. RFC 3339 sorts as text.
        data.sort_by(|a, b| a.interval_begin.0.cmp(&b.interval_begin.0));
        each(data, out, |c| {
            let length = c.interval.saturating_mul(MINUTE_MS);
            let width = Width::of_ms(length)
                .ok_or_else(|| DecodeError::interval(Source::Kraken, &interval_name(length)))?;
            let instrument = self.symbols.instrument(&c.symbol.0);
            let begin = UtcMillis::parse(&c.interval_begin.0)
                .map_err(|_| DecodeError::shape(Source::Kraken, "`interval_begin` is no instant"))?;
            let prices = Prices {
                open: c.open,
                high: c.high,
                low: c.low,
                close: c.close,
                volume: c.volume,
            };
            let open_time = instant_ms(begin.0);
            Ok(Some(candle(
                instrument,
                width,
                Finality::Unflagged,
                open_time,
                prices,
            )))
        })
    }

    fn answer(&self, text: &str, out: &mut Vec<Decoded>) -> Result<(), DecodeError> {
        let answer: Answer = read(Source::Kraken, text)?;
        if let Some(error) = answer.error.first() {
            return Err(DecodeError::refused(Source::Kraken, "OHLC", error));
        }
        for (symbol, Rows(rows)) in answer.result {
            if rows.is_empty() {
                continue;
            }
            let spacing = rows.windows(2).map(|w| w[1].0.0.saturating_sub(w[0].0.0)).min();
            let Some(spacing_s) = spacing else {
                return Err(DecodeError::shape(
                    Source::Kraken,
                    "a single row does not tell its interval",
                ));
            };
            let spacing_ms = spacing_s.saturating_mul(1_000);
            let Some(width) = Width::of_ms(spacing_ms) else {
                return Err(DecodeError::interval(Source::Kraken, &interval_name(spacing_ms)));
            };
            let instrument = self.symbols.instrument(&symbol);
            out.extend(rows.iter().map(|row| {
                let prices = Prices {
                    open: row.1,
                    high: row.2,
                    low: row.3,
                    close: row.4,
                    volume: row.6,
                };
                candle(instrument, width, Finality::Unflagged, instant_s(row.0.0), prices)
            }));
        }
        Ok(())
    }
}

impl Codec for Kraken {
    fn subscribe(&self, _after: &After) -> Vec<String> {
        let symbols: Vec<_> = self.symbols.vendors().collect();
        let params =
            serde_json::json!({"channel": "ohlc", "symbol": symbols, "interval": 5, "snapshot": true});
        vec![serde_json::json!({"method": "subscribe", "params": params}).to_string()]
    }

    fn decode(
        &mut self,
        text: &str,
        _received_at: UnixNanos,
        out: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        let kind: Kind<'_> = read(Source::Kraken, text)?;
        match (kind.channel, kind.method) {
            (Some(channel), _) => match &*channel.0 {
                "ohlc" => return self.ohlc(text, out),
                "heartbeat" => out.push(Decoded::Event(FeedEvent::Heartbeat)),
                "status" => {}
                _ => out.push(Decoded::ignored(FeedRefusal::UnknownKind)),
            },
            (None, Some(method)) if kind.success == Some(false) => {
                let refusal: Refusal<'_> = read(Source::Kraken, text)?;
                let detail = refusal.error.map_or_else(Default::default, |error| error.0);
                return Err(DecodeError::refused(Source::Kraken, &method.0, &detail));
            }
            (None, Some(_)) => {}
            (None, None) => return self.answer(text, out),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, ignored};
    use super::*;

    fn update(candles: &[(&str, i64, &str)]) -> String {
        let data: Vec<_> = candles
            .iter()
            .map(|(symbol, interval, begin)| {
                format!(
                    r#"{{"symbol":"{symbol}","open":3.5,"high":4.125,"low":3.0625,"close":3.25,"trades":4,"volume":17.5,"vwap":3.4,"interval_begin":"{begin}","interval":{interval},"timestamp":"2023-11-14T22:20:00.5Z"}}"#
                )
            })
            .collect();
        format!(
            r#"{{"channel":"ohlc","type":"update","data":[{}]}}"#,
            data.join(",")
        )
    }

    #[test]
    fn candles_come_unflagged_and_in_order_of_time() {
        let read = |text: &str| testing::decode(Source::Kraken, "SOL/EUR", text);
        let text = update(&[
            ("SOL/EUR", 5, "2023-11-14T22:20:00.000000000Z"),
            ("SOL/EUR", 5, "2023-11-14T22:15:00.000000000Z"),
            ("ADA/EUR", 5, "2023-11-14T22:25:00.000000000Z"),
        ]);
        let at = |ms| testing::candle(Width::FiveMinutes, Finality::Unflagged, ms);
        let expected = [
            at(1_700_000_100_000),
            at(1_700_000_400_000),
            ignored(FeedRefusal::UnknownInstrument),
        ];
        assert_eq!(read(&text).unwrap(), expected);
        let hour = read(&update(&[("SOL/EUR", 60, "2023-11-14T22:00:00Z")])).unwrap_err();
        assert!(hour.to_string().contains("`1h`"), "{hour}");
    }

    #[test]
    fn the_rest_of_the_protocol_is_understood() {
        let read = |text: &str| testing::decode(Source::Kraken, "SOL/EUR", text);
        assert_eq!(
            read(r#"{"channel":"heartbeat"}"#).unwrap(),
            [Decoded::Event(FeedEvent::Heartbeat)]
        );
        assert_eq!(
            read(r#"{"channel":"status","data":[{"system":"online"}]}"#).unwrap(),
            []
        );
        assert_eq!(
            read(r#"{"method":"subscribe","success":true,"result":{"channel":"ohlc"}}"#).unwrap(),
            []
        );
        let refused = read(r#"{"method":"subscribe","success":false,"error":"Currency pair not supported"}"#)
            .unwrap_err();
        assert_eq!(refused.reason(), FeedRefusal::SourceError);
    }

    #[test]
    fn rows_of_the_request_tell_their_interval_by_their_spacing() {
        let rows = |step: i64| {
            let row = |k: i64| {
                format!(
                    r#"[{},"3.5","4.125","3.0625","3.25","3.4","17.5",4]"#,
                    1_700_000_100 + k * step
                )
            };
            format!(
                r#"{{"error":[],"result":{{"SOLEUR":[{},{}],"last":1}}}}"#,
                row(0),
                row(1)
            )
        };
        let read = |text: &str| testing::decode(Source::Kraken, "SOLEUR", text);
        let at = |ms| testing::candle(Width::Minute, Finality::Unflagged, ms);
        assert_eq!(
            read(&rows(60)).unwrap(),
            [at(1_700_000_100_000), at(1_700_000_160_000)]
        );
        let day = read(&rows(86_400)).unwrap_err();
        assert!(day.to_string().contains("`1d`"), "{day}");
        let error = read(r#"{"error":["EQuery:Unknown asset pair"]}"#).unwrap_err();
        assert!(error.to_string().contains("Unknown asset pair"), "{error}");
    }
}
