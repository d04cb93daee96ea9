//! The difference of two series, each at its last visible daily value.

use crate::macros::Seen;

/// minuend − subtrahend, in the series' own unit.
#[derive(Debug, Clone, Copy)]
pub struct MacroSpread {
    /// Dense index of the first series.
    pub minuend: usize,
    /// Dense index of the series taken from it.
    pub subtrahend: usize,
}

impl MacroSpread {
    /// The value; NaN while one of them has none.
    #[must_use]
    pub fn value(&self, minuend: &Seen, subtrahend: &Seen) -> f64 {
        if minuend.count == 0 || subtrahend.count == 0 {
            return f64::NAN;
        }
        minuend.last - subtrahend.last
    }
}
