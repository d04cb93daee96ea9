//! z = (x − mean)/std, clipped to ±5: computed in f64, given to the model as f32. State features go through as they are.

use contracts::features::FeatureContract;
use contracts::norm_stats::{NormStats, NormStatsError};

use crate::limits::{NORMALISED_CLIP, STD_MIN};

#[derive(Debug, Clone, Copy)]
enum Scale {
    State,
    Normal { mean: f64, std: f64 },
}

/// One scale per feature, in the contract's order.
#[derive(Debug, Clone)]
pub struct Normaliser {
    scales: Vec<Scale>,
}

impl Normaliser {
    /// Arranges norm stats in the contract's order.
    ///
    /// # Errors
    /// [`NormStatsError`] unless they hold exactly the non-state features.
    pub fn new(contract: &FeatureContract, stats: &NormStats) -> Result<Self, NormStatsError> {
        stats.check_for(contract)?;
        let scale = |name: &str| {
            let s = &stats.features[name];
            Scale::Normal {
                mean: s.mean,
                std: if s.std < STD_MIN { 1.0 } else { s.std },
            }
        };
        let features = contract.features.iter();
        Ok(Self {
            scales: features
                .map(|f| {
                    if f.operator.is_state() {
                        Scale::State
                    } else {
                        scale(&f.name)
                    }
                })
                .collect(),
        })
    }

    /// Writes the observation of `features`; NaN stays NaN.
    ///
    /// # Panics
    /// If the lengths differ from the contract's width.
    pub fn apply(&self, features: &[f64], observation: &mut [f32]) {
        assert!(
            features.len() == self.scales.len() && observation.len() == self.scales.len(),
            "one value per feature"
        );
        for ((scale, x), z) in self.scales.iter().zip(features).zip(observation) {
            let value = match *scale {
                Scale::State => *x,
                Scale::Normal { mean, std } => ((x - mean) / std).clamp(-NORMALISED_CLIP, NORMALISED_CLIP),
            };
            *z = value as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_clips_and_leaves_state_alone() {
        let contract: FeatureContract = serde_norway::from_str(
            "name: t\nversion: 1.0.0\n\
             calendar: {name: c, zone: UTC, holidays: [], sessions_per_year: 365,\n\
             \x20 sessions: [{days: [mon], open: '00:00', close: '24:00'}]}\n\
             features: [{name: b, kind: rsi, params: {period: 9}}, {name: p, kind: position}, {name: a, kind: rsi, params: {period: 2}}]\n",
        )
        .unwrap();
        let json = format!(
            r#"{{"metadata":{{"version":"1.0.0","experiment":"e","fit_start":"2020-03-01","fit_end":"2024-12-31",
            "sample_count":3,"dataset_hash":"{}"}},"features":{{
            "b":{{"mean":1.0,"std":2.0,"min":0.0,"max":1.0,"count":3}},
            "a":{{"mean":1.0,"std":9e-9,"min":0.0,"max":1.0,"count":3}}}}}}"#,
            "0".repeat(64)
        );
        let normaliser = Normaliser::new(&contract, &NormStats::parse(json.as_bytes()).unwrap()).unwrap();
        let mut z = [0.0; 3];
        normaliser.apply(&[2.0, -1.0, 1.25], &mut z);
        assert_eq!(z, [0.5, -1.0, 0.25]);
        normaliser.apply(&[1e9, 1.0, -1e9], &mut z);
        assert_eq!(z, [5.0, 1.0, -5.0]);
        normaliser.apply(&[f64::NAN, 1.0, 1.0], &mut z);
        assert!(z[0].is_nan());
    }
}
