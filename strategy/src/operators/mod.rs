//! Online operators: one number per used bar or per daily value, one file each.
//!
//! Every operator declares `defined_after` (its first value) and `settled_after` (from where its value no longer depends, to
//! 1e-6 of its scale, on where it started; the exception of an RSI over closes that do not move is told there). Before the first value it gives NaN, never a filler.

mod adx;
mod log_return;
mod macro_change;
mod macro_spread;
mod macro_zscore;
mod natr;
mod range;
mod rsi;

use contracts::bar::Bar;
use contracts::features::OperatorSpec;

pub use self::adx::Adx;
pub use self::log_return::LogReturn;
pub use self::macro_change::MacroChange;
pub use self::macro_spread::MacroSpread;
pub use self::macro_zscore::MacroZscore;
pub use self::natr::Natr;
pub use self::rsi::Rsi;
use crate::bytes::LoadStateError;

/// A function of the used bars since its start.
pub trait BarOperator {
    /// Used bars from the first value on, that bar included.
    fn defined_after(&self) -> u32;

    /// Used bars after which the start no longer shows.
    fn settled_after(&self) -> u32;

    /// Takes the next used bar and gives the value at its close; NaN before `defined_after`.
    fn update(&mut self, bar: &Bar) -> f64;

    /// Forgets every bar.
    fn reset(&mut self);

    /// Appends the state's bits.
    fn save(&self, out: &mut Vec<u8>);

    /// Restores the bits of [`Self::save`] into an operator of the same parameters.
    ///
    /// # Errors
    /// [`LoadStateError`] when the bytes end early or hold an impossible state.
    fn load(&mut self, input: &mut &[u8]) -> Result<(), LoadStateError>;
}

/// A bar operator of any kind, without indirection.
#[derive(Debug, Clone)]
pub enum AnyBarOperator {
    /// ln(c_t / c_{t−k})
    LogReturn(LogReturn),
    /// Wilder RSI
    Rsi(Rsi),
    /// Wilder ATR / close × 100
    Natr(Natr),
    /// Wilder ADX
    Adx(Adx),
}

impl AnyBarOperator {
    /// The operator of a specification; `None` for those that are no function of bars.
    #[must_use]
    pub fn of(spec: &OperatorSpec) -> Option<Self> {
        Some(match *spec {
            OperatorSpec::LogReturn { bars } => Self::LogReturn(LogReturn::new(bars)),
            OperatorSpec::Rsi { period } => Self::Rsi(Rsi::new(period)),
            OperatorSpec::Natr { period, range } => Self::Natr(Natr::new(period, range)),
            OperatorSpec::Adx { period, range } => Self::Adx(Adx::new(period, range)),
            _ => return None,
        })
    }
}

macro_rules! each {
    ($any:expr, $operator:ident => $body:expr) => {
        match $any {
            AnyBarOperator::LogReturn($operator) => $body,
            AnyBarOperator::Rsi($operator) => $body,
            AnyBarOperator::Natr($operator) => $body,
            AnyBarOperator::Adx($operator) => $body,
        }
    };
}

impl BarOperator for AnyBarOperator {
    fn defined_after(&self) -> u32 {
        each!(self, operator => operator.defined_after())
    }
    fn settled_after(&self) -> u32 {
        each!(self, operator => operator.settled_after())
    }
    fn update(&mut self, bar: &Bar) -> f64 {
        each!(self, operator => operator.update(bar))
    }
    fn reset(&mut self) {
        each!(self, operator => operator.reset());
    }
    fn save(&self, out: &mut Vec<u8>) {
        each!(self, operator => operator.save(out));
    }
    fn load(&mut self, input: &mut &[u8]) -> Result<(), LoadStateError> {
        each!(self, operator => operator.load(input))
    }
}

#[cfg(test)]
mod tests {
    use contracts::features::RangeSource;
    use contracts::time::UtcMillis;

    use super::*;

    fn walk(n: usize) -> Vec<Bar> {
        let mut price = 100.0;
        (0..n)
            .map(|i| {
                let x = (i as f64 * 0.7).rem_euclid(1.3) - 0.6;
                let open = price;
                price += x;
                Bar {
                    close_time: UtcMillis(i as i64 * 300_000),
                    open,
                    high: open.max(price) + 0.1,
                    low: open.min(price) - 0.2,
                    close: price,
                    volume: 0.0,
                }
            })
            .collect()
    }

    fn all() -> Vec<AnyBarOperator> {
        vec![
            AnyBarOperator::LogReturn(LogReturn::new(12)),
            AnyBarOperator::Rsi(Rsi::new(9)),
            AnyBarOperator::Natr(Natr::new(10, RangeSource::Ohlc)),
            AnyBarOperator::Adx(Adx::new(14, RangeSource::Close)),
        ]
    }

    #[test]
    fn the_first_value_comes_where_declared() {
        for mut operator in all() {
            let values: Vec<f64> = walk(100).iter().map(|bar| operator.update(bar)).collect();
            let first = values.iter().position(|v| v.is_finite()).unwrap();
            assert_eq!(first + 1, operator.defined_after() as usize, "{operator:?}");
            assert!(values[first..].iter().all(|v| v.is_finite()));
        }
    }

    #[test]
    fn a_restored_operator_goes_on_bit_for_bit_and_a_reset_one_begins_again() {
        let bars = walk(120);
        for operator in all() {
            for cut in 0..60 {
                let mut uninterrupted = operator.clone();
                for bar in &bars[..cut] {
                    uninterrupted.update(bar);
                }
                let mut bytes = Vec::new();
                uninterrupted.save(&mut bytes);
                let mut restored = operator.clone();
                let mut input = bytes.as_slice();
                restored.load(&mut input).unwrap();
                assert!(input.is_empty());
                for bar in &bars[cut..] {
                    assert_eq!(
                        uninterrupted.update(bar).to_bits(),
                        restored.update(bar).to_bits()
                    );
                }
                restored.reset();
                let mut fresh = operator.clone();
                for bar in &bars {
                    assert_eq!(fresh.update(bar).to_bits(), restored.update(bar).to_bits());
                }
                assert!(operator.clone().load(&mut &bytes[..bytes.len() - 1]).is_err());
            }
        }
    }

    #[test]
    fn after_settling_the_start_does_not_show() {
        let bars = walk(2_000);
        for operator in all() {
            let scale = match operator {
                AnyBarOperator::LogReturn(_) | AnyBarOperator::Natr(_) => 1.0,
                _ => 100.0,
            };
            for start in [1, 500, 1_500] {
                let end = start + operator.settled_after() as usize;
                let run = |bars: &[Bar]| {
                    let mut operator = operator.clone();
                    bars.iter().map(|bar| operator.update(bar)).last().unwrap()
                };
                let (full, cut) = (run(&bars[..end]), run(&bars[start..end]));
                assert!(
                    (full - cut).abs() < 1e-6 * scale,
                    "{operator:?} from {start}: {full} {cut}"
                );
            }
        }
    }
}
