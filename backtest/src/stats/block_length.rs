//! How long the blocks of a stationary bootstrap should be.
//!
//! Politis and White (2004) with the correction of Patton, Politis and White (2009). Returns are nearly uncorrelated while their squares
//! are not, so [`for_returns`] takes the longer of the two.

use super::autocorrelation::autocovariance;

/// Optimal mean block for the mean of `values`, between 1 and ⌈min(3√n, n/3)⌉; 1 below nine values or when all are equal.
#[must_use]
pub fn optimal(values: &[f64]) -> f64 {
    let count = values.len();
    let n = count as f64;
    if count < 9 || values.iter().all(|value| *value == values[0]) {
        return 1.0;
    }
    let window = (libm::log10(n) as usize).max(5);
    // Lags of a short series end before the series does.
    let lags = (n.sqrt().ceil() as usize + window).min(count - 2);
    let gamma = autocovariance(values, lags);
    let m = lags.min(match first_quiet(values, &gamma, window) {
        Some(quiet) => 2 * quiet.max(1),
        None => lags,
    });
    let (mut g, mut sigma2) = (0.0, gamma[0]);
    for (k, covariance) in gamma.iter().enumerate().take(m + 1).skip(1) {
        let ratio = k as f64 / m as f64;
        let weight = if ratio <= 0.5 { 1.0 } else { 2.0 * (1.0 - ratio) };
        g += 2.0 * weight * k as f64 * covariance;
        sigma2 += 2.0 * weight * covariance;
    }
    let block = libm::cbrt(g * g / (sigma2 * sigma2) * n);
    let longest = (3.0 * n.sqrt()).min(n / 3.0).ceil();
    if block.is_nan() {
        1.0
    } else {
        block.clamp(1.0, longest)
    }
}

/// The longer block of the returns and of their squares.
#[must_use]
pub fn for_returns(returns: &[f64]) -> f64 {
    let squares: Vec<f64> = returns.iter().map(|r| r * r).collect();
    optimal(returns).max(optimal(&squares))
}

/// The first lag from which `window` sample correlations in a row stay within ±2√(log10(n)/n).
///
/// Each correlation is of the two stretches it compares, not of the whole series.
fn first_quiet(values: &[f64], gamma: &[f64], window: usize) -> Option<usize> {
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    let band = 2.0 * (libm::log10(n as f64) / n as f64).sqrt();
    let square = |value: &f64| (value - mean) * (value - mean);
    // Σ of squares without the first, or the last, i + 1 values.
    let total: f64 = values.iter().map(square).sum();
    let (mut without_first, mut without_last) = (total, total);
    let mut quiet = 0;
    for (lag, covariance) in gamma.iter().enumerate() {
        if quiet == window {
            return Some(lag - window);
        }
        without_first -= square(&values[lag]);
        without_last -= square(&values[n - 1 - lag]);
        let correlation = (covariance * n as f64).abs() / (without_first * without_last).sqrt();
        quiet = if correlation < band { quiet + 1 } else { 0 };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::normals;

    /// y_t = ρ·y_{t−1} + x_t/2³² − ½ with x_t = 1664525·x_{t−1} + 1013904223 mod 2³².
    fn series(seed: u32, n: usize, rho: f64) -> Vec<f64> {
        let (mut x, mut y) = (seed, 0.0);
        (0..n)
            .map(|_| {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                y = rho * y + (f64::from(x) / 4_294_967_296.0 - 0.5);
                y
            })
            .collect()
    }

    #[test]
    fn as_the_reference_implementation() {
        // `optimal_block_length` (stationary) of the Python package arch 8.0.0 on the same series; it has no floor at 1.
        let rows = [
            (2, 170, 0.3, 4.503_503_782_221_251),
            (3, 500, 0.6, 8.339_944_727_426_372),
            (4, 1500, -0.4, 11.391_412_823_276_59),
            (5, 60, 0.8, 8.310_320_936_613_095),
            (6, 1500, 0.9, 46.857_542_025_598_384),
        ];
        for (seed, n, rho, expected) in rows {
            let block = optimal(&series(seed, n, rho));
            assert!((block / expected - 1.0).abs() < 1e-9, "{block}, not {expected}");
        }
        assert_eq!(optimal(&series(1, 170, 0.0)), 1.0, "the reference says 0.21");
    }

    #[test]
    fn volatility_that_clusters_lengthens_the_blocks() {
        // Signs are independent, sizes are not.
        let sizes = series(7, 800, 0.95);
        let returns: Vec<f64> = normals(7, 800)
            .iter()
            .zip(&sizes)
            .map(|(z, s)| z * (0.1 + s * s))
            .collect();
        let squares: Vec<f64> = returns.iter().map(|r| r * r).collect();
        assert!(optimal(&squares) > 2.0 * optimal(&returns));
        assert_eq!(for_returns(&returns), optimal(&squares));
    }

    #[test]
    fn short_and_constant_series_have_blocks_of_one() {
        assert_eq!(optimal(&[]), 1.0);
        assert_eq!(optimal(&[1.0; 100]), 1.0);
        assert_eq!(optimal(&series(1, 8, 0.5)), 1.0);
        for n in 9..40 {
            let block = optimal(&series(9, n, 0.9));
            assert!(block >= 1.0 && block <= (n as f64 / 3.0).ceil(), "{n}: {block}");
        }
    }
}
