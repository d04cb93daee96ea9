//! Which in-session bars are impossible, and when an impossible level turns out to be real.

use contracts::bar::Bar;
use contracts::features::PriceBounds;

use crate::limits::{LEVEL_AGREEMENT, LEVEL_JUMP_FACTOR};

/// A price level that two bars in a row agreed on, far from the one before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelShift {
    /// The last used close before.
    pub from_close: f64,
    /// The close from which the operators restarted.
    pub to_close: f64,
}

/// What is to be done with a bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verdict {
    Use,
    /// Use it, after restarting the operators.
    Shift(LevelShift),
    /// Leave it out; `level` is its close when that alone is why.
    Quarantine {
        level: Option<f64>,
    },
}

/// Judges a bar by the last used close and by the level of the bar before, if that was quarantined for it.
pub(crate) fn judge(
    bar: &Bar,
    bounds: &PriceBounds,
    last_close: Option<f64>,
    pending: Option<f64>,
) -> Verdict {
    let out = Verdict::Quarantine { level: None };
    if !bar.is_possible() || bar.low < bounds.price_min || bar.high > bounds.price_max {
        return out;
    }
    let Some(last_close) = last_close else {
        return Verdict::Use;
    };
    if !jumps(bar.high, last_close) && !jumps(bar.low, last_close) {
        return Verdict::Use;
    }
    if !jumps(bar.close, last_close) {
        // A spike inside the bar: its close says nothing about a new level.
        return out;
    }
    if let Some(level) = pending
        && (bar.close - level).abs() <= LEVEL_AGREEMENT * level
        && !jumps(bar.high, level)
        && !jumps(bar.low, level)
    {
        return Verdict::Shift(LevelShift {
            from_close: last_close,
            to_close: bar.close,
        });
    }
    Verdict::Quarantine {
        level: Some(bar.close),
    }
}

fn jumps(price: f64, reference: f64) -> bool {
    price >= reference * LEVEL_JUMP_FACTOR || price <= reference / LEVEL_JUMP_FACTOR
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: PriceBounds = PriceBounds {
        price_min: 0.0,
        price_max: f64::INFINITY,
    };

    fn flat(price: f64) -> Bar {
        Bar {
            open: price,
            high: price,
            low: price,
            close: price,
            ..Bar::default()
        }
    }

    #[test]
    fn a_factor_of_five_is_impossible_until_a_second_bar_agrees() {
        let judge = |price, pending| judge(&flat(price), &ANY, Some(100.0), pending);
        assert_eq!(judge(499.9, None), Verdict::Use);
        assert_eq!(judge(20.1, None), Verdict::Use);
        assert_eq!(judge(500.0, None), Verdict::Quarantine { level: Some(500.0) });
        assert_eq!(judge(20.0, None), Verdict::Quarantine { level: Some(20.0) });
        let shift = LevelShift {
            from_close: 100.0,
            to_close: 505.0,
        };
        assert_eq!(judge(505.0, Some(500.0)), Verdict::Shift(shift));
        assert_eq!(
            judge(505.1, Some(500.0)),
            Verdict::Quarantine { level: Some(505.1) }
        );
        assert_eq!(judge(110.0, Some(500.0)), Verdict::Use, "back at the old level");
    }

    #[test]
    fn a_spike_inside_a_bar_is_no_level() {
        let spike = Bar {
            high: 600.0,
            ..flat(100.0)
        };
        assert_eq!(
            judge(&spike, &ANY, Some(100.0), None),
            Verdict::Quarantine { level: None }
        );
        assert_eq!(
            judge(&spike, &ANY, None, None),
            Verdict::Use,
            "nothing to compare with"
        );
    }

    #[test]
    fn bounds_are_absolute() {
        let bounds = PriceBounds {
            price_min: 50.0,
            price_max: 200.0,
        };
        assert_eq!(judge(&flat(50.0), &bounds, None, None), Verdict::Use);
        for price in [49.9, 200.1] {
            let verdict = judge(&flat(price), &bounds, Some(100.0), Some(price));
            assert_eq!(verdict, Verdict::Quarantine { level: None });
        }
    }
}
