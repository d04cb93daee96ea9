//! Alpaca bars v2: one-minute bars, final by construction, stamped at the start; late trades come again as `updatedBars`.

use contracts::time::{UnixNanos, UtcMillis};
use serde::Deserialize;

use super::fields::{Decimal, Prices, Text, candle, each, instant_ms, read};
use super::{After, Codec, DecodeError, Decoded, Finality, Source, Width};
use crate::feeds::credentials::Credentials;
use crate::feeds::event::FeedRefusal;
use crate::feeds::symbols::SymbolTable;

/// See the module.
pub(super) struct Alpaca {
    symbols: SymbolTable,
    credentials: Credentials,
    /// Known to the source, and not yet subscribed.
    admitted: bool,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "T")]
    kind: Text<'a>,
    #[serde(borrow, default, rename = "S")]
    symbol: Option<Text<'a>>,
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
    #[serde(borrow, default)]
    t: Option<Text<'a>>,
    #[serde(default)]
    code: Option<i64>,
    #[serde(borrow, default)]
    msg: Option<Text<'a>>,
    /// Of a `subscription`: the symbols whose bars will come.
    #[serde(borrow, default)]
    bars: Option<Vec<Text<'a>>>,
}

impl Alpaca {
    pub(super) fn new(symbols: SymbolTable, credentials: Credentials) -> Self {
        Self {
            symbols,
            credentials,
            admitted: false,
        }
    }

    fn bar(&self, item: &Item<'_>, finality: Finality) -> Result<Decoded, DecodeError> {
        let incomplete = || DecodeError::shape(Source::Alpaca, "a bar needs S, o, h, l, c, v and t");
        let symbol = item.symbol.as_ref().ok_or_else(incomplete)?;
        let prices = Prices {
            open: item.o.ok_or_else(incomplete)?,
            high: item.h.ok_or_else(incomplete)?,
            low: item.l.ok_or_else(incomplete)?,
            close: item.c.ok_or_else(incomplete)?,
            volume: item.v.ok_or_else(incomplete)?,
        };
        let start = item.t.as_ref().ok_or_else(incomplete)?;
        let start = UtcMillis::parse(&start.0)
            .map_err(|_| DecodeError::shape(Source::Alpaca, "`t` is no instant"))?;
        let instrument = self.symbols.instrument(&symbol.0);
        Ok(candle(
            instrument,
            Width::Minute,
            finality,
            instant_ms(start.0),
            prices,
        ))
    }

    /// What was asked for and will not come is an error of the subscription.
    fn subscribed(&self, bars: &[Text<'_>]) -> Result<(), DecodeError> {
        let missing: Vec<_> = self
            .symbols
            .vendors()
            .filter(|vendor| bars.iter().all(|symbol| symbol.0 != **vendor))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let detail = format!("no bars will come of {}", missing.join(", "));
        Err(DecodeError::refused(Source::Alpaca, "subscription", &detail))
    }

    fn item(&mut self, item: &Item<'_>) -> Result<Option<Decoded>, DecodeError> {
        let said = item.msg.as_ref().map_or("", |msg| &msg.0);
        match &*item.kind.0 {
            "b" => self.bar(item, Finality::Final).map(Some),
            "u" => self.bar(item, Finality::Correction).map(Some),
            "d" => Err(DecodeError::interval(Source::Alpaca, "1d")),
            "error" => {
                let code = item.code.unwrap_or_default().to_string();
                Err(DecodeError::refused(Source::Alpaca, &code, said))
            }
            "success" => {
                self.admitted |= said == "authenticated";
                Ok(None)
            }
            "subscription" => self
                .subscribed(item.bars.as_deref().unwrap_or_default())
                .map(|()| None),
            _ => Ok(Some(Decoded::ignored(FeedRefusal::UnknownKind))),
        }
    }
}

impl Codec for Alpaca {
    fn subscribe(&self, _after: &After) -> Vec<String> {
        let Credentials { key, secret } = &self.credentials;
        vec![serde_json::json!({"action": "auth", "key": key, "secret": secret}).to_string()]
    }

    fn due(&mut self) -> Vec<String> {
        if !std::mem::take(&mut self.admitted) {
            return Vec::new();
        }
        let symbols: Vec<_> = self.symbols.vendors().collect();
        vec![serde_json::json!({"action": "subscribe", "bars": symbols, "updatedBars": symbols}).to_string()]
    }

