//! Polygon (Massive) minute aggregates: `CA` (FX), `AM` (stocks), `XA` (crypto); final by construction, stamped at the start.
//!
//! A symbol is written as it is subscribed, prefix included: `CA.USD-COP`, `AM.SPY`, `XA.BTC-USD`. Messages write the pair
//! with `/` or `-`.

use std::collections::HashMap;

use contracts::time::UnixNanos;
use serde::Deserialize;

use super::fields::{Decimal, Prices, Text, Whole, candle, each, instant_ms, interval_name, read};
use super::{After, Codec, DecodeError, Decoded, Finality, Source, Width};
use crate::core::input::InstrumentIndex;
use crate::feeds::credentials::Credentials;
use crate::feeds::event::FeedRefusal;
use crate::feeds::symbols::SymbolTable;
use crate::limits::MINUTE_MS;

/// See the module.
pub(super) struct Polygon {
    symbols: SymbolTable,
    by_topic: HashMap<String, InstrumentIndex>,
    credentials: Credentials,
    /// Known to the source, and not yet subscribed.
    admitted: bool,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    ev: Text<'a>,
    #[serde(borrow, default)]
    sym: Option<Text<'a>>,
    #[serde(borrow, default)]
    pair: Option<Text<'a>>,
    #[serde(default)]
    o: Option<Decimal>,
    #[serde(default)]
    h: Option<Decimal>,
    #[serde(default)]
    l: Option<Decimal>,
    #[serde(default)]
    c: Option<Decimal>,
    #[serde(default)]
    v: Option<Decimal>,
    #[serde(default)]
    s: Option<Whole>,
    #[serde(default)]
    e: Option<Whole>,
    #[serde(borrow, default)]
    status: Option<Text<'a>>,
    #[serde(borrow, default)]
    message: Option<Text<'a>>,
}

fn topic(text: &str) -> String {
    text.replace('/', "-")
}

impl Polygon {
    pub(super) fn new(symbols: SymbolTable, credentials: Credentials) -> Self {
        let by_topic = (0..)
            .zip(symbols.symbols())
            .map(|(position, symbol)| (topic(&symbol.vendor), InstrumentIndex(position)))
            .collect();
        Self {
            symbols,
            by_topic,
            credentials,
            admitted: false,
        }
    }

    fn minute(&self, item: &Item<'_>) -> Result<Decoded, DecodeError> {
        let incomplete = || {
            DecodeError::shape(
                Source::Polygon,
                "an aggregate needs sym or pair, o, h, l, c and s",
            )
        };
        let start = item.s.ok_or_else(incomplete)?.0;
        if let Some(end) = item.e {
            let length = end.0.saturating_sub(start);
            if length != MINUTE_MS {
                return Err(DecodeError::interval(Source::Polygon, &interval_name(length)));
            }
        }
        let name = item.sym.as_ref().or(item.pair.as_ref()).ok_or_else(incomplete)?;
        let prices = Prices {
            open: item.o.ok_or_else(incomplete)?,
            high: item.h.ok_or_else(incomplete)?,
            low: item.l.ok_or_else(incomplete)?,
            close: item.c.ok_or_else(incomplete)?,
            volume: item.v.unwrap_or(Decimal(0.0)),
        };
        let known = self.by_topic.get(&topic(&format!("{}.{}", item.ev.0, name.0)));
        let open_time = instant_ms(start);
        Ok(candle(
            known.copied(),
            Width::Minute,
            Finality::Final,
            open_time,
            prices,
        ))
    }

    fn item(&mut self, item: &Item<'_>) -> Result<Option<Decoded>, DecodeError> {
        match &*item.ev.0 {
            "CA" | "AM" | "XA" => self.minute(item).map(Some),
            "A" | "CAS" | "XAS" => Err(DecodeError::interval(Source::Polygon, "1s")),
            "status" => match item.status.as_ref().map_or("", |status| &status.0) {
                "connected" | "success" => Ok(None),
                "auth_success" => {
                    self.admitted = true;
                    Ok(None)
                }
                // auth_failed, auth_timeout, max_connections, error, and what will be thought of next.
                other => {
                    let detail = item.message.as_ref().map_or("", |message| &message.0);
                    Err(DecodeError::refused(Source::Polygon, other, detail))
                }
            },
            _ => Ok(Some(Decoded::ignored(FeedRefusal::UnknownKind))),
        }
    }
}

