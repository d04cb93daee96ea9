//! (x − mean)/std over the last daily values, the current one included.

use crate::macros::{DailyValues, Seen};

/// Z-score of a series over a window of its own dates; sample standard deviation (ddof = 1), in f64.
#[derive(Debug, Clone, Copy)]
pub struct MacroZscore {
    /// Dense index of the series.
    pub series: usize,
    /// Daily values in a full window.
    pub window: u32,
    /// Daily values from which it is defined.
    pub min_values: u32,
}

impl MacroZscore {
    /// The value; NaN with fewer than `min_values`, or where nothing varies.
    ///
    /// Two passes, newest value first: the result depends on the values in the window only, not on how they came.
    #[must_use]
    pub fn value(&self, seen: &Seen, values: DailyValues<'_>) -> f64 {
        let n = seen.count.min(self.window);
        if n < self.min_values {
            return f64::NAN;
        }
        let window = || values.newest_first().take(n as usize);
        // Asked for by value: the mean of equal values is not always that value, and what is left of it would look like variation.
        if window().all(|x| x == seen.last) {
            return f64::NAN;
        }
        let mean = window().sum::<f64>() / f64::from(n);
        let squares: f64 = window().map(|x| (x - mean) * (x - mean)).sum();
        let std = (squares / f64::from(n - 1)).sqrt();
        if std == 0.0 {
            return f64::NAN;
        }
        (seen.last - mean) / std
    }
}
