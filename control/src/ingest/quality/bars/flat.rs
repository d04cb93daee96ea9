//! Bars of one price: where open, high, low and close are the same, only the close is known.

use std::collections::BTreeMap;

use contracts::bar::Bar;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::super::share;

/// Flat bars.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Flat {
    /// How many.
    pub bars: u64,
    /// Of all, in [0, 1].
    pub share: f64,
    /// By year, UTC.
    pub years: Vec<FlatYear>,
}

/// Of one year.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FlatYear {
    /// The year.
    pub year: i16,
    /// All its bars.
    pub bars: u64,
    /// Those that are flat.
    pub flat: u64,
    /// Their share, in [0, 1].
    pub share: f64,
}

/// Whether a bar has one price.
pub fn is_flat(bar: &Bar) -> bool {
    [bar.open, bar.high, bar.low]
        .iter()
        .all(|price| price.to_bits() == bar.close.to_bits())
}

/// Counts them.
pub fn count(bars: &[Bar]) -> Flat {
    let mut years: BTreeMap<i16, (u64, u64)> = BTreeMap::new();
    for bar in bars {
        let Some(at) = bar.close_time.to_jiff() else {
            continue;
        };
        let year = years.entry(TimeZone::UTC.to_datetime(at).year()).or_default();
        year.0 += 1;
        year.1 += u64::from(is_flat(bar));
    }
    let flat = years.values().map(|(_, flat)| flat).sum();
    Flat {
        bars: flat,
        share: share(flat, bars.len() as u64),
        years: years
            .into_iter()
            .map(|(year, (bars, flat))| FlatYear {
                year,
                bars,
                flat,
                share: share(flat, bars),
            })
            .collect(),
    }
}