    fn decode(
        &mut self,
        text: &str,
        _received_at: UnixNanos,
        out: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        let items: Vec<Item<'_>> = read(Source::Alpaca, text)?;
        each(items, out, |item| self.item(&item))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, ignored};
    use super::*;
    use contracts::ids::InstrumentId;

    fn bar(kind: &str, symbol: &str) -> String {
        format!(
            r#"[{{"T":"{kind}","S":"{symbol}","o":3.5,"h":4.125,"l":3.0625,"c":3.25,"v":17.5,"t":"2023-11-14T22:15:00Z","n":5,"vw":3.4}}]"#
        )
    }

    #[test]
    fn bars_are_final_updates_are_corrections_and_days_are_refused() {
        let read = |text: &str| testing::decode(Source::Alpaca, "SPY", text);
        let at = |finality| testing::candle(Width::Minute, finality, 1_700_000_100_000);
        assert_eq!(read(&bar("b", "SPY")).unwrap(), [at(Finality::Final)]);
        assert_eq!(read(&bar("u", "SPY")).unwrap(), [at(Finality::Correction)]);
        assert_eq!(
            read(&bar("b", "QQQ")).unwrap(),
            [ignored(FeedRefusal::UnknownInstrument)]
        );
        assert!(read(&bar("d", "SPY")).unwrap_err().to_string().contains("`1d`"));
        assert_eq!(
            read(r#"[{"T":"success","msg":"connected"},{"T":"subscription","bars":["SPY"]}]"#).unwrap(),
            []
        );
        let partly = read(r#"[{"T":"subscription","trades":[],"bars":["QQQ"]}]"#).unwrap_err();
        assert!(partly.to_string().contains("SPY"), "{partly}");
        let error = read(r#"[{"T":"error","code":402,"msg":"auth failed"}]"#).unwrap_err();
        assert!(error.to_string().contains("402"), "{error}");
        assert_eq!(
            read(r#"[{"T":"b","S":"SPY"}]"#).unwrap_err().reason(),
            FeedRefusal::Malformed
        );
    }

    #[test]
    fn it_subscribes_when_it_has_been_admitted_and_once() {
        let name = InstrumentId::parse("SPY").unwrap();
        let credentials = Credentials {
            key: "k".to_owned(),
            secret: "s".to_owned(),
        };
        let mut codec = Alpaca::new(SymbolTable::plain(&[name], &[]).unwrap(), credentials);
        assert_eq!(
            codec.subscribe(&[]),
            [r#"{"action":"auth","key":"k","secret":"s"}"#]
        );
        let mut say = |text: &str| {
            codec.decode(text, UnixNanos(0), &mut Vec::new()).ok();
            codec.due()
        };
        assert!(say(r#"[{"T":"success","msg":"connected"}]"#).is_empty());
        assert!(say(r#"[{"T":"error","code":402,"msg":"auth failed"}]"#).is_empty());
        let asked = say(r#"[{"T":"success","msg":"authenticated"}]"#);
        assert_eq!(
            asked,
            [r#"{"action":"subscribe","bars":["SPY"],"updatedBars":["SPY"]}"#]
        );
        assert!(say(&bar("b", "SPY")).is_empty());
    }

    #[test]
    fn one_bad_item_costs_only_itself() {
        let (good, bad) = (bar("b", "SPY"), bar("d", "SPY"));
        let inner = |text: &str| text[1..text.len() - 1].to_owned();
        let text = format!(
            "[{},{},{},{}]",
            inner(&bad),
            inner(&good),
            inner(&bad),
            inner(&good)
        );
        let name = InstrumentId::parse("SPY").unwrap();
        let mut out = Vec::new();
        let mut codec = Alpaca::new(SymbolTable::plain(&[name], &[]).unwrap(), Credentials::default());
        let error = codec.decode(&text, UnixNanos(0), &mut out).unwrap_err();
        assert_eq!(error.reason(), FeedRefusal::WrongInterval);
        let candle = testing::candle(Width::Minute, Finality::Final, 1_700_000_100_000);
        assert_eq!(out, [candle, ignored(FeedRefusal::WrongInterval), candle]);
    }
}
