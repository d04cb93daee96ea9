//! The published messages: those with a `seq`, each the rendering of one journal record.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_unset;
use super::reason::Reason;
use super::stream::{Error, Fault, Gap, Progress, Rewound, Snapshot, Welcome};
use crate::action::Raw;
use crate::bar::Ohlcv;
use crate::hash::ContractDigest;
use crate::reason::{FlattenCause, LiveState, Position};
use crate::time::{UnixNanos, UtcMillis};

/// One message of the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is the struct of that name")]
pub enum ServerMessage<'a> {
    #[serde(borrow)]
    Welcome(Welcome<'a>),
    #[serde(borrow)]
    Snapshot(Snapshot<'a>),
    #[serde(borrow)]
    Signal(Signal<'a>),
    #[serde(borrow)]
    Withheld(WithheldBar<'a>),
    #[serde(borrow)]
    Flatten(Flatten<'a>),
    #[serde(borrow)]
    State(State<'a>),
    #[serde(borrow)]
    ModelSwapped(ModelSwapped<'a>),
    Progress(Progress),
    Gap(Gap),
    Rewound(Rewound),
    Fault(Fault),
    #[serde(borrow)]
    Error(Error<'a>),
}

/// A decision on a bar: hold `action` from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Signal<'a> {
    /// Place in the published sequence.
    pub seq: u64,
    /// Whose bar.
    pub instrument: Cow<'a, str>,
    /// When the bar closed.
    pub bar_close_time: UtcMillis,
    /// The bar.
    pub bar: Ohlcv,
    /// The position to hold: -1 short, 0 flat, 1 long.
    pub action: Position,
    /// The model's output before clipping: one number, three logits, or the index.
    pub raw: Raw,
    /// In \[0, 1\]: |a| for a continuous action, softmax for logits, 1 for an index.
    pub confidence: f64,
    /// The position this decision was taken in.
    pub position_before: Position,
    /// The model.
    pub model_id: Cow<'a, str>,
    /// Digest of the production contract.
    pub contract: ContractDigest,
    /// Generation of the contract.
    pub generation: u64,
    /// When the bar's last byte was read, UTC nanoseconds (above 2^53: read it as a 64-bit integer).
    pub received_at: UnixNanos,
    /// When the decision was taken, UTC nanoseconds.
    pub decided_at: UnixNanos,
    /// `decided_at` − `received_at`.
    pub latency_ns: i64,
    /// Set in a replay: not a real moment.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub simulated: bool,
}

/// A bar without a decision: keep your position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Withheld")]
pub struct WithheldBar<'a> {
    /// Place in the published sequence.
    pub seq: u64,
    /// Whose bar.
    pub instrument: Cow<'a, str>,
    /// When the bar closed.
    pub bar_close_time: UtcMillis,
    /// The bar; a number that is not finite (only in a quarantined bar) is null.
    pub bar: Ohlcv,
    /// Why: the first in order of precedence.
    pub reason: Reason<'a>,
    /// Set in a replay: not a real moment.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub simulated: bool,
}

/// The only order without a bar: close the position, it is 0 from here on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Flatten<'a> {
    /// Place in the published sequence.
    pub seq: u64,
    /// Whose position.
    pub instrument: Cow<'a, str>,
    /// What is closed: -1 or 1.
    pub position_before: Position,
    /// Why.
    pub cause: FlattenCause,
    /// Generation of the contract in force.
    pub generation: u64,
    /// When, on the engine's clock.
    pub time: UtcMillis,
    /// Set in a replay: not a real moment.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub simulated: bool,
}

/// A change of state of one instrument, or of the slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct State<'a> {
    /// Place in the published sequence.
    pub seq: u64,
    /// Whose; absent when it concerns the slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instrument: Option<Cow<'a, str>>,
    /// The new state.
    pub state: LiveState,
    /// Since when, on the engine's clock.
    pub since: UtcMillis,
    /// Set in a replay: not a real moment.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub simulated: bool,
}

/// Every core decides under this model from here on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelSwapped<'a> {
    /// Place in the published sequence.
    pub seq: u64,
    /// The model that decides now.
    pub model_id: Cow<'a, str>,
    /// Its contract's generation.
    pub generation: u64,
    /// The model before it; null for the first.
    pub previous_model_id: Option<Cow<'a, str>>,
    /// Set in a replay: not a real moment.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub simulated: bool,
}

impl ServerMessage<'_> {
    /// The word in `type`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Welcome(_) => "welcome",
            Self::Snapshot(_) => "snapshot",
            Self::Signal(_) => "signal",
            Self::Withheld(_) => "withheld",
            Self::Flatten(_) => "flatten",
            Self::State(_) => "state",
            Self::ModelSwapped(_) => "model_swapped",
            Self::Progress(_) => "progress",
            Self::Gap(_) => "gap",
            Self::Rewound(_) => "rewound",
            Self::Fault(_) => "fault",
            Self::Error(_) => "error",
        }
    }

    /// The seq of a published message, `None` for those of the stream itself.
    #[must_use]
    pub const fn seq(&self) -> Option<u64> {
        match self {
            Self::Signal(m) => Some(m.seq),
            Self::Withheld(m) => Some(m.seq),
            Self::Flatten(m) => Some(m.seq),
            Self::State(m) => Some(m.seq),
            Self::ModelSwapped(m) => Some(m.seq),
            _ => None,
        }
    }

    /// The text on the wire and in `signals.jsonl`: one line of JSON without its line feed.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self)
            .expect("these structs hold only what JSON can say: string keys and no failing serializer")
    }

    /// As [`Self::to_json`], appended to a buffer the caller keeps.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self)
            .expect("writing into a Vec cannot fail and these structs hold only what JSON can say");
    }

    /// Parses one message; unknown fields are ignored.
    ///
    /// # Errors
    /// `serde_json`'s, with the column.
    pub fn parse(text: &str) -> Result<ServerMessage<'_>, serde_json::Error> {
        serde_json::from_str(text)
    }
}
