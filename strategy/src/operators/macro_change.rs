//! x_D / x_{D−1} − 1 over the last two daily values.

use crate::macros::Seen;

/// Relative change of a series between its last two dates.
#[derive(Debug, Clone, Copy)]
pub struct MacroChange {
    /// Dense index of the series.
    pub series: usize,
}

impl MacroChange {
    /// Daily values it needs.
    pub const VALUES: u32 = 2;

    /// The value; NaN with fewer than two daily values.
    #[must_use]
    pub fn value(&self, seen: &Seen) -> f64 {
        if seen.count < Self::VALUES {
            return f64::NAN;
        }
        seen.last / seen.previous - 1.0
    }
}
