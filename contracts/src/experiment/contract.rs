//! What is kept of an experiment: the frozen copy with the feature contract it names, and the hashes of both. Never changed.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::diff::{Change, diff};
use super::{Experiment, ExperimentError, Parsed, parse};
use crate::features::{FeatureContract, LoadContractError, load_contract};
use crate::hash::{ConfigHash, FeatureContractHash, FeatureOrderHash, RewardHash, SourceHash};
use crate::ids::{ContractId, ExperimentName};
use crate::schema::schema_tag;
use crate::strict::Step;
use crate::time::UtcMillis;

schema_tag!(
    /// Tag of an experiment contract.
    ExperimentContractV1 = "twovote/experiment-contract/v1"
);

/// An experiment's contract: criteria, costs, calendar and holdout window of every vote are read from here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExperimentContract {
    /// What this document is.
    pub schema_version: ExperimentContractV1,
    /// `CTR-EXP-{name}-{version}`.
    pub contract_id: ContractId,
    /// Name.
    pub name: ExperimentName,
    /// Version.
    pub version: String,
    /// JCS of the YAML as parsed, before defaults: what the contract's content is, beside the feature contract.
    pub config_hash: ConfigHash,
    /// Bytes of the file.
    pub source_hash: SourceHash,
    /// Names of the features, in order.
    pub feature_order_hash: FeatureOrderHash,
    /// The feature contract.
    pub feature_contract_hash: FeatureContractHash,
    /// JCS of the reward section.
    pub reward_config_hash: RewardHash,
    /// First 16 hex of SHA-256 of the data section's JCS.
    pub date_ranges_version: String,
    /// The experiment with its defaults.
    pub frozen: Experiment,
    /// The feature contract, calendar and delays inlined.
    pub feature_contract: FeatureContract,
    /// When it was made.
    pub created_at: UtcMillis,
}

/// Why a file makes no contract.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentContractError {
    /// The file itself, or what it says about the feature contract; path and line are named.
    #[error(transparent)]
    Experiment(#[from] ExperimentError),
    /// The feature contract it names cannot be loaded.
    #[error("the feature contract that the experiment names cannot be loaded")]
    Features(#[source] LoadContractError),
}

impl ExperimentContractError {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Experiment(error) => error.code(),
            Self::Features(_) => "feature_contract_unusable",
        }
    }
}

impl ExperimentContract {
    /// Parses an experiment, loads `{features_folder}/{features.contract}.yaml` and checks that they fit each other.
    ///
    /// # Errors
    /// [`ExperimentContractError`].
    pub fn from_yaml(
        yaml: &[u8],
        path_for_messages: &str,
        features_folder: &Path,
        created_at: UtcMillis,
    ) -> Result<Self, ExperimentContractError> {
        let parsed = parse(yaml, path_for_messages)?;
        let named = &parsed.experiment.features.contract;
        let features = load_contract(&features_folder.join(format!("{named}.yaml")))
            .map_err(ExperimentContractError::Features)?;
        if let Some((path, detail)) = misfit(&parsed.experiment, &features) {
            let text = String::from_utf8_lossy(yaml);
            let steps = path.map(|key| Step::Key(key.to_owned()));
            return Err(ExperimentError::at(&text, path_for_messages, &steps, detail).into());
        }
        Ok(Self::of(parsed, features, created_at))
    }

    /// Puts the parts together.
    ///
    /// # Panics
    /// Never for a parsed experiment: its name and version are short enough for an id.
    fn of(parsed: Parsed, features: FeatureContract, created_at: UtcMillis) -> Self {
        let id = &parsed.experiment.experiment;
        let contract_id = ContractId::parse(&format!("CTR-EXP-{}-{}", id.name, id.version))
            .expect("a checked name and a checked version fit into an id");
        Self {
            schema_version: ExperimentContractV1,
            contract_id,
            name: id.name.clone(),
            version: id.version.clone(),
            config_hash: parsed.config_hash,
            source_hash: parsed.source_hash,
            feature_order_hash: features.order_hash(),
            feature_contract_hash: features.hash(),
            reward_config_hash: parsed.reward_config_hash,
            date_ranges_version: parsed.date_ranges_version,
            frozen: parsed.experiment,
            feature_contract: features,
            created_at,
        }
    }

