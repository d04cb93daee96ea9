//! A source's language: what to send it, and what its messages mean. One file per source; no sockets, no clock.

mod alpaca;
mod binance;
mod bybit;
mod coinbase;
mod fields;
mod kraken;
mod native;
mod okx;
mod polygon;
#[cfg(test)]
mod testing;
mod twelvedata;

use std::time::Duration;

use contracts::bar::Bar;
use contracts::limits::BAR_INTERVAL_MS;
use contracts::time::{UnixNanos, UtcMillis};
use serde::{Deserialize, Serialize};

use super::credentials::Credentials;
use super::event::{FeedEvent, FeedRefusal};
use super::symbols::SymbolTable;
use crate::core::input::InstrumentIndex;
use crate::limits::MINUTE_MS;

/// Where bars come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// `engine feed`, or anything that speaks `contracts::native`.
    Native,
    /// Binance klines.
    Binance,
    /// Bybit v5 klines.
    Bybit,
    /// OKX candles.
    Okx,
    /// Kraken v2 ohlc.
    Kraken,
    /// Coinbase Advanced candles.
    Coinbase,
    /// Alpaca one-minute bars.
    Alpaca,
    /// Polygon (Massive) one-minute aggregates.
    Polygon,
    /// Twelve Data prices.
    #[serde(rename = "twelvedata")]
    TwelveData,
}

impl Source {
    /// Every source.
    pub const ALL: &'static [Self] = &[
        Self::Native,
        Self::Binance,
        Self::Bybit,
        Self::Okx,
        Self::Kraken,
        Self::Coinbase,
        Self::Alpaca,
        Self::Polygon,
        Self::TwelveData,
    ];

    /// The word in `engine.toml`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Binance => "binance",
            Self::Bybit => "bybit",
            Self::Okx => "okx",
            Self::Kraken => "kraken",
            Self::Coinbase => "coinbase",
            Self::Alpaca => "alpaca",
            Self::Polygon => "polygon",
            Self::TwelveData => "twelvedata",
        }
    }

    /// The source of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|source| source.word() == word)
    }

    /// Whether it wants a key, and a secret, from its clients.
    #[must_use]
    pub const fn asks_for(self) -> (bool, bool) {
        match self {
            Self::Alpaca => (true, true),
            Self::Polygon | Self::TwelveData => (true, false),
            _ => (false, false),
        }
    }

    /// Whether the key is part of the URL (`?apikey=…`) instead of a message.
    #[must_use]
    pub const fn key_in_url(self) -> bool {
        matches!(self, Self::TwelveData)
    }

    /// A codec for one connection. Codecs may hold state of the connection; a new connection gets a new one.
    #[must_use]
    pub fn codec(self, symbols: SymbolTable, credentials: &Credentials) -> Box<dyn Codec + Send> {
        match self {
            Self::Native => Box::new(native::Native::new(symbols)),
            Self::Binance => Box::new(binance::Binance::new(symbols)),
            Self::Bybit => Box::new(bybit::Bybit::new(symbols)),
            Self::Okx => Box::new(okx::Okx::new(symbols)),
            Self::Kraken => Box::new(kraken::Kraken::new(symbols)),
            Self::Coinbase => Box::new(coinbase::Coinbase::new(symbols)),
            Self::Alpaca => Box::new(alpaca::Alpaca::new(symbols, credentials.clone())),
            Self::Polygon => Box::new(polygon::Polygon::new(symbols, credentials.clone())),
            Self::TwelveData => Box::new(twelvedata::TwelveData::new(symbols)),
        }
    }
}

/// What is held already of an instrument, by [`InstrumentIndex`]: its newest close time.
pub type After = [Option<UtcMillis>];

/// One source's language, for one connection.
pub trait Codec {
    /// The texts to send after connecting, in order. `after[i]` = newest close time held of instrument i.
    fn subscribe(&self, after: &After) -> Vec<String>;

    /// Texts to send because of what was decoded last, in order: a source that must know its client first is asked for prices
    /// only then.
    fn due(&mut self) -> Vec<String> {
        Vec::new()
    }

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

impl Width {
    /// In milliseconds.
    #[must_use]
    pub const fn ms(self) -> i64 {
        match self {
            Self::Minute => MINUTE_MS,
            Self::FiveMinutes => BAR_INTERVAL_MS,
        }
    }

