//! `norm_stats.json`: mean and standard deviation of every feature that is normalised, fitted on the train split only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::features::FeatureContract;
use crate::hash::{DatasetHash, NormStatsHash};
use crate::time::DayNumber;

/// The whole document; its hash covers every field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NormStats {
    /// What it was fitted on.
    pub metadata: NormStatsMetadata,
    /// One entry per feature that is no state feature.
    pub features: BTreeMap<String, FeatureStats>,
}

/// What the statistics were fitted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NormStatsMetadata {
    /// Version of the feature contract they belong to.
    pub version: String,
    /// Name of the experiment.
    pub experiment: String,
    /// First session date of the fit.
    pub fit_start: DayNumber,
    /// Last session date of the fit.
    pub fit_end: DayNumber,
    /// Rows of the fit.
    pub sample_count: u64,
    /// Dataset the rows came from.
    pub dataset_hash: DatasetHash,
}

/// Statistics of one feature before normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeatureStats {
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation (ddof = 1).
    pub std: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Values counted.
    pub count: u64,
}

/// Why norm stats are refused; fit them again for this feature contract, on the train split.
#[derive(Debug, thiserror::Error)]
pub enum NormStatsError {
    /// The file is not there or may not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not JSON of this shape; the message carries line and column.
    #[error("norm stats: {0}")]
    Parse(#[source] serde_json::Error),
    /// A number that cannot be used.
    #[error("norm stats: features.{feature}: {detail}")]
    Number {
        /// Which feature.
        feature: String,
        /// What is wrong.
        detail: &'static str,
    },
    /// `fit_end` lies before `fit_start`.
    #[error("norm stats: metadata: fit_end {end} lies before fit_start {start}")]
    Window {
        /// As given.
        start: DayNumber,
        /// As given.
        end: DayNumber,
    },
    /// A feature of the contract has no statistics.
    #[error("norm stats: feature `{feature}` of contract {contract} is missing")]
    Missing {
        /// Which feature.
        feature: String,
        /// Which contract.
        contract: String,
    },
    /// Statistics of something that is no normalised feature of the contract.
    #[error("norm stats: `{feature}` is no normalised feature of contract {contract}")]
    Extra {
        /// Which entry.
        feature: String,
        /// Which contract.
        contract: String,
    },
    /// The fit reaches into validation or test.
    #[error("norm stats: the fit ends on {fit_end}, but data from {held_out} on is held out")]
    LooksAhead {
        /// Last date of the fit.
        fit_end: DayNumber,
        /// First date of the earliest held-out split.
        held_out: DayNumber,
    },
}

impl NormStats {
    /// Parses the document and checks its numbers.
    ///
    /// # Errors
    /// [`NormStatsError`] naming line or feature.
    pub fn parse(json: &[u8]) -> Result<Self, NormStatsError> {
        let stats: Self = serde_json::from_slice(json).map_err(NormStatsError::Parse)?;
        stats.check()?;
        Ok(stats)
    }

    /// Reads and parses a file.
    ///
    /// # Errors
    /// As [`Self::parse`], and when the file cannot be read.
    pub fn load(path: &Path) -> Result<Self, NormStatsError> {
        let bytes = std::fs::read(path).map_err(|source| NormStatsError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&bytes)
    }

    /// SHA-256 of the canonical JSON of the whole document.
    ///
    /// # Panics
    /// Never for a checked document: its numbers are finite.
    #[must_use]
    pub fn hash(&self) -> NormStatsHash {
        crate::jcs::digest(self).expect("checked norm stats hold finite numbers and text keys only")
    }

    fn check(&self) -> Result<(), NormStatsError> {
        let NormStatsMetadata {
            fit_start, fit_end, ..
        } = self.metadata;
        if fit_end < fit_start {
            return Err(NormStatsError::Window {
                start: fit_start,
                end: fit_end,
            });
        }
        for (feature, s) in &self.features {
            let refused = |detail| NormStatsError::Number {
                feature: feature.clone(),
                detail,
            };
            if ![s.mean, s.std, s.min, s.max].iter().all(|x| x.is_finite()) {
                return Err(refused("every number must be finite"));
            }
            if s.std < 0.0 {
                return Err(refused("std must not be negative"));
            }
            if s.min > s.max {
                return Err(refused("min must not exceed max"));
            }
        }
        Ok(())
    }

