//! What the tests of the codecs share: one instrument, one set of numbers.

use contracts::bar::Bar;
use contracts::ids::InstrumentId;
use contracts::time::{UnixNanos, UtcMillis};

use super::{DecodeError, Decoded, Finality, Source, Width};
use crate::core::input::InstrumentIndex;
use crate::feeds::credentials::Credentials;
use crate::feeds::event::FeedRefusal;
use crate::feeds::symbols::{Symbol, SymbolTable};

/// Reads one message of a slot with one instrument that the source calls `vendor`, in the year 2030.
pub(super) fn decode(source: Source, vendor: &str, text: &str) -> Result<Vec<Decoded>, DecodeError> {
    let symbol = Symbol {
        instrument: InstrumentId::parse("X").unwrap(),
        vendor: vendor.into(),
    };
    let symbols = SymbolTable::new(vec![symbol], Vec::new()).unwrap();
    let mut out = Vec::new();
    source
        .codec(symbols, &Credentials::default())
        .decode(text, UnixNanos(1_900_000_000_000_000_000), &mut out)
        .map(|()| out)
}

/// The candle of every message of the tests.
pub(super) fn candle(width: Width, finality: Finality, open_ms: i64) -> Decoded {
    Decoded::Candle {
        instrument: InstrumentIndex(0),
        width,
        finality,
        candle: Bar {
            close_time: UtcMillis(open_ms + width.ms()),
            open: 3.5,
            high: 4.125,
            low: 3.0625,
            close: 3.25,
            volume: 17.5,
        },
    }
}

/// Something left out.
pub(super) const fn ignored(reason: FeedRefusal) -> Decoded {
    Decoded::ignored(reason)
}
