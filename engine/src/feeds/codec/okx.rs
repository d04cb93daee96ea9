//! OKX business socket: channel `candle5m` or `candle1m`; rows of nine strings, the last of which is "1" when closed.

use std::time::Duration;

use contracts::time::UnixNanos;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::fields::{Decimal, Prices, Text, Whole, candle, each, instant_ms, read, width};
use super::{After, Codec, DecodeError, Decoded, Finality, Source};
use crate::feeds::event::{FeedEvent, FeedRefusal};
use crate::feeds::symbols::SymbolTable;

/// OKX hangs up after 30 s without a message.
const PING_EVERY: Duration = Duration::from_secs(20);

/// See the module.
pub(super) struct Okx {
    symbols: SymbolTable,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    arg: Option<Arg<'a>>,
    #[serde(borrow, default)]
    data: Option<Vec<Row<'a>>>,
    #[serde(borrow, default)]
    event: Option<Text<'a>>,
    #[serde(borrow, default)]
    code: Option<Text<'a>>,
    #[serde(borrow, default)]
    msg: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Arg<'a> {
    #[serde(borrow)]
    channel: Text<'a>,
    #[serde(borrow, rename = "instId", default)]
    instrument: Option<Text<'a>>,
}

/// time, open, high, low, close, volume, two other volumes, confirm.
#[derive(Deserialize)]
struct Row<'a>(
    Whole,
    Decimal,
    Decimal,
    Decimal,
    Decimal,
    Decimal,
    IgnoredAny,
    IgnoredAny,
    #[serde(borrow)] Text<'a>,
);

impl Okx {
    pub(super) fn new(symbols: SymbolTable) -> Self {
        Self { symbols }
    }

    fn rows(&self, arg: &Arg<'_>, rows: &[Row<'_>], out: &mut Vec<Decoded>) -> Result<(), DecodeError> {
        let Some(interval) = arg.channel.0.strip_prefix("candle") else {
            out.push(Decoded::ignored(FeedRefusal::UnknownKind));
            return Ok(());
        };
        let width = width(Source::Okx, interval, "1m", "5m")?;
        let named = arg.instrument.as_ref();
        let instrument = named.and_then(|name| self.symbols.instrument(&name.0));
        each(rows, out, |row| {
            let prices = Prices {
                open: row.1,
                high: row.2,
                low: row.3,
                close: row.4,
                volume: row.5,
            };
            match &*row.8.0 {
                "0" if instrument.is_some() => Ok(Some(Decoded::ignored(FeedRefusal::InProgress))),
                "0" | "1" => {
                    let open_time = instant_ms(row.0.0);
                    Ok(Some(candle(
                        instrument,
                        width,
                        Finality::Final,
                        open_time,
                        prices,
                    )))
                }
                _ => Err(DecodeError::shape(
                    Source::Okx,
                    "a candle's last element is neither \"0\" nor \"1\"",
                )),
            }
        })
    }
}

impl Codec for Okx {
    fn subscribe(&self, _after: &After) -> Vec<String> {
        let args: Vec<_> = self
            .symbols
            .vendors()
            .map(|vendor| serde_json::json!({"channel": "candle5m", "instId": vendor}))
            .collect();
        vec![serde_json::json!({"op": "subscribe", "args": args}).to_string()]
    }

    fn heartbeat(&self) -> Option<(Duration, &'static str)> {
        Some((PING_EVERY, "ping"))
    }

    fn decode(
        &mut self,
        text: &str,
        _received_at: UnixNanos,
        out: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        if text == "pong" {
            out.push(Decoded::Event(FeedEvent::Heartbeat));
            return Ok(());
        }
        let message: Message<'_> = read(Source::Okx, text)?;
        match (message.event, message.arg) {
            // The second: too many connections have this channel, so the subscription was not taken.
            (Some(event), _) if matches!(&*event.0, "error" | "channel-conn-count-error") => {
                Err(DecodeError::refused(
                    Source::Okx,
                    message.code.as_ref().map_or(&*event.0, |code| &code.0),
                    message.msg.as_ref().map_or("", |msg| &msg.0),
                ))
            }
            (Some(_), _) => Ok(()),
            (None, Some(arg)) => self.rows(&arg, &message.data.unwrap_or_default(), out),
            (None, None) => {
                out.push(Decoded::ignored(FeedRefusal::UnknownKind));
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Width;
    use super::super::testing::{self, ignored};
    use super::*;

    fn candles(channel: &str, open_ms: i64, confirm: &str) -> String {
        format!(
            r#"{{"arg":{{"channel":"{channel}","instId":"ETH-USDT"}},"data":[["{open_ms}","3.5","4.125","3.0625","3.25","17.5","1","1","{confirm}"]]}}"#
        )
    }

    #[test]
    fn reads_confirmed_candles_and_refuses_other_widths_by_name() {
        let read = |text: &str| testing::decode(Source::Okx, "ETH-USDT", text);
        let closed = candles("candle5m", 1_700_000_100_000, "1");
        let expected = testing::candle(Width::FiveMinutes, Finality::Final, 1_700_000_100_000);
        assert_eq!(read(&closed).unwrap(), [expected]);
        let open = candles("candle1m", 1_700_000_100_000, "0");
        assert_eq!(read(&open).unwrap(), [ignored(FeedRefusal::InProgress)]);
        let day = read(&candles("candle1D", 0, "1")).unwrap_err();
        assert!(day.to_string().contains("`1D`"), "{day}");
        assert_eq!(
            read(&candles("candle5m", 0, "yes")).unwrap_err().reason(),
            FeedRefusal::Malformed
        );
        assert_eq!(read("pong").unwrap(), [Decoded::Event(FeedEvent::Heartbeat)]);
        let error = read(r#"{"event":"error","code":"60012","msg":"Invalid request"}"#).unwrap_err();
        assert!(error.to_string().contains("60012"), "{error}");
        let crowded =
            r#"{"event":"channel-conn-count-error","channel":"candle5m","connCount":"31","connId":"a"}"#;
        assert_eq!(read(crowded).unwrap_err().reason(), FeedRefusal::SourceError);
        assert_eq!(
            read(r#"{"event":"subscribe","arg":{"channel":"candle5m","instId":"ETH-USDT"}}"#).unwrap(),
            []
        );
        let other = closed.replace("ETH-USDT", "XRP-USDT");
        assert_eq!(read(&other).unwrap(), [ignored(FeedRefusal::UnknownInstrument)]);
    }
}
