//! Sample quantiles, Hyndman and Fan type 7: linear between order statistics, as most statistical packages take by default.

/// The `p` quantile of a sorted sample: at h = (n − 1)·p, between the values at ⌊h⌋ and ⌊h⌋ + 1. `None` of an empty one.
#[must_use]
pub fn type7(sorted: &[f64], p: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let h = last as f64 * p.clamp(0.0, 1.0);
    let below = (h as usize).min(last);
    let above = (below + 1).min(last);
    let low = sorted[below];
    Some(low + (h - below as f64) * (sorted[above] - low))
}

/// The finite values in rising order.
#[must_use]
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_order_statistics() {
        let v = [1.0, 2.0, 4.0, 8.0];
        assert_eq!(type7(&v, 0.0), Some(1.0));
        assert_eq!(type7(&v, 1.0), Some(8.0));
        assert_eq!(type7(&v, 0.5), Some(3.0));
        assert_eq!(type7(&v, 0.25), Some(1.75));
        assert_eq!(type7(&[], 0.5), None);
        assert_eq!(type7(&[7.0], 0.975), Some(7.0));
        assert_eq!(sorted(&[2.0, f64::NAN, -1.0]), [-1.0, 2.0]);
    }
}
