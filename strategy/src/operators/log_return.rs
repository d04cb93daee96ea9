//! ln(c_t / c_{t−k}) over used bars.

use contracts::bar::Bar;

use super::BarOperator;
use crate::bytes::{LoadStateError, put_f64, put_u32, take_f64, take_u32};

/// Logarithmic return over `bars` used bars, nights and gaps included.
#[derive(Debug, Clone)]
pub struct LogReturn {
    /// Ring of the last `bars` closes.
    closes: Box<[f64]>,
    /// Where the oldest one lies and the next one goes.
    next: u32,
    /// Closes in the ring.
    filled: u32,
}

impl LogReturn {
    /// Over `bars` ≥ 1 bars.
    #[must_use]
    pub fn new(bars: u16) -> Self {
        Self {
            closes: vec![0.0; usize::from(bars.max(1))].into(),
            next: 0,
            filled: 0,
        }
    }

    fn len(&self) -> u32 {
        u32::try_from(self.closes.len()).expect("the ring's length came from a u16")
    }
}

impl BarOperator for LogReturn {
    fn defined_after(&self) -> u32 {
        self.len() + 1
    }

    fn settled_after(&self) -> u32 {
        self.defined_after()
    }

    fn update(&mut self, bar: &Bar) -> f64 {
        let before = std::mem::replace(&mut self.closes[self.next as usize], bar.close);
        self.next = (self.next + 1) % self.len();
        if self.filled < self.len() {
            self.filled += 1;
            return f64::NAN;
        }
        libm::log(bar.close / before)
    }

    fn reset(&mut self) {
        self.closes.fill(0.0);
        (self.next, self.filled) = (0, 0);
    }

    fn save(&self, out: &mut Vec<u8>) {
        put_u32(out, self.next);
        put_u32(out, self.filled);
        for close in &self.closes {
            put_f64(out, *close);
        }
    }

    fn load(&mut self, input: &mut &[u8]) -> Result<(), LoadStateError> {
        (self.next, self.filled) = (take_u32(input)?, take_u32(input)?);
        if self.next >= self.len() || self.filled > self.len() {
            return Err(LoadStateError("a ring of closes points outside itself"));
        }
        for close in &mut self.closes {
            *close = take_f64(input)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_back_over_k_bars() {
        let mut operator = LogReturn::new(2);
        let mut at = |close| {
            operator.update(&Bar {
                close,
                ..Bar::default()
            })
        };
        assert!(at(1.0).is_nan() && at(3.0).is_nan());
        assert_eq!(at(2.0), libm::log(2.0));
        assert_eq!(at(3.0), 0.0);
        assert_eq!(at(8.0), libm::log(4.0));
    }
}
