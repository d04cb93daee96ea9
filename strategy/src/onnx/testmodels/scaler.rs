//! A scaler for the test models.

use contracts::features::FeatureContract;
use contracts::hash::DatasetHash;
use contracts::norm_stats::{FeatureStats, NormStats, NormStatsMetadata};
use contracts::time::DayNumber;

/// A scaler for `features`: round numbers of the right order, so that observations are neither flat nor clipped away.
#[must_use]
pub fn norm_stats(features: &FeatureContract) -> NormStats {
    let of = |name: &str| match name {
        "log_ret_5m" => (0.0, 0.001),
        "log_ret_1h" => (0.0, 0.004),
        "log_ret_4h" => (0.0, 0.008),
        "rsi_9" => (50.0, 20.0),
        "atr_pct" => (0.1, 0.05),
        "adx_14" => (25.0, 12.0),
        "rate_spread" => (5.0, 2.0),
        name if name.ends_with("_1d") => (0.0, 0.01),
        _ => (0.0, 1.0),
    };
    let stats = features
        .features
        .iter()
        .filter(|feature| !feature.operator.is_state())
        .map(|feature| {
            let (mean, std) = of(&feature.name);
            let stats = FeatureStats {
                mean,
                std,
                min: mean - 10.0 * std,
                max: mean + 10.0 * std,
                count: 1_000,
            };
            (feature.name.clone(), stats)
        });
    NormStats {
        metadata: NormStatsMetadata {
            version: "1".to_owned(),
            experiment: "rig".to_owned(),
            fit_start: DayNumber(0),
            fit_end: DayNumber(1),
            sample_count: 1_000,
            dataset_hash: DatasetHash::of(b"rig"),
        },
        features: stats.collect(),
    }
}
