//! The messages about a stream itself: they have no `seq` and are not in the journal.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::codes::{ClockMode, ContractOrigin, ErrorCode, FaultCode};
use super::is_unset;
use crate::reason::Position;

/// The first message of every stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Welcome<'a> {
    /// The engine, as it names itself.
    pub engine_id: Cow<'a, str>,
    /// The slot it serves.
    pub slot: Cow<'a, str>,
    /// Its environment, such as `paper`.
    pub environment: Cow<'a, str>,
    /// Who allowed the running contract; null before the first.
    pub origin: Option<ContractOrigin>,
    /// The running model; null before the first.
    pub model_id: Option<Cow<'a, str>>,
    /// Generation of the running contract; null before the first.
    pub generation: Option<u64>,
    /// Where `now` comes from.
    pub clock: ClockMode,
    /// The journal's epoch: send it back with `resume_from`.
    pub epoch: u64,
    /// The oldest seq that can still be read.
    pub oldest_seq: u64,
    /// The seq the next published message will have.
    pub next_seq: u64,
    /// Version of these messages.
    pub schema: u32,
    /// Set in a replay: not a real moment.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub simulated: bool,
}

/// Where things stand, for a client that subscribes without `resume_from`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot<'a> {
    /// Everything up to this seq is contained; the stream continues after it.
    pub through: u64,
    /// Whether a halt latch is set.
    pub halted: bool,
    /// The position of every subscribed instrument.
    #[serde(borrow)]
    pub positions: BTreeMap<Cow<'a, str>, Position>,
    /// Set in a replay: not a real moment.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub simulated: bool,
}

/// With every heartbeat: all messages up to `through` that match the subscription have been sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// Complete up to here.
    pub through: u64,
    /// Set when nothing newer had been published at that moment.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub caught_up: bool,
    /// Set in a replay: not a real moment.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub simulated: bool,
}

/// The client fell behind, or asked for what is no longer kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// First seq concerned.
    pub from: u64,
    /// Last seq concerned.
    pub to: u64,
    /// True: they follow now, from the journal. False: they are gone (below retention).
    pub refill: bool,
    /// Set in a replay: not a real moment.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub simulated: bool,
}

/// The machine lost power with messages published but not on disk: forget what an older epoch sent from `first_seq` on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rewound {
    /// The epoch now.
    pub epoch: u64,
    /// The first seq that is given anew.
    pub first_seq: u64,
    /// Set in a replay: not a real moment.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub simulated: bool,
}

/// The engine stops publishing; the stream closes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fault {
    /// Why.
    pub code: FaultCode,
    /// Set in a replay: not a real moment.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub simulated: bool,
}

/// A request was refused, or the stream ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Error<'a> {
    /// Stable word.
    pub code: ErrorCode,
    /// For people: what, where, what to do.
    pub detail: Cow<'a, str>,
    /// Set in a replay: not a real moment.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub simulated: bool,
}
