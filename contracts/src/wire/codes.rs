//! The closed sets of words that only the wire uses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::production::ContractOrigin;

/// Where `now` comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClockMode {
    /// The machine's clock.
    Wall,
    /// The newest close time seen: a replay, every message says `simulated`.
    Feed,
}

/// Why the engine stops publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultCode {
    /// The journal cannot be written: no message without a record, so there are no more messages.
    JournalFailed,
    /// The feed announces itself as live, but the engine's clock is for a replay. Correct the engine's configuration.
    FeedMode,
    /// A fault of the engine itself; its log says more. Everything sent is in the journal.
    EngineFailed,
}

impl FaultCode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::JournalFailed, Self::FeedMode, Self::EngineFailed];

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::JournalFailed => "journal_failed",
            Self::FeedMode => "feed_mode",
            Self::EngineFailed => "engine_failed",
        }
    }
}

/// Why a request of the client was refused, or why its stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// `resume_from` lies above the next seq, or `epoch` above the engine's. The stream closes with 1008.
    Ahead,
    /// The text is no message of this protocol. The stream closes with 1008.
    Malformed,
    /// A second `subscribe` on one stream. The stream closes with 1008.
    AlreadySubscribed,
    /// No `subscribe` within ten seconds of the upgrade. The stream closes with 1008.
    SubscribeTimeout,
    /// The engine does not serve this instrument; a `subscribe` that names it closes with 1008.
    UnknownInstrument,
    /// The token's scopes or instruments do not cover this; a `subscribe` closes with 1008.
    Forbidden,
    /// Another stream reports this instrument's position.
    NotOwner,
    /// The contract takes positions from the engine's own signals, not from reports.
    WrongMode,
    /// `as_of` is older than the last accepted report.
    StalePosition,
    /// The report could not be handed to the engine now; send it again.
    Busy,
    /// The token was removed from `engine.toml`. The stream closes with 1008.
    TokenRevoked,
    /// The token's `expires` has passed. The stream closes with 1008.
    TokenExpired,
    /// Fell out of the ring twice within a minute, or took nothing for 30 s. The stream closes with 1008.
    SlowConsumer,
    /// The journal could not be read for the range asked for. The stream closes with 1011; connect again.
    HistoryFailed,
}

impl ErrorCode {
    /// The word on the wire; also the reason of the close frame where one follows.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ahead => "ahead",
            Self::Malformed => "malformed",
            Self::AlreadySubscribed => "already_subscribed",
            Self::SubscribeTimeout => "subscribe_timeout",
            Self::UnknownInstrument => "unknown_instrument",
            Self::Forbidden => "forbidden",
            Self::NotOwner => "not_owner",
            Self::WrongMode => "wrong_mode",
            Self::StalePosition => "stale_position",
            Self::Busy => "busy",
            Self::TokenRevoked => "token_revoked",
            Self::TokenExpired => "token_expired",
            Self::SlowConsumer => "slow_consumer",
            Self::HistoryFailed => "history_failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_serde_writes() {
        for code in [
            ErrorCode::Ahead,
            ErrorCode::Malformed,
            ErrorCode::AlreadySubscribed,
            ErrorCode::SubscribeTimeout,
            ErrorCode::UnknownInstrument,
            ErrorCode::Forbidden,
            ErrorCode::NotOwner,
            ErrorCode::WrongMode,
            ErrorCode::StalePosition,
            ErrorCode::Busy,
            ErrorCode::TokenRevoked,
            ErrorCode::TokenExpired,
            ErrorCode::SlowConsumer,
            ErrorCode::HistoryFailed,
        ] {
            assert_eq!(
                serde_json::to_string(&code).unwrap(),
                format!("\"{}\"", code.word())
            );
        }
        for code in FaultCode::ALL {
            assert_eq!(
                serde_json::to_string(&code).unwrap(),
                format!("\"{}\"", code.word())
            );
        }
    }
}
