//! What a client may say.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filter::InstrumentFilter;
use crate::ids::InstrumentId;
use crate::reason::Position;
use crate::time::UtcMillis;

/// One message of a client; anything else is `error malformed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Starts the stream.
    Subscribe(Subscribe),
    /// Reports a position.
    Position(PositionReport),
}

/// Starts the stream; once per connection, within ten seconds of the upgrade.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subscribe {
    /// `"*"` or a list of names.
    pub instruments: InstrumentFilter,
    /// The first seq not yet seen. Without it the stream starts with a `snapshot` and continues live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_from: Option<u64>,
    /// The epoch of the last message seen; without it the engine cannot say `rewound`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
}

/// What the consumer holds; only under a contract with `position_source: feedback`, scope `positions:write`, and from one
/// stream per instrument: the first that reports it owns it until it disconnects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PositionReport {
    /// Whose.
    pub instrument: InstrumentId,
    /// What is held.
    pub position: Position,
    /// As of when; older than the last accepted report is refused.
    pub as_of: UtcMillis,
}

impl ClientMessage {
    /// The word in `op`.
    #[must_use]
    pub const fn op(&self) -> &'static str {
        match self {
            Self::Subscribe(_) => "subscribe",
            Self::Position(_) => "position",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_and_ops_are_refused() {
        let parse = serde_json::from_str::<ClientMessage>;
        assert!(parse(r#"{"op":"subscribe","instruments":"*"}"#).is_ok());
        assert!(parse(r#"{"instruments":["A"],"op":"subscribe","resume_from":0,"epoch":2}"#).is_ok());
        for bad in [
            r#"{"op":"subscribe"}"#,
            r#"{"op":"subscribe","instruments":"*","from":3}"#,
            r#"{"op":"subscribe","instruments":"*","resume_from":-1}"#,
            r#"{"op":"subscribe","instruments":"*","resume_from":1.5}"#,
            r#"{"op":"unsubscribe"}"#,
            r#"{"op":"position","instrument":"A","position":2,"as_of":"2026-01-05T13:05:00Z"}"#,
            r#"{"op":"position","instrument":"A","position":1,"as_of":"yesterday"}"#,
            r#"{"op":"position","instrument":"A","position":1}"#,
            "[]",
            "",
            "null",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
