//! Polygon (Massive) minute aggregates: `CA` (FX), `AM` (stocks), `XA` (crypto); final by construction, stamped at the start.
//!
//! A symbol is written as it is subscribed, prefix included: `CA.USD-COP`, `AM.SPY`, `XA.BTC-USD`. Messages write the pair
//! with `/` or `-`.

use std::collections::HashMap;

use contracts::time::UnixNanos;
use serde::Deserialize;

use super::fields::{Decimal, Prices, Text, Whole, candle, instant_ms, interval_name};
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
        }
    }

    fn minute(&self, item: &Item<'_>) -> Result<Decoded, DecodeError> {
        let incomplete = || DecodeError::Shape {
            from: Source::Polygon,
            what: "an aggregate needs sym or pair, o, h, l, c and s",
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
        Ok(
            known.map_or(Decoded::ignored(FeedRefusal::UnknownInstrument), |&instrument| {
                candle(
                    instrument,
                    Width::Minute,
                    Finality::Final,
                    instant_ms(start),
                    prices,
                )
            }),
        )
    }
}

impl Codec for Polygon {
    fn subscribe(&self, _after: &After) -> Vec<String> {
        let topics: Vec<_> = self.symbols.symbols().iter().map(|s| topic(&s.vendor)).collect();
        vec![
            serde_json::json!({"action": "auth", "params": self.credentials.key}).to_string(),
            serde_json::json!({"action": "subscribe", "params": topics.join(",")}).to_string(),
        ]
    }

    fn decode(
        &mut self,
        text: &str,
        _received_at: UnixNanos,
        out: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        let items: Vec<Item<'_>> =
            serde_json::from_str(text).map_err(|error| DecodeError::json(Source::Polygon, error))?;
        for item in items {
            match &*item.ev.0 {
                "CA" | "AM" | "XA" => out.push(self.minute(&item)?),
                "A" | "CAS" | "XAS" => return Err(DecodeError::interval(Source::Polygon, "1s")),
                "status" => {
                    let status = item.status.as_ref().map_or("", |status| &status.0);
                    if matches!(
                        status,
                        "auth_failed" | "error" | "max_connections" | "auth_timeout"
                    ) {
                        let detail = item.message.as_ref().map_or("", |message| &message.0);
                        return Err(DecodeError::refused(Source::Polygon, status, detail));
                    }
                }
                _ => out.push(Decoded::ignored(FeedRefusal::UnknownKind)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, ignored};
    use super::*;

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
        let failed = r#"[{"ev":"status","status":"auth_failed","message":"bad key"}]"#;
        assert_eq!(read(failed).unwrap_err().reason(), FeedRefusal::SourceError);
    }
}
