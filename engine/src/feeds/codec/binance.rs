//! Binance klines: `<symbol>@kline_5m` or `_1m`, closed when `k.x` is true; stamped at the open, numbers as strings.
//!
//! Also read: the rows of the klines request (twelve numbers each, as an array or as a `result`). They name neither symbol
//! nor interval: the interval is taken from their times, the symbol must be the only one.

use contracts::time::UnixNanos;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::fields::{Decimal, Prices, Text, Whole, candle, instant_ms, interval_name, read, width};
use super::{After, Codec, DecodeError, Decoded, Finality, Source, Width};
use crate::feeds::event::FeedRefusal;
use crate::feeds::symbols::SymbolTable;

/// See the module.
pub(super) struct Binance {
    symbols: SymbolTable,
}

#[derive(Deserialize)]
struct Message<'a> {
    /// The envelope of combined streams.
    #[serde(borrow, default)]
    data: Option<Event<'a>>,
    #[serde(borrow, default)]
    e: Option<Text<'a>>,
    #[serde(borrow, default)]
    k: Option<Kline<'a>>,
    #[serde(default)]
    result: Option<Vec<Row>>,
    #[serde(borrow, default)]
    error: Option<Fault<'a>>,
    /// An error without an envelope.
    #[serde(default)]
    code: Option<i64>,
    #[serde(borrow, default)]
    msg: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    e: Text<'a>,
    #[serde(borrow, default)]
    k: Option<Kline<'a>>,
}

#[derive(Deserialize)]
struct Kline<'a> {
    t: Whole,
    #[serde(borrow)]
    s: Text<'a>,
    #[serde(borrow)]
    i: Text<'a>,
    o: Decimal,
    c: Decimal,
    h: Decimal,
    l: Decimal,
    v: Decimal,
    x: bool,
}

#[derive(Deserialize)]
struct Fault<'a> {
    #[serde(default)]
    code: i64,
    #[serde(borrow)]
    msg: Text<'a>,
}

/// open time, open, high, low, close, volume, close time, and five that are not used.
#[derive(Deserialize)]
struct Row(
    Whole,
    Decimal,
    Decimal,
    Decimal,
    Decimal,
    Decimal,
    Whole,
    IgnoredAny,
    IgnoredAny,
    IgnoredAny,
    IgnoredAny,
    IgnoredAny,
);

impl Binance {
    pub(super) fn new(symbols: SymbolTable) -> Self {
        Self { symbols }
    }

    fn event(&self, kind: &str, kline: Option<Kline<'_>>) -> Result<Decoded, DecodeError> {
        let Some(k) = kline.filter(|_| kind == "kline") else {
            return Ok(Decoded::ignored(FeedRefusal::UnknownKind));
        };
        let width = width(Source::Binance, &k.i.0, "1m", "5m")?;
        let instrument = self.symbols.instrument(&k.s.0);
        if !k.x && instrument.is_some() {
            return Ok(Decoded::ignored(FeedRefusal::InProgress));
        }
        let prices = Prices {
            open: k.o,
            high: k.h,
            low: k.l,
            close: k.c,
            volume: k.v,
        };
        Ok(candle(
            instrument,
            width,
            Finality::Final,
            instant_ms(k.t.0),
            prices,
        ))
    }

    fn rows(&self, rows: &[Row], received_at: UnixNanos, out: &mut Vec<Decoded>) -> Result<(), DecodeError> {
        for row in rows {
            let (open_ms, end_ms) = (row.0.0, row.6.0.saturating_add(1));
            let length = end_ms.saturating_sub(open_ms);
            let Some(width) = Width::of_ms(length) else {
                return Err(DecodeError::interval(Source::Binance, &interval_name(length)));
            };
            let Some(instrument) = self.symbols.only() else {
                return Err(DecodeError::shape(
                    Source::Binance,
                    "kline rows name no symbol, and more than one is subscribed",
                ));
            };
            if end_ms > received_at.to_millis().0 {
                out.push(Decoded::ignored(FeedRefusal::InProgress));
                continue;
            }
            let prices = Prices {
                open: row.1,
                high: row.2,
                low: row.3,
                close: row.4,
                volume: row.5,
            };
            out.push(candle(
                Some(instrument),
                width,
                Finality::Final,
                instant_ms(open_ms),
                prices,
            ));
        }
        Ok(())
    }
}

impl Codec for Binance {
    fn subscribe(&self, _after: &After) -> Vec<String> {
        let params: Vec<_> = self
            .symbols
            .vendors()
            .map(|vendor| format!("{}@kline_5m", vendor.to_lowercase()))
            .collect();
        vec![serde_json::json!({"method": "SUBSCRIBE", "params": params, "id": 1}).to_string()]
    }

