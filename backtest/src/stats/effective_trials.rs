//! How many independent trials correlated ones amount to: published beside the raw count, which is what the gate uses.

use super::moments::Moments;

/// N_eff = ρ̄ + (1 − ρ̄)·M rounded up, ρ̄ the mean correlation between the M series, at least 1 and at most M.
///
/// Bailey and López de Prado (2014), appendix of *The Deflated Sharpe Ratio*. Series that do not vary are uncorrelated with all others. `None`
/// without series, or when they differ in length.
#[must_use]
pub fn effective_trials(series: &[&[f64]]) -> Option<u32> {
    let count = series.len();
    let length = series.first()?.len();
    if series.iter().any(|one| one.len() != length) {
        return None;
    }
    if count == 1 {
        return Some(1);
    }
    let standard: Vec<Option<Vec<f64>>> = series.iter().map(|one| standardised(one)).collect();
    let (mut sum, mut pairs) = (0.0, 0.0);
    for (at, first) in standard.iter().enumerate() {
        for second in &standard[at + 1..] {
            pairs += 1.0;
            if let (Some(a), Some(b)) = (first, second) {
                sum += a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>() / (length as f64 - 1.0);
            }
        }
    }
    let mean = sum / pairs;
    let effective = mean + (1.0 - mean) * count as f64;
    // Rounding of a perfect correlation must not count as another trial.
    let effective = (effective - 1e-9).ceil().clamp(1.0, count as f64);
    Some(effective as u32)
}

fn standardised(values: &[f64]) -> Option<Vec<f64>> {
    let moments = Moments::of(values)?;
    let std = moments.variance.sqrt();
    Some(values.iter().map(|value| (value - moments.mean) / std).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::normals;

    #[test]
    fn copies_are_one_trial_and_strangers_are_many() {
        let r = normals(1, 300);
        assert_eq!(effective_trials(&[r.as_slice(); 8]), Some(1));
        let strangers: Vec<Vec<f64>> = (0..8).map(|seed| normals(seed, 3_000)).collect();
        let strangers: Vec<&[f64]> = strangers.iter().map(Vec::as_slice).collect();
        assert_eq!(effective_trials(&strangers), Some(8));
    }

    #[test]
    fn half_correlated_by_hand() {
        // ρ of the two is ½: 0.5 + 0.5·2 = 1.5, rounded up.
        let (a, b) = ([1.0, -1.0, 0.0], [1.0, 0.0, -1.0]);
        assert_eq!(effective_trials(&[&a, &b]), Some(2));
        // Pairs 1, ½ and ½: ρ̄ = 2/3, 2/3 + 1/3·3 = 1.67.
        assert_eq!(effective_trials(&[&a, &a, &b]), Some(2));
    }

    #[test]
    fn ends() {
        let r = normals(2, 30);
        assert_eq!(effective_trials(&[]), None);
        assert_eq!(effective_trials(&[&r]), Some(1));
        assert_eq!(effective_trials(&[&r, &r[1..]]), None);
        assert_eq!(effective_trials(&[&r, &[0.0; 30]]), Some(2));
        let opposite: Vec<f64> = r.iter().map(|x| -x).collect();
        assert_eq!(effective_trials(&[&r, &opposite]), Some(2));
    }
}