impl Codec for Polygon {
    fn subscribe(&self, _after: &After) -> Vec<String> {
        vec![serde_json::json!({"action": "auth", "params": self.credentials.key}).to_string()]
    }

    fn due(&mut self) -> Vec<String> {
        if !std::mem::take(&mut self.admitted) {
            return Vec::new();
        }
        let topics: Vec<_> = self.symbols.vendors().map(topic).collect();
        vec![serde_json::json!({"action": "subscribe", "params": topics.join(",")}).to_string()]
    }

    fn decode(
        &mut self,
        text: &str,
        _received_at: UnixNanos,
        out: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        let items: Vec<Item<'_>> = read(Source::Polygon, text)?;
        each(items, out, |item| self.item(&item))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, ignored};
    use super::*;
    use contracts::ids::InstrumentId;

    #[test]
    fn minutes_of_every_market_and_nothing_else() {
        let expected = [testing::candle(Width::Minute, Finality::Final, 1_700_000_100_000)];
        let item = |head: &str, tail: &str| {
            format!(r#"[{{{head},"o":3.5,"c":3.25,"h":4.125,"l":3.0625,"v":17.5,"s":1700000100000{tail}}}]"#)
        };
        for (symbol, head) in [
            ("CA.USD-COP", r#""ev":"CA","pair":"USD/COP""#),
            ("CA.USD/COP", r#""ev":"CA","pair":"USD-COP""#),
            ("AM.SPY", r#""ev":"AM","sym":"SPY""#),
            ("XA.BTC-USD", r#""ev":"XA","pair":"BTC-USD""#),
        ] {
            let seen = testing::decode(Source::Polygon, symbol, &item(head, r#","e":1700000160000"#));
            assert_eq!(seen.unwrap(), expected, "{symbol}");
        }
        let read = |text: &str| testing::decode(Source::Polygon, "AM.SPY", text);
        let seconds = read(&item(r#""ev":"AM","sym":"SPY""#, r#","e":1700000101000"#)).unwrap_err();
        assert!(seconds.to_string().contains("`1s`"), "{seconds}");
        assert!(
            read(&item(r#""ev":"A","sym":"SPY""#, ""))
                .unwrap_err()
                .to_string()
                .contains("`1s`")
        );
        let other = item(r#""ev":"AM","sym":"QQQ""#, "");
        assert_eq!(read(&other).unwrap(), [ignored(FeedRefusal::UnknownInstrument)]);
        let ok = r#"[{"ev":"status","status":"auth_success","message":"authenticated"}]"#;
        assert_eq!(read(ok).unwrap(), []);
        for status in ["auth_failed", "max_connections", "not_thought_of"] {
            let failed = format!(r#"[{{"ev":"status","status":"{status}","message":"why"}}]"#);
            assert_eq!(read(&failed).unwrap_err().reason(), FeedRefusal::SourceError);
        }
    }

    #[test]
    fn it_subscribes_when_it_has_been_admitted_and_once() {
        let name = InstrumentId::parse("CA.USD-COP").unwrap();
        let mut codec = Polygon::new(SymbolTable::plain(&[name], &[]).unwrap(), Credentials::default());
        let mut say = |text: &str| {
            codec.decode(text, UnixNanos(0), &mut Vec::new()).ok();
            codec.due()
        };
        assert!(
            say(r#"[{"ev":"status","status":"connected","message":"Connected Successfully"}]"#).is_empty()
        );
        let asked = say(r#"[{"ev":"status","status":"auth_success","message":"authenticated"}]"#);
        assert_eq!(asked, [r#"{"action":"subscribe","params":"CA.USD-COP"}"#]);
        assert!(
            say(r#"[{"ev":"status","status":"success","message":"subscribed to: CA.USD-COP"}]"#).is_empty()
        );
    }
}