    fn decode(
        &mut self,
        text: &str,
        received_at: UnixNanos,
        out: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        if text.trim_start().starts_with('[') {
            let rows: Vec<Row> = read(Source::Binance, text)?;
            return self.rows(&rows, received_at, out);
        }
        let message: Message<'_> = read(Source::Binance, text)?;
        if let (Some(code), Some(msg)) = (message.code, &message.msg) {
            return Err(DecodeError::refused(Source::Binance, &code.to_string(), &msg.0));
        }
        if let Some(fault) = message.error {
            return Err(DecodeError::refused(
                Source::Binance,
                &fault.code.to_string(),
                &fault.msg.0,
            ));
        }
        if let Some(rows) = message.result {
            return self.rows(&rows, received_at, out);
        }
        match (message.data, message.e) {
            (Some(event), _) => out.push(self.event(&event.e.0, event.k)?),
            (None, Some(kind)) => out.push(self.event(&kind.0, message.k)?),
            // The answer to a subscription: `{"result":null,"id":1}`.
            (None, None) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, ignored};
    use super::*;

    fn kline(interval: &str, symbol: &str, open_ms: i64, closed: bool) -> String {
        format!(
            r#"{{"e":"kline","E":9,"s":"{symbol}","k":{{"t":{open_ms},"T":{},"s":"{symbol}","i":"{interval}","f":1,"L":2,"o":"3.5","c":"3.25","h":"4.125","l":"3.0625","v":"17.5","n":3,"x":{closed},"q":"1","V":"1","Q":"1","B":"0"}}}}"#,
            open_ms + 299_999
        )
    }

    #[test]
    fn a_closed_kline_is_a_candle_and_an_open_one_is_not() {
        let read = |text: &str| testing::decode(Source::Binance, "BTCUSDT", text);
        let expected = testing::candle(Width::FiveMinutes, Finality::Final, 1_700_000_100_000);
        let closed = kline("5m", "BTCUSDT", 1_700_000_100_000, true);
        assert_eq!(read(&closed).unwrap(), [expected]);
        let combined = format!(r#"{{"stream":"btcusdt@kline_5m","data":{closed}}}"#);
        assert_eq!(read(&combined).unwrap(), [expected]);
        let minute = testing::candle(Width::Minute, Finality::Final, 1_700_000_160_000);
        assert_eq!(
            read(&kline("1m", "BTCUSDT", 1_700_000_160_000, true)).unwrap(),
            [minute]
        );
        let open = kline("5m", "BTCUSDT", 1_700_000_100_000, false);
        assert_eq!(read(&open).unwrap(), [ignored(FeedRefusal::InProgress)]);
        let other = kline("5m", "ETHUSDT", 1_700_000_100_000, true);
        assert_eq!(read(&other).unwrap(), [ignored(FeedRefusal::UnknownInstrument)]);
        let off = kline("5m", "BTCUSDT", 1_700_000_100_001, true);
        assert_eq!(read(&off).unwrap(), [ignored(FeedRefusal::OffGrid)]);
        assert_eq!(read(r#"{"result":null,"id":1}"#).unwrap(), []);
    }

    #[test]
    fn other_intervals_are_refused_by_name() {
        let hour = testing::decode(Source::Binance, "BTCUSDT", &kline("1h", "BTCUSDT", 0, true));
        assert!(hour.unwrap_err().to_string().contains("`1h`"));
        let row = |open: i64, length: i64| {
            format!(
                r#"[[{open},"3.5","4.125","3.0625","3.25","17.5",{},"1",3,"1","1","0"]]"#,
                open + length - 1
            )
        };
        let week = testing::decode(Source::Binance, "BTCUSDT", &row(0, 604_800_000));
        assert!(week.unwrap_err().to_string().contains("`1w`"));
        let five = testing::decode(Source::Binance, "BTCUSDT", &row(1_700_000_100_000, 300_000));
        assert_eq!(
            five.unwrap(),
            [testing::candle(
                Width::FiveMinutes,
                Finality::Final,
                1_700_000_100_000
            )]
        );
    }

    #[test]
    fn an_error_answer_is_the_sources_refusal() {
        for text in [
            r#"{"error":{"code":2,"msg":"Invalid request"},"id":1}"#,
            r#"{"code":2,"msg":"Invalid request: unknown variant","id":1}"#,
        ] {
            let error = testing::decode(Source::Binance, "BTCUSDT", text).unwrap_err();
            assert_eq!(error.reason(), FeedRefusal::SourceError);
            assert!(error.to_string().contains("Invalid request"), "{error}");
        }
    }
}
