//! Reading a native message in one pass, without allocating where the text has no escapes.
//!
//! All kinds share one flat set of optional fields; the kind then says which of them must be there. A derived tagged enum
//! would buffer every message first.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::{
    FeedMode, NativeBar, NativeFault, NativeGap, NativeHello, NativeMacro, NativeMessage, NativeTick, Speed,
};
use crate::time::{DayNumber, UtcMillis};

/// Longest `type` repeated in a message, in characters.
const KIND_CHARS_MAX: usize = 64;

/// Why a text is not a native message. The message is dropped and counted; the connection goes on.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// Not JSON, not an object, a known field of the wrong type, a field twice, a number beyond f64 (NaN included).
    #[error("not a native feed message: {0}")]
    Json(#[source] serde_json::Error),
    /// The kind needs a field that is absent or null.
    #[error("a `{kind}` message needs `{field}`")]
    Missing {
        /// The message's `type`.
        kind: &'static str,
        /// The absent field.
        field: &'static str,
    },
    /// A field holds a text that is not a time, a date or a known word.
    #[error("`{field}` of a `{kind}` message is `{text}`, which is not {expected}")]
    Field {
        /// The message's `type`.
        kind: &'static str,
        /// The field.
        field: &'static str,
        /// Its text, cut at 64 characters.
        text: String,
        /// What would have been accepted.
        expected: &'static str,
    },
}

/// A string, borrowed from the input unless it holds escapes. (serde's own `Option<Cow<str>>` always copies.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

pub(super) struct SpeedVisitor;

impl Visitor<'_> for SpeedVisitor {
    type Value = Speed;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number above 0, or \"max\"")
    }
    fn visit_f64<E: de::Error>(self, factor: f64) -> Result<Speed, E> {
        Speed::times(factor).ok_or_else(|| E::custom("a speed is above 0"))
    }
    #[expect(clippy::cast_precision_loss, reason = "no speed comes near 2^53")]
    fn visit_u64<E: de::Error>(self, factor: u64) -> Result<Speed, E> {
        self.visit_f64(factor as f64)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Speed, E> {
        if text == "max" {
            Ok(Speed::Max)
        } else {
            Err(E::custom("the only word for a speed is \"max\""))
        }
    }
}

/// Only the kind, for messages whose other fields are none of ours.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
}

/// Every field of every kind.
#[derive(Deserialize)]
struct Flat<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    instrument: Option<Text<'a>>,
    #[serde(borrow, default)]
    close_time: Option<Text<'a>>,
    #[serde(default)]
    open: Option<f64>,
    #[serde(default)]
    high: Option<f64>,
    #[serde(default)]
    low: Option<f64>,
    #[serde(default)]
    close: Option<f64>,
    #[serde(default)]
    volume: Option<f64>,
    #[serde(borrow, default)]
    series: Option<Text<'a>>,
    #[serde(borrow, default)]
    date: Option<Text<'a>>,
    #[serde(default)]
    value: Option<f64>,
    #[serde(borrow, default)]
    arrived_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    time: Option<Text<'a>>,
    #[serde(default)]
    price: Option<f64>,
    #[serde(borrow, default)]
    mode: Option<Text<'a>>,
    #[serde(default)]
    speed: Option<Speed>,
    #[serde(borrow, default)]
    from: Option<Text<'a>>,
    #[serde(borrow, default)]
    to: Option<Text<'a>>,
    #[serde(borrow, default)]
    code: Option<Text<'a>>,
    #[serde(borrow, default)]
    detail: Option<Text<'a>>,
}

