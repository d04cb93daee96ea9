//! Why an accepted bar gave no decision, and the other closed sets of words on the wire.

use serde::{Deserialize, Serialize};

use crate::time::UtcMillis;

/// Why a bar was withheld: keep your position, there is no new decision.
///
/// The order is the order of precedence: the first that applies is reported. Halted is first, so that nothing but it is said
/// while a latch is set; a bar outside the sessions or an impossible one leaves the features untouched all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Withheld {
    /// A halt latch is set.
    Halted,
    /// Outside the calendar's sessions, or a listed holiday.
    OffSession,
    /// An impossible bar; feature state is untouched.
    Quarantined,
    /// No contract has been adopted.
    NoModel,
    /// The newest directive is too old.
    Unconfirmed,
    /// Processed too long after its close, or back-filled.
    Late,
    /// An operator has not seen its `settled_after` bars or daily values.
    Warming,
    /// A macro series (by its index in the feature contract) is older than its `max_age_days`.
    Stale(u8),
    /// `feedback` mode and no position has been reported.
    NoPosition,
    /// A feature, an observation or the model's output is not finite.
    NotFinite,
}

impl Withheld {
    /// The word on the wire; for [`Withheld::Stale`] without its `:<series>`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::OffSession => "off_session",
            Self::Quarantined => "quarantined",
            Self::Halted => "halted",
            Self::NoModel => "no_model",
            Self::Unconfirmed => "unconfirmed",
            Self::Late => "late",
            Self::Warming => "warming",
            Self::Stale(_) => "stale",
            Self::NoPosition => "no_position",
            Self::NotFinite => "not_finite",
        }
    }
}

/// A position: short, flat or long; also the action that leads to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(i8)]
pub enum Position {
    /// −1
    Short = -1,
    /// 0
    #[default]
    Flat = 0,
    /// 1
    Long = 1,
}

/// A number that is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a position: -1, 0 or 1 is expected")]
pub struct NotAPosition(pub i64);

impl Position {
    /// −1.0, 0.0 or 1.0, as the observation carries it.
    #[must_use]
    pub const fn as_f64(self) -> f64 {
        match self {
            Self::Short => -1.0,
            Self::Flat => 0.0,
            Self::Long => 1.0,
        }
    }

    /// −1, 0 or 1.
    #[must_use]
    pub const fn as_i8(self) -> i8 {
        self as i8
    }
}

impl TryFrom<i64> for Position {
    type Error = NotAPosition;
    fn try_from(value: i64) -> Result<Self, Self::Error> {
        match value {
            -1 => Ok(Self::Short),
            0 => Ok(Self::Flat),
            1 => Ok(Self::Long),
            other => Err(NotAPosition(other)),
        }
    }
}

impl Serialize for Position {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i8(*self as i8)
    }
}
impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
impl schemars::JsonSchema for Position {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Position".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "integer", "enum": [-1, 0, 1]})
    }
}

/// What made the engine order an open position closed without a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlattenCause {
    /// A halt latch was set.
    Halt,
    /// A swap under a contract with `on_swap: flatten`.
    Swap,
    /// A silent feed under `on_stale: {flatten_after_s}`.
    StaleFeed,
}

/// The state a slot or an instrument is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LiveState {
    /// Signals flow.
    Live,
    /// Operators are not settled.
    Warming,
    /// No bar within the time the calendar makes one due.
    StaleFeed,
    /// A latch is set.
    Halted,
    /// No contract.
    NoModel,
    /// Less than 24 hours until `unconfirmed`.
    ContractExpiring,
}

/// Which of the two halt latches.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Latch {
    /// Set by a directive of the control plane.
    Control,
    /// Set on the engine's host by `engine halt` or the halt file.
    Local,
}

/// Why the operators of an instrument began afresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OriginReason {
    /// The first used bar.
    First,
    /// A level shift or a long gap.
    Rewarm,
    /// A swap to another feature contract.
    Swap,
}

/// Where the operators of an instrument began: parity and `--verify` start from the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Why they began there.
    pub reason: OriginReason,
    /// Close time of the first bar they used.
    pub first_close_time: UtcMillis,
    /// Bars used since, that one included.
    pub bars: u64,
}
