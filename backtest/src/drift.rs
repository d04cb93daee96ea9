//! Drift of every feature from train to holdout.

use contracts::evidence::FeatureDrift;

use crate::stats::psi::psi;

/// PSI of each feature. `train` and `holdout` are row-major with one value per name.
///
/// # Panics
/// When a length is no multiple of the number of names.
#[must_use]
pub fn drift(names: &[&str], train: &[f64], holdout: &[f64]) -> Vec<FeatureDrift> {
    let width = names.len();
    for rows in [train, holdout] {
        assert!(
            rows.is_empty() || (width > 0 && rows.len() % width == 0),
            "{} values are no rows of {width} features",
            rows.len()
        );
    }
    let column =
        |rows: &[f64], at: usize| -> Vec<f64> { rows.iter().skip(at).step_by(width).copied().collect() };
    names
        .iter()
        .enumerate()
        .map(|(at, name)| FeatureDrift {
            feature: (*name).to_owned(),
            psi: psi(&column(train, at), &column(holdout, at)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::normals;

    #[test]
    fn each_feature_by_its_own_column() {
        let (a, b) = (normals(1, 4_000), normals(2, 4_000));
        let rows =
            |shift: f64| -> Vec<f64> { a.iter().zip(&b).flat_map(|(x, y)| [*x, *y + shift]).collect() };
        let found = drift(&["steady", "moved"], &rows(0.0), &rows(1.5));
        assert_eq!(found[0].feature, "steady");
        assert_eq!(found[0].psi.value, Some(0.0));
        assert!(found[1].psi.value.unwrap() > 0.25);
    }

    #[test]
    fn without_training_rows_there_is_none() {
        let found = drift(&["x"], &[], &[1.0, 2.0]);
        assert_eq!(found[0].psi.value, None);
        assert!(drift(&[], &[], &[]).is_empty());
    }

    #[test]
    #[should_panic(expected = "3 values are no rows of 2 features")]
    fn a_torn_row_is_refused() {
        drop(drift(&["x", "y"], &[1.0, 2.0, 3.0], &[]));
    }
}
