//! A source's language: what to send it, and what its messages mean. One file per source; no sockets, no clock.

mod native;

use std::time::Duration;

use contracts::bar::Bar;
use contracts::time::{UnixNanos, UtcMillis};
use serde::{Deserialize, Serialize};

use super::event::{FeedEvent, FeedRefusal};
use super::symbols::SymbolTable;
use crate::core::input::InstrumentIndex;

/// Where bars come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// `engine feed`, or anything that speaks `contracts::native`.
    Native,
}

impl Source {
    /// Every source.
    pub const ALL: &'static [Self] = &[Self::Native];

    /// The word in `engine.toml`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Native => "native",
        }
    }

    /// A codec for one connection. Codecs may hold state of the connection; a new connection gets a new one.
    #[must_use]
    pub fn codec(self, symbols: SymbolTable) -> Box<dyn Codec + Send> {
        match self {
            Self::Native => Box::new(native::Native::new(symbols)),
        }
    }
}

/// What is held already of an instrument, by [`InstrumentIndex`]: its newest close time.
pub type After = [Option<UtcMillis>];

/// One source's language, for one connection.
pub trait Codec {
    /// The texts to send after connecting, in order. `after[i]` = newest close time held of instrument i.
    fn subscribe(&self, after: &After) -> Vec<String>;

    /// True when the source itself goes on after the subscription's close times, so that nothing need be back-filled.
    fn resumes(&self) -> bool {
        false
    }

    /// A text the source wants to see regularly, and how often.
    fn heartbeat(&self) -> Option<(Duration, &'static str)> {
        None
    }

    /// Reads one text message and appends what it says to `out`. What was appended before an error stands.
    ///
    /// # Errors
    /// [`DecodeError`] when the message (or the rest of it) is none of this source's; the connection goes on.
    fn decode(
        &mut self,
        text: &str,
        received_at: UnixNanos,
        out: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError>;
}

/// The two candle widths that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    /// One minute, aggregated to five.
    Minute,
    /// Five minutes.
    FiveMinutes,
}

/// Whether a candle can still change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finality {
    /// The source says that it is closed.
    Final,
    /// The source never says; final when the next begins or grace has passed.
    Unflagged,
    /// A closed candle once more, corrected.
    Correction,
}

/// What a codec read, before candles are made final and aggregated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decoded {
    /// A candle; `candle.close_time` is its end, on the grid of its width.
    Candle {
        /// Whose.
        instrument: InstrumentIndex,
        /// Its length.
        width: Width,
        /// Whether it is closed.
        finality: Finality,
        /// Its numbers.
        candle: Bar,
    },
    /// One price.
    Tick {
        /// Whose.
        instrument: InstrumentIndex,
        /// When it was made.
        time: UtcMillis,
        /// The price.
        price: f64,
    },
    /// Anything that passes as it is.
    Event(FeedEvent),
}

impl Decoded {
    /// Something left out.
    #[must_use]
    pub const fn ignored(reason: FeedRefusal) -> Self {
        Self::Event(FeedEvent::Ignored { reason })
    }
}

/// Why a message was refused. It is counted under [`DecodeError::reason`]; the connection goes on.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// No message of the native protocol.
    #[error("{0}")]
    Native(#[from] contracts::native::NativeError),
    /// The source refused something; usually the subscription. The operator must correct the configuration.
    #[error("the {from} feed answers `{code}`: {detail}", from = source_name.word())]
    Refused {
        /// Who.
        source_name: Source,
        /// Its code.
        code: String,
        /// Its explanation, cut at 200 characters.
        detail: String,
    },
}

impl DecodeError {
    /// What it is counted under.
    #[must_use]
    pub const fn reason(&self) -> FeedRefusal {
        match self {
            Self::Native(_) => FeedRefusal::Malformed,
            Self::Refused { .. } => FeedRefusal::SourceError,
        }
    }
}
