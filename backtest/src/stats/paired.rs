//! Two strategies on the same sessions: how much better the one is, and how sure that is.
//!
//! Both series are resampled by the same rows, so what moved both cancels: at a correlation of 0.8 the interval is less than half of
//! what two separate ones would give.

use contracts::evidence::Interval;

use super::block_length;
use super::bootstrap::{Resampler, Seed, Stream};
use super::interval::bias_corrected;
use super::moments::Moments;
use super::quantile::sorted;
use super::sums::Sums;
use crate::limits::INTERVAL_LEVEL;

/// A paired comparison of Sharpe ratios, per period.
#[derive(Debug, Clone, PartialEq)]
pub struct Paired {
    /// SR(new) − SR(base).
    pub delta: f64,
    /// Its 95 % interval (bias-corrected).
    pub ci95: Option<Interval>,
    /// Share of resamples in which the new one is better; a tie, or a resample without a ratio, is not.
    pub p_better: f64,
    /// Mean block of the resamples.
    pub block: f64,
}

/// Compares two series of returns of the same periods over `resamples` resamples.
///
/// `None` when they differ in length or one has no Sharpe ratio. Series that are equal value by value differ by 0 in every resample: nothing is
/// better, and there is no interval.
#[must_use]
pub fn paired(new: &[f64], base: &[f64], seed: Seed, resamples: u32) -> Option<Paired> {
    if new.len() != base.len() {
        return None;
    }
    let (a, b) = (Moments::of(new)?, Moments::of(base)?);
    let differences: Vec<f64> = new.iter().zip(base).map(|(x, y)| x - y).collect();
    let block = block_length::for_returns(&differences)
        .max(block_length::for_returns(new))
        .max(block_length::for_returns(base));
    let rows: Vec<[f64; 2]> = new
        .iter()
        .zip(base)
        .map(|(x, y)| [x - a.mean, y - b.mean])
        .collect();
    let mut resampler = Resampler::new(seed, Stream::Paired, rows.len(), block);
    let deltas: Vec<f64> = (0..resamples)
        .map(|_| {
            let (mut first, mut second) = (Sums::default(), Sums::default());
            resampler.resample(|row| {
                let [x, y] = rows[row];
                first.add(x);
                second.add(y);
            });
            first.sharpe(rows.len(), a.mean) - second.sharpe(rows.len(), b.mean)
        })
        .collect();
    let better = deltas.iter().filter(|delta| **delta > 0.0).count();
    let delta = a.sharpe() - b.sharpe();
    let same = new == base;
    Some(Paired {
        delta,
        ci95: if same {
            None
        } else {
            bias_corrected(&sorted(&deltas), delta, INTERVAL_LEVEL)
        },
        p_better: better as f64 / f64::from(resamples.max(1)),
        block,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::normals;

    #[test]
    fn the_same_series_is_not_better_than_itself() {
        let r = normals(1, 120);
        let paired = paired(&r, &r, [1; 8], 1_000).unwrap();
        assert_eq!((paired.delta, paired.p_better, paired.ci95), (0.0, 0.0, None));
    }

    #[test]
    fn a_planted_edge_is_found_and_its_absence_is_not() {
        let base = normals(2, 250);
        let noise = normals(3, 250);
        let better: Vec<f64> = base.iter().zip(&noise).map(|(b, e)| b + 0.25 + 0.3 * e).collect();
        let found = paired(&better, &base, [2; 8], 2_000).unwrap();
        assert!(
            found.p_better > 0.99 && found.ci95.unwrap().low > 0.0,
            "{found:?}"
        );
        let worse = paired(&base, &better, [2; 8], 2_000).unwrap();
        assert!(
            worse.p_better < 0.01 && worse.ci95.unwrap().high < 0.0,
            "{worse:?}"
        );
        let alike: Vec<f64> = base.iter().zip(&noise).map(|(b, e)| b + 0.3 * e).collect();
        let none = paired(&alike, &base, [2; 8], 2_000).unwrap();
        assert!(
            none.ci95.unwrap().low < 0.0 && none.ci95.unwrap().high > 0.0,
            "{none:?}"
        );
    }

    #[test]
    fn reproducible_and_moved_by_the_seed() {
        let (a, b) = (normals(4, 90), normals(5, 90));
        let once = paired(&a, &b, [9; 8], 500).unwrap();
        assert_eq!(Some(&once), paired(&a, &b, [9; 8], 500).as_ref());
        assert_ne!(Some(&once), paired(&a, &b, [10; 8], 500).as_ref());
    }

    #[test]
    fn nothing_of_unequal_or_constant_series() {
        let r = normals(6, 20);
        assert_eq!(paired(&r, &r[1..], [0; 8], 10), None);
        assert_eq!(paired(&r, &[0.0; 20], [0; 8], 10), None);
    }
}
