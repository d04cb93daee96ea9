//! Alpaca bars v2: one-minute bars, final by construction, stamped at the start; late trades come again as `updatedBars`.

use contracts::time::{UnixNanos, UtcMillis};
use serde::Deserialize;

use super::fields::{Decimal, Prices, Text, candle, instant_ms};
use super::{After, Codec, DecodeError, Decoded, Finality, Source, Width};
use crate::feeds::credentials::Credentials;
use crate::feeds::event::FeedRefusal;
use crate::feeds::symbols::SymbolTable;

/// See the module.
pub(super) struct Alpaca {
    symbols: SymbolTable,
    credentials: Credentials,
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
}

impl Alpaca {
    pub(super) fn new(symbols: SymbolTable, credentials: Credentials) -> Self {
        Self { symbols, credentials }
    }

    fn bar(&self, item: &Item<'_>, finality: Finality) -> Result<Decoded, DecodeError> {
        let incomplete = || DecodeError::Shape {
            from: Source::Alpaca,
            what: "a bar needs S, o, h, l, c, v and t",
        };
        let symbol = item.symbol.as_ref().ok_or_else(incomplete)?;
        let prices = Prices {
            open: item.o.ok_or_else(incomplete)?,
            high: item.h.ok_or_else(incomplete)?,
            low: item.l.ok_or_else(incomplete)?,
            close: item.c.ok_or_else(incomplete)?,
            volume: item.v.ok_or_else(incomplete)?,
        };
        let start = item.t.as_ref().ok_or_else(incomplete)?;
        let start = UtcMillis::parse(&start.0).map_err(|_| DecodeError::Shape {
            from: Source::Alpaca,
            what: "`t` is no instant",
        })?;
        Ok(match self.symbols.instrument(&symbol.0) {
            Some(instrument) => candle(instrument, Width::Minute, finality, instant_ms(start.0), prices),
            None => Decoded::ignored(FeedRefusal::UnknownInstrument),
        })
    }
}

impl Codec for Alpaca {
    fn subscribe(&self, _after: &After) -> Vec<String> {
        let symbols: Vec<_> = self.symbols.symbols().iter().map(|s| &*s.vendor).collect();
        let Credentials { key, secret } = &self.credentials;
        vec![
            serde_json::json!({"action": "auth", "key": key, "secret": secret}).to_string(),
            serde_json::json!({"action": "subscribe", "bars": symbols, "updatedBars": symbols}).to_string(),
        ]
    }

    fn decode(
        &mut self,
        text: &str,
        _received_at: UnixNanos,
        out: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        let items: Vec<Item<'_>> =
            serde_json::from_str(text).map_err(|error| DecodeError::json(Source::Alpaca, error))?;
        for item in items {
            match &*item.kind.0 {
                "b" => out.push(self.bar(&item, Finality::Final)?),
                "u" => out.push(self.bar(&item, Finality::Correction)?),
                "d" => return Err(DecodeError::interval(Source::Alpaca, "1d")),
                "error" => {
                    let code = item.code.unwrap_or_default().to_string();
                    let detail = item.msg.as_ref().map_or("", |msg| &msg.0);
                    return Err(DecodeError::refused(Source::Alpaca, &code, detail));
                }
                "success" | "subscription" => {}
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
        let error = read(r#"[{"T":"error","code":402,"msg":"auth failed"}]"#).unwrap_err();
        assert!(error.to_string().contains("402"), "{error}");
        assert_eq!(
            read(r#"[{"T":"b","S":"SPY"}]"#).unwrap_err().reason(),
            FeedRefusal::Malformed
        );
    }
}
