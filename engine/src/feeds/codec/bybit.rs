//! Bybit v5: topic `kline.5.SYMBOL` or `kline.1.SYMBOL`, closed when `confirm` is true; stamped at the open.

use std::time::Duration;

use contracts::time::UnixNanos;
use serde::Deserialize;

use super::fields::{Decimal, Prices, Text, Whole, candle, instant_ms, read, width};
use super::{After, Codec, DecodeError, Decoded, Finality, Source};
use crate::feeds::event::{FeedEvent, FeedRefusal};
use crate::feeds::symbols::SymbolTable;

/// Bybit hangs up on clients that send no ping for a while; its manual asks for one every 20 s.
const PING_EVERY: Duration = Duration::from_secs(20);

/// Bybit's spot socket refuses a request with more topics.
const TOPICS_PER_REQUEST: usize = 10;

/// See the module.
pub(super) struct Bybit {
    symbols: SymbolTable,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    topic: Option<Text<'a>>,
    #[serde(default)]
    data: Option<Vec<Kline>>,
    #[serde(borrow, default)]
    op: Option<Text<'a>>,
    #[serde(default)]
    success: Option<bool>,
    #[serde(borrow, default)]
    ret_msg: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Kline {
    start: Whole,
    open: Decimal,
    close: Decimal,
    high: Decimal,
    low: Decimal,
    volume: Decimal,
    confirm: bool,
}

impl Bybit {
    pub(super) fn new(symbols: SymbolTable) -> Self {
        Self { symbols }
    }

    fn topic(&self, topic: &str, klines: &[Kline], out: &mut Vec<Decoded>) -> Result<(), DecodeError> {
        let mut parts = topic.splitn(3, '.');
        let (Some("kline"), Some(interval), Some(symbol)) = (parts.next(), parts.next(), parts.next()) else {
            out.push(Decoded::ignored(FeedRefusal::UnknownKind));
            return Ok(());
        };
        let width = width(Source::Bybit, interval, "1", "5")?;
        let instrument = self.symbols.instrument(symbol);
        out.extend(klines.iter().map(|k| {
            if !k.confirm && instrument.is_some() {
                return Decoded::ignored(FeedRefusal::InProgress);
            }
            let prices = Prices {
                open: k.open,
                high: k.high,
                low: k.low,
                close: k.close,
                volume: k.volume,
            };
            candle(instrument, width, Finality::Final, instant_ms(k.start.0), prices)
        }));
        Ok(())
    }
}

impl Codec for Bybit {
    fn subscribe(&self, _after: &After) -> Vec<String> {
        let topics: Vec<_> = self
            .symbols
            .vendors()
            .map(|vendor| format!("kline.5.{vendor}"))
            .collect();
        topics
            .chunks(TOPICS_PER_REQUEST)
            .map(|args| serde_json::json!({"op": "subscribe", "args": args}).to_string())
            .collect()
    }

    fn heartbeat(&self) -> Option<(Duration, &'static str)> {
        Some((PING_EVERY, r#"{"op":"ping"}"#))
    }

    fn decode(
        &mut self,
        text: &str,
        _received_at: UnixNanos,
        out: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        let message: Message<'_> = read(Source::Bybit, text)?;
        if let Some(topic) = message.topic {
            return self.topic(&topic.0, &message.data.unwrap_or_default(), out);
        }
        let answer = message.ret_msg.map_or_else(Default::default, |text| text.0);
        let op = message.op.map_or_else(Default::default, |op| op.0);
        if message.success == Some(false) {
            return Err(DecodeError::refused(Source::Bybit, &op, &answer));
        }
        if op == "pong" || answer == "pong" {
            out.push(Decoded::Event(FeedEvent::Heartbeat));
        } else if op.is_empty() {
            out.push(Decoded::ignored(FeedRefusal::UnknownKind));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Width;
    use super::super::testing::{self, ignored};
    use super::*;
    use contracts::ids::InstrumentId;

    fn kline(interval: &str, start: i64, confirm: bool) -> String {
        format!(
            r#"{{"topic":"kline.{interval}.SOLUSDT","type":"snapshot","ts":5,"data":[{{"start":{start},"end":{},"interval":"{interval}","open":"3.5","high":"4.125","low":"3.0625","close":"3.25","volume":"17.5","turnover":"1","confirm":{confirm},"timestamp":5}}]}}"#,
            start + 1
        )
    }

    #[test]
    fn many_topics_are_asked_for_in_portions() {
        let names: Vec<_> = (0..25)
            .map(|k| InstrumentId::parse(&format!("I{k}")).unwrap())
            .collect();
        let texts = Bybit::new(SymbolTable::plain(&names, &[]).unwrap()).subscribe(&[]);
        let topics = texts.iter().map(|text| text.matches("kline.5.").count());
        assert_eq!(topics.collect::<Vec<_>>(), [10, 10, 5]);
    }

    #[test]
    fn reads_confirmed_klines_of_one_and_five_minutes() {
        let read = |text: &str| testing::decode(Source::Bybit, "SOLUSDT", text);
        for (interval, width) in [("5", Width::FiveMinutes), ("1", Width::Minute)] {
            let seen = read(&kline(interval, 1_700_000_100_000, true)).unwrap();
            assert_eq!(seen, [testing::candle(width, Finality::Final, 1_700_000_100_000)]);
        }
        assert_eq!(
            read(&kline("5", 1_700_000_100_000, false)).unwrap(),
            [ignored(FeedRefusal::InProgress)]
        );
        let error = read(&kline("60", 1_700_000_100_000, true)).unwrap_err();
        assert!(error.to_string().contains("`60`"), "{error}");
        assert_eq!(error.reason(), FeedRefusal::WrongInterval);
        let pong = r#"{"success":true,"ret_msg":"pong","conn_id":"x","op":"ping"}"#;
        assert_eq!(read(pong).unwrap(), [Decoded::Event(FeedEvent::Heartbeat)]);
        let refused = r#"{"success":false,"ret_msg":"no such topic","op":"subscribe"}"#;
        assert_eq!(read(refused).unwrap_err().reason(), FeedRefusal::SourceError);
    }
}