    /// The width of that length, if it is accepted.
    #[must_use]
    pub const fn of_ms(ms: i64) -> Option<Self> {
        match ms {
            MINUTE_MS => Some(Self::Minute),
            BAR_INTERVAL_MS => Some(Self::FiveMinutes),
            _ => None,
        }
    }
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
    /// No message of this vendor.
    #[error("not a message of the {} feed: {error}", from.word())]
    Json {
        /// Whose it should have been.
        from: Source,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// Its parts do not fit together.
    #[error("not a message of the {} feed: {what}", from.word())]
    Shape {
        /// Whose it should have been.
        from: Source,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Candles of another interval. Subscribe to five minutes, or to one.
    #[error("the {} feed sent candles of `{interval}`; only 1 and 5 minutes are accepted", from.word())]
    Interval {
        /// Who.
        from: Source,
        /// The interval as the source names it.
        interval: String,
    },
    /// The source refused something; usually the subscription. The operator must correct the configuration.
    #[error("the {} feed answers `{code}`: {detail}", from.word())]
    Refused {
        /// Who.
        from: Source,
        /// Its code.
        code: String,
        /// Its explanation.
        detail: String,
    },
}

/// Longest text of a source that is repeated, in characters.
const REPEATED_CHARS_MAX: usize = 200;

fn repeated(text: &str) -> String {
    text.chars().take(REPEATED_CHARS_MAX).collect()
}

impl DecodeError {
    fn shape(from: Source, what: &'static str) -> Self {
        Self::Shape { from, what }
    }

    fn interval(from: Source, interval: &str) -> Self {
        Self::Interval {
            from,
            interval: repeated(interval),
        }
    }

    fn refused(from: Source, code: &str, detail: &str) -> Self {
        Self::Refused {
            from,
            code: repeated(code),
            detail: repeated(detail),
        }
    }

    /// What it is counted under.
    #[must_use]
    pub const fn reason(&self) -> FeedRefusal {
        match self {
            Self::Native(_) | Self::Json { .. } | Self::Shape { .. } => FeedRefusal::Malformed,
            Self::Interval { .. } => FeedRefusal::WrongInterval,
            Self::Refused { .. } => FeedRefusal::SourceError,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::ids::InstrumentId;

    #[test]
    fn every_source_has_its_word_and_subscribes_in_its_own_language() {
        let credentials = Credentials {
            key: "the-key".to_owned(),
            secret: "the-secret".to_owned(),
        };
        let expected = [
            r#"{"op":"subscribe","instruments":["X/Y"],"after":{"X/Y":"2026-01-05T13:05:00Z"}}"#,
            r#"{"id":1,"method":"SUBSCRIBE","params":["x/y@kline_5m"]}"#,
            r#"{"args":["kline.5.X/Y"],"op":"subscribe"}"#,
            r#"{"args":[{"channel":"candle5m","instId":"X/Y"}],"op":"subscribe"}"#,
            r#"{"method":"subscribe","params":{"channel":"ohlc","interval":5,"snapshot":true,"symbol":["X/Y"]}}"#,
            r#"{"channel":"heartbeats","product_ids":["X/Y"],"type":"subscribe"}"#,
            r#"{"action":"auth","key":"the-key","secret":"the-secret"}"#,
            r#"{"action":"auth","params":"the-key"}"#,
            r#"{"action":"subscribe","params":{"symbols":"X/Y"}}"#,
        ];
        let id = InstrumentId::parse("X/Y").unwrap();
        let symbols = SymbolTable::plain(&[id], &[]).unwrap();
        let held = [Some(UtcMillis::parse("2026-01-05T13:05:00Z").unwrap())];
        for (&source, expected) in Source::ALL.iter().zip(expected) {
            assert_eq!(Source::parse(source.word()), Some(source));
            assert_eq!(
                serde_json::to_string(&source).unwrap(),
                format!("\"{}\"", source.word())
            );
            let texts = source.codec(symbols.clone(), &credentials).subscribe(&held);
            assert_eq!(texts.last().map(String::as_str), Some(expected));
            let asks_for_keys = matches!(source, Source::Alpaca | Source::Polygon);
            assert_eq!(texts[0].contains("the-key"), asks_for_keys, "{texts:?}");
        }
        assert!(!format!("{credentials:?}").contains("the-"));
    }
}
