//! Sample autocovariance and autocorrelation.

/// γ̂_k = Σ (x_t − x̄)(x_{t−k} − x̄)/n for k = 0…`lags` (divided by n at every lag, as spectral estimators take it).
#[must_use]
pub fn autocovariance(values: &[f64], lags: usize) -> Vec<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let centred: Vec<f64> = values.iter().map(|value| value - mean).collect();
    (0..=lags)
        .map(|lag| {
            let later = centred.get(lag..).unwrap_or_default();
            later.iter().zip(&centred).map(|(a, b)| a * b).sum::<f64>() / n
        })
        .collect()
}

/// ρ̂_1 = γ̂_1/γ̂_0; `None` below three values or when all are equal.
#[must_use]
pub fn lag_one(values: &[f64]) -> Option<f64> {
    let first = *values.first()?;
    if values.len() < 3 || values.iter().all(|value| *value == first) {
        return None;
    }
    let gamma = autocovariance(values, 1);
    Some(gamma[1] / gamma[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // mean 2: deviations −1 0 1 0.
        assert_eq!(autocovariance(&[1.0, 2.0, 3.0, 2.0], 2), [0.5, 0.0, -0.25]);
        assert_eq!(autocovariance(&[1.0, 2.0], 5)[3..], [0.0, 0.0, 0.0]);
        assert_eq!(lag_one(&[1.0, -1.0, 1.0, -1.0]), Some(-0.75));
        assert_eq!(lag_one(&[1.0, 1.0, 1.0]), None);
        assert_eq!(lag_one(&[1.0, 2.0]), None);
    }
}