    /// What differs in content from `other`, of the same name and version; empty for the same content. Comments, layout and the time
    /// of making are no content.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<Change> {
        if self.config_hash == other.config_hash && self.feature_contract_hash == other.feature_contract_hash
        {
            return Vec::new();
        }
        let shown = |contract: &Self| {
            let mut value = serde_json::to_value(&contract.frozen).unwrap_or_default();
            if let Value::Object(members) = &mut value {
                let features = serde_json::to_value(&contract.feature_contract).unwrap_or_default();
                members.insert("feature_contract".to_owned(), features);
            }
            value
        };
        let changes = diff(&shown(self), &shown(other));
        if !changes.is_empty() {
            return changes;
        }
        // The same experiment written differently, a default spelt out: other content all the same, because the hash is its name.
        vec![Change {
            path: "config_hash".to_owned(),
            old: Some(self.config_hash.to_hex().into()),
            new: Some(other.config_hash.to_hex().into()),
        }]
    }
}

/// What the experiment says about the feature contract and is not so.
fn misfit(experiment: &Experiment, features: &FeatureContract) -> Option<([&'static str; 2], String)> {
    let (named, data) = (&experiment.features, &experiment.data);
    if features.name != named.contract {
        let detail = format!("the file of `{}` holds `{}`", named.contract, features.name);
        return Some((["features", "contract"], detail));
    }
    if features.version != named.version {
        let detail = format!(
            "`{}` is asked for, the file holds `{}`",
            named.version, features.version
        );
        return Some((["features", "version"], detail));
    }
    if features.calendar.name != data.calendar {
        let detail = format!(
            "`{}` is not the calendar of feature contract {}, `{}`",
            data.calendar, features.name, features.calendar.name
        );
        return Some((["data", "calendar"], detail));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UtcMillis = UtcMillis(1_767_618_300_000);

    fn folder() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../config")
    }

    fn shipped() -> String {
        std::fs::read_to_string(folder().join("experiments/usdcop_ppo_baseline.yaml")).unwrap()
    }

    fn make(yaml: &str) -> Result<ExperimentContract, ExperimentContractError> {
        ExperimentContract::from_yaml(yaml.as_bytes(), "e.yaml", &folder().join("features"), AT)
    }

    #[test]
    fn the_shipped_experiment_makes_a_contract_that_comes_back_from_json() {
        let contract = make(&shipped()).unwrap();
        assert_eq!(contract.contract_id.as_str(), "CTR-EXP-usdcop_ppo_baseline-1.0.0");
        assert_eq!(contract.date_ranges_version.len(), 16);
        let json = serde_json::to_string(&contract).unwrap();
        assert_eq!(
            serde_json::from_str::<ExperimentContract>(&json).unwrap(),
            contract
        );
        assert!(json.contains("twovote/experiment/v1"), "{json}");
    }

    #[test]
    fn what_does_not_fit_the_feature_contract_is_named_with_its_line() {
        for (from, to, path) in [
            ("version: 2.1.0", "version: 2.2.0", "features.version"),
            ("calendar: usdcop", "calendar: fx_24x5", "data.calendar"),
        ] {
            let yaml = shipped().replace(from, to);
            let error = make(&yaml).unwrap_err();
            let ExperimentContractError::Experiment(error) = error else {
                panic!("{error}");
            };
            assert_eq!(error.path(), Some(path));
            let line = yaml.lines().position(|line| line.contains(to)).unwrap() + 1;
            assert_eq!(error.line(), Some(line), "{error}");
        }
        let error = make(&shipped().replace("contract: usdcop_15", "contract: nowhere")).unwrap_err();
        assert_eq!(error.code(), "feature_contract_unusable");
    }

    #[test]
    fn a_difference_in_content_is_named_and_a_comment_is_none() {
        let first = make(&shipped()).unwrap();
        let commented = make(&format!("# a comment\n{}", shipped())).unwrap();
        assert_ne!(commented.source_hash, first.source_hash);
        assert!(first.differences(&commented).is_empty());
        let other = make(&shipped().replace("seed: 42", "seed: 43")).unwrap();
        let text: Vec<String> = first.differences(&other).iter().map(Change::to_string).collect();
        assert_eq!(text, ["training.seed: 42 → 43"]);
        let spelt = make(&format!("schema_version: twovote/experiment/v1\n{}", shipped())).unwrap();
        let changes = first.differences(&spelt);
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].path, "config_hash");
    }
}