/// Picks fields for one kind and names it when something is wrong.
struct Reader(&'static str);

impl Reader {
    fn need<T>(&self, field: &'static str, value: Option<T>) -> Result<T, NativeError> {
        value.ok_or(NativeError::Missing { kind: self.0, field })
    }

    fn text<'a>(&self, field: &'static str, value: Option<Text<'a>>) -> Result<Cow<'a, str>, NativeError> {
        Ok(self.need(field, value)?.0)
    }

    fn wrong(&self, field: &'static str, text: &str, expected: &'static str) -> NativeError {
        NativeError::Field {
            kind: self.0,
            field,
            text: text.chars().take(KIND_CHARS_MAX).collect(),
            expected,
        }
    }

    fn time(&self, field: &'static str, value: Option<Text<'_>>) -> Result<UtcMillis, NativeError> {
        let text = self.text(field, value)?;
        UtcMillis::parse(&text).map_err(|_| self.wrong(field, &text, "an RFC 3339 instant with an offset"))
    }
}

/// Reads one message.
///
/// # Errors
/// [`NativeError`] when a message of a known kind is not one; an unknown kind is [`NativeMessage::Unknown`].
pub fn parse(text: &str) -> Result<NativeMessage<'_>, NativeError> {
    let flat: Flat<'_> = match serde_json::from_str(text) {
        Ok(flat) => flat,
        // A kind of the future may use one of our field names for another type: that is no error of this version.
        Err(error) => {
            return match serde_json::from_str::<Kind<'_>>(text) {
                Ok(Kind { kind }) if !is_known(&kind.0) => Ok(unknown(&kind.0)),
                _ => Err(NativeError::Json(error)),
            };
        }
    };
    match &*flat.kind.0 {
        "bar" => bar(flat),
        "macro" => {
            let r = Reader("macro");
            let date = r.text("date", flat.date)?;
            Ok(NativeMessage::Macro(NativeMacro {
                series: r.text("series", flat.series)?,
                date: DayNumber::parse(&date)
                    .map_err(|_| r.wrong("date", &date, "a date such as 2026-01-02"))?,
                value: r.need("value", flat.value)?,
                arrived_at: match flat.arrived_at {
                    None => None,
                    some => Some(r.time("arrived_at", some)?),
                },
            }))
        }
        "tick" => {
            let r = Reader("tick");
            Ok(NativeMessage::Tick(NativeTick {
                instrument: r.text("instrument", flat.instrument)?,
                time: r.time("time", flat.time)?,
                price: r.need("price", flat.price)?,
            }))
        }
        "hello" => {
            let r = Reader("hello");
            let mode = r.text("mode", flat.mode)?;
            Ok(NativeMessage::Hello(NativeHello {
                mode: match &*mode {
                    "live" => FeedMode::Live,
                    "replay" => FeedMode::Replay,
                    other => return Err(r.wrong("mode", other, "`live` or `replay`")),
                },
                speed: flat.speed.unwrap_or_else(Speed::of_the_market),
            }))
        }
        "gap" => {
            let r = Reader("gap");
            let (from, to) = (r.time("from", flat.from)?, r.time("to", flat.to)?);
            if to < from {
                return Err(r.wrong("to", &to.to_string(), "at or after `from`"));
            }
            Ok(NativeMessage::Gap(NativeGap {
                instrument: r.text("instrument", flat.instrument)?,
                from,
                to,
            }))
        }
        "heartbeat" => Ok(NativeMessage::Heartbeat),
        "end" => Ok(NativeMessage::End),
        "error" => {
            let r = Reader("error");
            Ok(NativeMessage::Error(NativeFault {
                code: r.text("code", flat.code)?,
                detail: flat.detail.map_or(Cow::Borrowed(""), |detail| detail.0),
            }))
        }
        other => Ok(unknown(other)),
    }
}

