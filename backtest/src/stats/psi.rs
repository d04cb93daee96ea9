//! Population stability index: how far a feature's distribution has moved from train to holdout.
//!
//! PSI = Σ (h − t)·ln(h/t) over bins, t and h the shares of train and holdout in a bin. The bins are the deciles of the training values
//! (type 7); equal deciles make one bin, so a feature with many equal values has fewer. Customary reading: below 0.1 none, 0.1–0.25 some,
//! above 0.25 much.

use contracts::evidence::{Measured, Undefined};

use super::quantile::{sorted, type7};
use crate::limits::{PSI_BINS, PSI_SHARE_MIN};

/// PSI of one feature; values that are not finite do not count.
///
/// Undefined ([`Undefined::NoData`]) with fewer than [`PSI_BINS`] training values or no holdout value. A feature that is constant in training is
/// compared as two bins: that value and anything above it, or below.
#[must_use]
pub fn psi(train: &[f64], holdout: &[f64]) -> Measured {
    let (train, holdout) = (sorted(train), sorted(holdout));
    if train.len() < PSI_BINS || holdout.is_empty() {
        return Measured::none(Undefined::NoData);
    }
    let mut edges: Vec<f64> = (1..PSI_BINS)
        .filter_map(|decile| type7(&train, decile as f64 / PSI_BINS as f64))
        .collect();
    // What lies below everything seen in training is a bin of its own where a decile is the smallest value.
    edges.push(train[0].next_down());
    edges.sort_unstable_by(f64::total_cmp);
    edges.dedup();
    if edges.get(1) != Some(&train[0]) {
        edges.remove(0);
    }
    let (t, h) = (shares(&train, &edges), shares(&holdout, &edges));
    let index = t.iter().zip(&h).map(|(t, h)| (h - t) * libm::log(h / t)).sum();
    Measured::new(index, Undefined::NoData)
}

/// Share of sorted values in (−∞, e0], (e0, e1], …, (last, ∞), at least [`PSI_SHARE_MIN`] each.
fn shares(sorted: &[f64], edges: &[f64]) -> Vec<f64> {
    let mut before = 0;
    edges
        .iter()
        .map(|edge| sorted.partition_point(|value| value <= edge))
        .chain([sorted.len()])
        .map(|upto| {
            let share = (upto - before) as f64 / sorted.len() as f64;
            before = upto;
            share.max(PSI_SHARE_MIN)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::normals;

    fn value(train: &[f64], holdout: &[f64]) -> f64 {
        psi(train, holdout).value.unwrap()
    }

    #[test]
    fn by_hand_with_one_bin_doubled_and_one_emptied() {
        let train: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(value(&train, &train), 0.0);
        // The lowest ten move into the top bin: shares 0 (counted as 1e-4) and 0.2 instead of 0.1 each.
        let moved: Vec<f64> = (10..100).chain(90..100).map(f64::from).collect();
        let expected = (1e-4 - 0.1) * libm::log(1e-4 / 0.1) + (0.2 - 0.1) * libm::log(2.0);
        assert!((value(&train, &moved) - expected).abs() < 1e-12);
    }

    #[test]
    fn a_shift_shows_and_its_absence_does_not() {
        let (train, same) = (normals(1, 20_000), normals(2, 5_000));
        assert!(value(&train, &same) < 0.01);
        let shifted: Vec<f64> = same.iter().map(|x| x + 1.0).collect();
        assert!(value(&train, &shifted) > 0.25);
    }

    #[test]
    fn many_equal_values_share_a_bin() {
        let train: Vec<f64> = (0..100).map(|i| f64::from(u8::from(i >= 80))).collect();
        assert_eq!(value(&train, &train), 0.0);
        assert!(value(&train, &[0.0; 50]) > 0.25, "the ones are gone");
        assert!(value(&train, &[-1.0; 50]) > 0.25, "below everything seen");
    }

    #[test]
    fn a_constant_that_moves_in_either_direction_shows() {
        assert_eq!(value(&[2.0; 50], &[2.0; 9]), 0.0);
        assert!(value(&[2.0; 50], &[2.1; 9]) > 1.0);
        assert!(value(&[2.0; 50], &[1.9; 9]) > 1.0);
    }

    proptest::proptest! {
        #[test]
        fn never_negative_and_nothing_against_itself(
            train in proptest::collection::vec(-3i8..3, 10..80),
            holdout in proptest::collection::vec(-4i8..4, 1..80),
        ) {
            let floats = |values: &[i8]| -> Vec<f64> { values.iter().map(|v| f64::from(*v)).collect() };
            let (train, holdout) = (floats(&train), floats(&holdout));
            proptest::prop_assert!(value(&train, &holdout) >= 0.0);
            proptest::prop_assert_eq!(value(&train, &train), 0.0);
        }
    }

    #[test]
    fn too_little_is_undefined_and_nan_does_not_count() {
        assert_eq!(psi(&[1.0; 9], &[1.0]).undefined, Some(Undefined::NoData));
        assert_eq!(psi(&[1.0; 20], &[f64::NAN]).value, None);
        let train: Vec<f64> = (0..20).map(f64::from).collect();
        let holdout = [1.0, f64::NAN, 12.0];
        assert_eq!(psi(&train, &holdout), psi(&train, &[1.0, 12.0]));
    }
}
