//! The names a source uses, resolved once to the dense indices of the core.

use std::collections::HashMap;

use contracts::ids::{InstrumentId, SeriesId};

use crate::core::input::{InstrumentIndex, SeriesIndex};

/// One instrument of the slot and what the source calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Our name.
    pub instrument: InstrumentId,
    /// The source's name, such as `BTC/USD`.
    pub vendor: Box<str>,
}

/// Instruments by index, by our name and by the source's; series by index and name.
#[derive(Debug, Clone, Default)]
pub struct SymbolTable {
    symbols: Vec<Symbol>,
    by_vendor: HashMap<Box<str>, InstrumentIndex>,
    series: Vec<SeriesId>,
}

/// Two instruments of a slot cannot be one symbol of a source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{vendor}` is the source's name of both {first} and {second}; give each its own under [feed.symbols]"
)]
pub struct SymbolTaken {
    /// The shared name.
    pub vendor: Box<str>,
    /// The instrument that has it.
    pub first: InstrumentId,
    /// The one that wants it.
    pub second: InstrumentId,
}

impl SymbolTable {
    /// Instruments in the order of their [`InstrumentIndex`], series in the order of their [`SeriesIndex`].
    ///
    /// # Errors
    /// [`SymbolTaken`] when two instruments share a vendor name.
    pub fn new(symbols: Vec<Symbol>, series: Vec<SeriesId>) -> Result<Self, SymbolTaken> {
        let mut by_vendor: HashMap<Box<str>, InstrumentIndex> = HashMap::with_capacity(symbols.len());
        for (position, symbol) in (0_u32..).zip(&symbols) {
            if let Some(first) = by_vendor.insert(symbol.vendor.clone(), InstrumentIndex(position)) {
                return Err(SymbolTaken {
                    vendor: symbol.vendor.clone(),
                    first: symbols[first.0 as usize].instrument.clone(),
                    second: symbol.instrument.clone(),
                });
            }
        }
        Ok(Self {
            symbols,
            by_vendor,
            series,
        })
    }

    /// A table for a source that uses our names.
    ///
    /// # Errors
    /// [`SymbolTaken`] when an instrument is listed twice.
    pub fn plain(instruments: &[InstrumentId], series: &[SeriesId]) -> Result<Self, SymbolTaken> {
        let symbols = instruments.iter().map(|id| Symbol {
            instrument: id.clone(),
            vendor: id.as_str().into(),
        });
        Self::new(symbols.collect(), series.to_vec())
    }

    /// The instrument a source means by `vendor`.
    #[must_use]
    pub fn instrument(&self, vendor: &str) -> Option<InstrumentIndex> {
        self.by_vendor.get(vendor).copied()
    }

    /// The series of that name, if the contract uses it.
    #[must_use]
    pub fn series(&self, name: &str) -> Option<SeriesIndex> {
        let position = self.series.iter().position(|series| series.as_str() == name)?;
        u8::try_from(position).ok().map(SeriesIndex)
    }

    /// Every instrument, by index.
    #[must_use]
    pub fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }

    /// What the source calls the instruments, by index.
    pub fn vendors(&self) -> impl Iterator<Item = &str> {
        self.symbols.iter().map(|symbol| &*symbol.vendor)
    }

    /// The only instrument, where there is one; for messages that name none.
    #[must_use]
    pub fn only(&self) -> Option<InstrumentIndex> {
        (self.symbols.len() == 1).then_some(InstrumentIndex(0))
    }

    /// Number of instruments.
    #[must_use]
    pub fn len(&self) -> usize {
        self.symbols.len()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_resolve_to_positions() {
        let id = |text| InstrumentId::parse(text).unwrap();
        let series = [SeriesId::parse("dxy").unwrap(), SeriesId::parse("vix").unwrap()];
        let table = SymbolTable::plain(&[id("USDCOP"), id("EURUSD")], &series).unwrap();
        assert_eq!(table.instrument("EURUSD"), Some(InstrumentIndex(1)));
        assert_eq!(table.instrument("eurusd"), None);
        assert_eq!(table.series("vix"), Some(SeriesIndex(1)));
        assert_eq!(table.series("embi"), None);
        assert_eq!(table.only(), None);
        let twice = SymbolTable::plain(&[id("USDCOP"), id("USDCOP")], &[]).unwrap_err();
        assert!(twice.to_string().contains("USDCOP"));
    }
}