    /// Checks that exactly the contract's non-state features have statistics.
    ///
    /// # Errors
    /// [`NormStatsError::Missing`] or [`NormStatsError::Extra`], and any bad number.
    pub fn check_for(&self, contract: &FeatureContract) -> Result<(), NormStatsError> {
        self.check()?;
        let wanted = || {
            let normalised = contract.features.iter().filter(|f| !f.operator.is_state());
            normalised.map(|f| f.name.as_str())
        };
        let named = |feature: &str| (feature.to_owned(), contract.name.to_string());
        if let Some(feature) = wanted().find(|name| !self.features.contains_key(*name)) {
            let (feature, contract) = named(feature);
            return Err(NormStatsError::Missing { feature, contract });
        }
        if let Some(feature) = self
            .features
            .keys()
            .find(|name| !wanted().any(|w| w == name.as_str()))
        {
            let (feature, contract) = named(feature);
            return Err(NormStatsError::Extra { feature, contract });
        }
        Ok(())
    }

    /// Checks that the fit ends before the first held-out session date (of validation and test, whichever is earlier).
    ///
    /// # Errors
    /// [`NormStatsError::LooksAhead`].
    pub fn check_fit_before(&self, held_out: DayNumber) -> Result<(), NormStatsError> {
        let fit_end = self.metadata.fit_end;
        if fit_end >= held_out {
            return Err(NormStatsError::LooksAhead { fit_end, held_out });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(std: &str) -> String {
        format!(
            r#"{{"metadata":{{"version":"1.0.0","experiment":"e","fit_start":"2020-03-01","fit_end":"2024-12-31",
            "sample_count":3,"dataset_hash":"{}"}},
            "features":{{"r":{{"mean":0.5,"std":{std},"min":-1.0,"max":2.0,"count":3}}}}}}"#,
            "0".repeat(64)
        )
    }

    fn contract(features: &str) -> FeatureContract {
        serde_norway::from_str(&format!(
            "name: t\nversion: 1.0.0\n\
             calendar: {{name: c, zone: UTC, holidays: [], sessions_per_year: 365,\n\
             \x20 sessions: [{{days: [mon], open: '00:00', close: '24:00'}}]}}\n\
             features: [{features}]\n"
        ))
        .unwrap()
    }

    #[test]
    fn exactly_the_normalised_features() {
        let stats = NormStats::parse(document("1.5").as_bytes()).unwrap();
        let r = "{name: r, kind: rsi, params: {period: 9}}";
        let q = "{name: q, kind: rsi, params: {period: 9}}";
        stats
            .check_for(&contract(&format!("{r}, {{name: position, kind: position}}")))
            .unwrap();
        assert!(matches!(
            stats.check_for(&contract(&format!("{r}, {q}"))),
            Err(NormStatsError::Missing { .. })
        ));
        assert!(matches!(
            stats.check_for(&contract("{name: r, kind: position}")),
            Err(NormStatsError::Extra { .. })
        ));
    }

    #[test]
    fn a_fit_that_looks_ahead_and_bad_numbers_are_refused() {
        let stats = NormStats::parse(document("1.5").as_bytes()).unwrap();
        stats
            .check_fit_before(DayNumber::parse("2025-01-01").unwrap())
            .unwrap();
        assert!(
            stats
                .check_fit_before(DayNumber::parse("2024-12-31").unwrap())
                .is_err()
        );
        assert!(matches!(
            NormStats::parse(document("-1.0").as_bytes()),
            Err(NormStatsError::Number { .. })
        ));
        assert!(matches!(
            NormStats::parse(document("1.0, \"x\": 1").as_bytes()),
            Err(NormStatsError::Parse(_))
        ));
        assert!(matches!(
            NormStats::parse(document("null").as_bytes()),
            Err(NormStatsError::Parse(_))
        ));
    }

    #[test]
    fn the_hash_is_that_of_the_value_not_of_its_spelling() {
        let a = NormStats::parse(document("1.5").as_bytes()).unwrap();
        let b = NormStats::parse(document("15e-1").as_bytes()).unwrap();
        assert_eq!(a.hash(), b.hash());
        assert_ne!(
            a.hash(),
            NormStats::parse(document("1.6").as_bytes()).unwrap().hash()
        );
    }
}
