//! The native protocol of `contracts::native`: closed five-minute bars, daily values, ticks.

use std::collections::BTreeMap;

use contracts::native::{self, FeedMode, NativeMessage, NativeRequest, Subscribe};
use contracts::time::{UnixNanos, UtcMillis};

use super::{After, Codec, DecodeError, Decoded, Finality, Source, Width};
use crate::feeds::event::{FeedEvent, FeedRefusal};
use crate::feeds::symbols::SymbolTable;

/// See the module.
pub(super) struct Native {
    symbols: SymbolTable,
    /// From the last hello; a source that never says so is live.
    mode: FeedMode,
}

impl Native {
    pub(super) fn new(symbols: SymbolTable) -> Self {
        Self {
            symbols,
            mode: FeedMode::Live,
        }
    }

    fn read(&mut self, message: NativeMessage<'_>, received_at: UnixNanos) -> Result<Decoded, DecodeError> {
        let unknown_instrument = Decoded::ignored(FeedRefusal::UnknownInstrument);
        Ok(match message {
            NativeMessage::Bar(bar) => match self.symbols.instrument(&bar.instrument) {
                None => unknown_instrument,
                Some(_) if !bar.close_time.is_on_bar_grid() => Decoded::ignored(FeedRefusal::OffGrid),
                Some(instrument) => Decoded::Candle {
                    instrument,
                    width: Width::FiveMinutes,
                    finality: Finality::Final,
                    candle: bar.bar(),
                },
            },
            NativeMessage::Macro(daily) => match self.symbols.series(&daily.series) {
                None => Decoded::ignored(FeedRefusal::UnknownSeries),
                Some(series) => Decoded::Event(FeedEvent::Macro {
                    series,
                    date: daily.date,
                    value: daily.value,
                    arrived_at: self.arrival(daily.arrived_at, received_at),
                }),
            },
            NativeMessage::Tick(tick) => match self.symbols.instrument(&tick.instrument) {
                None => unknown_instrument,
                Some(instrument) => Decoded::Tick {
                    instrument,
                    time: tick.time,
                    price: tick.price,
                },
            },
            NativeMessage::Gap(gap) => match self.symbols.instrument(&gap.instrument) {
                None => unknown_instrument,
                Some(_) if !(gap.from.is_on_bar_grid() && gap.to.is_on_bar_grid()) => {
                    Decoded::ignored(FeedRefusal::OffGrid)
                }
                Some(instrument) => Decoded::Event(FeedEvent::Gap {
                    instrument,
                    from: gap.from,
                    to: gap.to,
                }),
            },
            NativeMessage::Hello(hello) => {
                self.mode = hello.mode;
                Decoded::Event(FeedEvent::Hello {
                    mode: hello.mode,
                    speed: hello.speed,
                })
            }
            NativeMessage::Heartbeat => Decoded::Event(FeedEvent::Heartbeat),
            NativeMessage::End => Decoded::Event(FeedEvent::End),
            NativeMessage::Unknown { .. } => Decoded::ignored(FeedRefusal::UnknownKind),
            NativeMessage::Error(fault) => {
                return Err(DecodeError::refused(Source::Native, &fault.code, &fault.detail));
            }
        })
    }

    /// In a replay the wall clock says nothing about when a value was known.
    fn arrival(&self, stated: Option<UtcMillis>, received_at: UnixNanos) -> Option<UtcMillis> {
        match self.mode {
            FeedMode::Live => stated.or_else(|| Some(received_at.to_millis())),
            FeedMode::Replay => stated,
        }
    }
}

impl Codec for Native {
    fn subscribe(&self, after: &After) -> Vec<String> {
        let mut held = BTreeMap::new();
        let mut instruments = Vec::with_capacity(self.symbols.len());
        for (position, symbol) in self.symbols.symbols().iter().enumerate() {
            instruments.push(symbol.instrument.clone());
            if let Some(close_time) = after.get(position).copied().flatten() {
                held.insert(symbol.instrument.clone(), close_time);
            }
        }
        let request = NativeRequest::Subscribe(Subscribe {
            instruments,
            after: held,
        });
        vec![serde_json::to_string(&request).expect("names and times always serialise")]
    }

    fn resumes(&self) -> bool {
        true
    }

    fn decode(
        &mut self,
        text: &str,
        received_at: UnixNanos,
        out: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        let message = native::parse(text)?;
        out.push(self.read(message, received_at)?);
        Ok(())
    }
}
