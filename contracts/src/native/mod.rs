//! The native feed: what `engine feed` and a cooperating source send, and what a client asks of them.
//!
//! One JSON object per message, told apart by `type`. Reading is strict about what it knows (a missing, mistyped or
//! impossible field refuses the message) and tolerant of what it does not (further fields are skipped, an unknown `type`
//! is [`NativeMessage::Unknown`]), so that a newer source does not break an older engine. Numbers enter through
//! `serde_json` with `float_roundtrip`: printing and parsing gives the same bits.

mod doc;
mod parse;

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bar::Bar;
use crate::ids::InstrumentId;
use crate::time::{DayNumber, UtcMillis};

pub use doc::{client_examples, message_docs, render_markdown, server_examples};
pub use parse::{NativeError, Text, parse};

/// A closed five-minute bar.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct NativeBar<'a> {
    /// Whose.
    pub instrument: Cow<'a, str>,
    /// UTC close time, a multiple of five minutes.
    pub close_time: UtcMillis,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Traded volume; 0 where the message has none.
    #[schemars(default)]
    pub volume: f64,
}

impl<'a> NativeBar<'a> {
    /// The message for `bar` of `instrument`.
    #[must_use]
    pub fn new(instrument: &'a str, bar: &Bar) -> Self {
        Self {
            instrument: Cow::Borrowed(instrument),
            close_time: bar.close_time,
            open: bar.open,
            high: bar.high,
            low: bar.low,
            close: bar.close,
            volume: bar.volume,
        }
    }

    /// The bar without its instrument.
    #[must_use]
    pub const fn bar(&self) -> Bar {
        Bar {
            close_time: self.close_time,
            open: self.open,
            high: self.high,
            low: self.low,
            close: self.close,
            volume: self.volume,
        }
    }
}

/// A daily value of a macro series.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct NativeMacro<'a> {
    /// The series.
    pub series: Cow<'a, str>,
    /// Local observation date.
    pub date: DayNumber,
    /// The value.
    pub value: f64,
    /// When it arrived at the source, if the source knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrived_at: Option<UtcMillis>,
}

/// One price.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct NativeTick<'a> {
    /// Whose.
    pub instrument: Cow<'a, str>,
    /// When it was made.
    pub time: UtcMillis,
    /// The price.
    pub price: f64,
}

/// Bars the source no longer has.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct NativeGap<'a> {
    /// Whose.
    pub instrument: Cow<'a, str>,
    /// First missing close time.
    pub from: UtcMillis,
    /// Last missing close time.
    pub to: UtcMillis,
}

/// What the source is: the first message of a connection, in answer to the subscription.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct NativeHello {
    /// Live prices, or a file.
    pub mode: FeedMode,
    /// How fast a file is played; 1 where the message does not say.
    #[schemars(default = "Speed::of_the_market")]
    pub speed: Speed,
}

/// Whether the times in a feed are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedMode {
    /// Bars close as they are sent.
    #[default]
    Live,
    /// History: an engine may take the newest close time for now (`clock: feed`).
    Replay,
}

/// Market time per wall time; written as a number or `"max"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// This many times as fast as the market, above 0.
    Times(f64),
    /// As fast as the connection takes it.
    Max,
}

impl Speed {
    /// Reads `max`, or a number above 0.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "max" => Some(Self::Max),
            number => number.parse().ok().and_then(Self::times),
        }
    }

    /// What a source that says nothing plays at.
    pub(crate) const fn of_the_market() -> Self {
        Self::Times(1.0)
    }

    /// A number above 0, finite.
    #[must_use]
    pub fn times(factor: f64) -> Option<Self> {
        (factor.is_finite() && factor > 0.0).then_some(Self::Times(factor))
    }
}

impl Serialize for Speed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Times(factor) => serializer.serialize_f64(*factor),
            Self::Max => serializer.serialize_str("max"),
        }
    }
}

impl<'de> Deserialize<'de> for Speed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(parse::SpeedVisitor)
    }
}

impl JsonSchema for Speed {
    fn schema_name() -> Cow<'static, str> {
        "Speed".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"oneOf": [{"type": "number", "exclusiveMinimum": 0}, {"const": "max"}]})
    }
}

/// A refusal by the source; it may go on or close afterwards.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct NativeFault<'a> {
    /// Stable word, such as `unknown_instrument`.
    pub code: Cow<'a, str>,
    /// For a person; may be left out.
    #[schemars(default)]
    pub detail: Cow<'a, str>,
}

/// Every message a native source sends.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NativeMessage<'a> {
    /// A closed bar.
    Bar(NativeBar<'a>),
    /// A daily value.
    Macro(NativeMacro<'a>),
    /// A price, to be aggregated.
    Tick(NativeTick<'a>),
    /// The answer to a subscription.
    Hello(NativeHello),
    /// Bars that cannot be delivered.
    Gap(NativeGap<'a>),
    /// Nothing to say, still here.
    Heartbeat,
    /// A replay has sent everything it has.
    End,
    /// A refusal.
    Error(NativeFault<'a>),
    /// A `type` this version does not know; to be skipped.
    #[serde(skip)]
    Unknown {
        /// The word, cut at 64 bytes of text.
        kind: Cow<'a, str>,
    },
}

impl NativeMessage<'_> {
    /// The message as one line of JSON, without a line feed.
    ///
    /// # Errors
    /// Only for [`NativeMessage::Unknown`], which nobody sends.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// Every message a client of a native source sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum NativeRequest {
    /// Opens the stream; the first and only request of a connection.
    Subscribe(Subscribe),
}

/// Which instruments, and what is known already.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Subscribe {
    /// Whose bars.
    pub instruments: Vec<InstrumentId>,
    /// Newest close time the client holds, per instrument; the source goes on after it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub after: BTreeMap<InstrumentId, UtcMillis>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_reads_as_the_protocol_writes_it() {
        let text = r#"{"op":"subscribe","instruments":["USDCOP"],"after":{"USDCOP":"2026-01-05T13:05:00Z"}}"#;
        let request: NativeRequest = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
        let NativeRequest::Subscribe(subscribe) = request;
        assert_eq!(subscribe.after.len(), 1);
        assert!(
            serde_json::from_str::<NativeRequest>(r#"{"op":"subscribe","instruments":["no good"]}"#).is_err()
        );
        assert!(serde_json::from_str::<NativeRequest>(r#"{"op":"unsubscribe"}"#).is_err());
    }

    #[test]
    fn speeds_are_positive_numbers_or_max() {
        assert_eq!(Speed::parse("max"), Some(Speed::Max));
        assert_eq!(Speed::parse("100"), Some(Speed::Times(100.0)));
        for bad in ["0", "-1", "NaN", "inf", "fast", ""] {
            assert_eq!(Speed::parse(bad), None, "{bad}");
        }
        assert_eq!(
            serde_json::to_string(&[Speed::Max, Speed::Times(2.5)]).unwrap(),
            r#"["max",2.5]"#
        );
    }
}