fn bar(flat: Flat<'_>) -> Result<NativeMessage<'_>, NativeError> {
    let r = Reader("bar");
    Ok(NativeMessage::Bar(NativeBar {
        instrument: r.text("instrument", flat.instrument)?,
        close_time: r.time("close_time", flat.close_time)?,
        open: r.need("open", flat.open)?,
        high: r.need("high", flat.high)?,
        low: r.need("low", flat.low)?,
        close: r.need("close", flat.close)?,
        volume: flat.volume.unwrap_or(0.0),
    }))
}

fn is_known(kind: &str) -> bool {
    matches!(
        kind,
        "bar" | "macro" | "tick" | "hello" | "gap" | "heartbeat" | "end" | "error"
    )
}

fn unknown<'a>(kind: &str) -> NativeMessage<'a> {
    NativeMessage::Unknown {
        kind: Cow::Owned(kind.chars().take(KIND_CHARS_MAX).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BAR: &str = r#"{"type":"bar","instrument":"USDCOP","close_time":"2026-01-05T13:05:00Z","open":4100.5,"high":4101,"low":4099.25,"close":4100.75,"volume":12}"#;

    #[test]
    fn reads_what_the_design_shows() {
        let NativeMessage::Bar(bar) = parse(BAR).unwrap() else {
            panic!("a bar")
        };
        assert!(matches!(bar.instrument, Cow::Borrowed("USDCOP")));
        assert_eq!(bar.close_time.to_string(), "2026-01-05T13:05:00Z");
        assert_eq!(bar.volume.to_bits(), 12.0_f64.to_bits());
        let daily = parse(r#"{"type":"macro","series":"dxy","date":"2026-01-02","value":98.4}"#).unwrap();
        assert_eq!(
            daily,
            NativeMessage::Macro(NativeMacro {
                series: "dxy".into(),
                date: DayNumber(20_455),
                value: 98.4,
                arrived_at: None
            })
        );
        let hello = parse(r#"{"type":"hello","mode":"replay","speed":"max"}"#).unwrap();
        assert_eq!(
            hello,
            NativeMessage::Hello(NativeHello {
                mode: FeedMode::Replay,
                speed: Speed::Max
            })
        );
    }

    #[test]
    fn tolerates_the_future_and_any_order_of_fields() {
        let shuffled = BAR
            .replace(r#"{"type":"bar","#, "{")
            .replace('}', r#","type":"bar","new":[1,{}]}"#);
        assert_eq!(parse(&shuffled).unwrap(), parse(BAR).unwrap());
        assert_eq!(
            parse(r#"{"type":"depth","close_time":[5]}"#).unwrap(),
            NativeMessage::Unknown { kind: "depth".into() }
        );
        let without = BAR.replace(r#","volume":12"#, "");
        assert!(matches!(parse(&without), Ok(NativeMessage::Bar(bar)) if bar.volume == 0.0));
    }

    #[test]
    fn refuses_what_is_wrong_and_says_why() {
        let cases = [
            ("", "EOF"),
            ("[]", "not a native feed message"),
            ("{}", "missing field `type`"),
            (r#"{"type":"bar"}"#, "needs `instrument`"),
            (&BAR.replace("4101", "NaN"), "expected value"),
            (&BAR.replace("4101", "1e309"), "number out of range"),
            (&BAR.replace("4101", "\"4101\""), "invalid type: string"),
            (&BAR.replace("4101", "null"), "needs `high`"),
            (
                &BAR.replace("2026-01-05T13:05:00Z", "2026-01-05 13:05"),
                "not an RFC 3339",
            ),
            (
                &BAR.replace(r#""low""#, r#""high":1,"low""#),
                "duplicate field `high`",
            ),
            (&format!("{BAR}{BAR}"), "trailing characters"),
            (&BAR[..BAR.len() - 4], "EOF"),
            (r#"{"type":"hello","mode":"past"}"#, "`live` or `replay`"),
            (r#"{"type":"hello","mode":"live","speed":0}"#, "above 0"),
            (
                r#"{"type":"macro","series":"dxy","date":"2026-02-30","value":1}"#,
                "a date such as",
            ),
        ];
        for (text, expected) in cases {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    proptest! {
        #[test]
        fn printed_and_parsed_numbers_keep_their_bits(bits in prop::array::uniform5(any::<u64>()), ms in 0_i64..4_102_444_800_000) {
            let number = |k: usize| Some(f64::from_bits(bits[k])).filter(|x| x.is_finite()).unwrap_or(k as f64 / 3.0);
            let bar = crate::bar::Bar {
                close_time: UtcMillis(ms), open: number(0), high: number(1), low: number(2), close: number(3), volume: number(4),
            };
            let text = NativeMessage::Bar(NativeBar::new("BTC-USDT", &bar)).to_json().unwrap();
            let NativeMessage::Bar(back) = parse(&text).unwrap() else { panic!("{text}") };
            prop_assert!(back.bar().same_bits(&bar), "{}", text);
        }

        #[test]
        fn prices_of_seventeen_digits_keep_their_bits(mantissa in 10_000_000_000_000_000_u64..99_999_999_999_999_999, scale in 0_i32..17) {
            let text = format!("{}e-{scale}", mantissa);
            let price: f64 = text.parse().unwrap();
            let message = format!(r#"{{"type":"tick","instrument":"X","time":"2026-01-05T13:05:00Z","price":{text}}}"#);
            let NativeMessage::Tick(tick) = parse(&message).unwrap() else { panic!("{message}") };
            prop_assert_eq!(tick.price.to_bits(), price.to_bits());
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            if let Ok(message) = parse(&text) {
                let unknown = matches!(message, NativeMessage::Unknown { .. });
                prop_assert!(unknown || message.to_json().is_ok());
            }
        }
    }
}
