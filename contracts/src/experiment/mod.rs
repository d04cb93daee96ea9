//! The experiment: what a researcher writes, and everything a vote is measured against.
//!
//! One file per section of the YAML. A section's defaults are where its type is; unknown fields are errors everywhere.

mod data;
mod environment;
mod evaluation;
mod promotion;
mod reward;
mod training;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::data::{DataSection, DateRange};
pub use self::environment::{ActionSection, EnvironmentSection, FillRule, OvernightRule, SignalEnvironment};
pub use self::evaluation::{EvaluationSection, Gate, MIN_DSR_DEFAULT, Severity, SuccessCriteria};
pub use self::promotion::{
    DEPLOY_WITHIN_DAYS_DEFAULT, EXPIRES_IN_DAYS_DEFAULT, MAX_BAR_AGE_S_DEFAULT, OFFLINE_GRACE_HOURS_DEFAULT,
    OnStale, OnSwap, Promotion,
};
pub use self::reward::{RewardSection, RewardTerm};
pub use self::training::{PpoSection, TrainingSection};
use crate::ids::{ExperimentName, FeatureContractName, SlotId};

/// Who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Name; part of every model id that comes from it.
    pub name: ExperimentName,
    /// Semantic version.
    pub version: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// Which feature contract, by name and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeaturesSection {
    /// Name of the file under `config/features`.
    pub contract: FeatureContractName,
    /// Its version; another one in the file is an error.
    pub version: String,
}

/// A whole experiment, defaults filled in: what is frozen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Who it is.
    pub experiment: Identity,
    /// Where the model would be deployed.
    pub slot: SlotId,
    /// Instrument, calendar and windows.
    pub data: DataSection,
    /// Which features.
    pub features: FeaturesSection,
    /// Capital, costs, fills, action.
    #[serde(default)]
    pub environment: EnvironmentSection,
    /// How the policy is trained.
    pub training: TrainingSection,
    /// What it is rewarded for.
    pub reward: RewardSection,
    /// What it must reach.
    pub evaluation: EvaluationSection,
    /// How votes and deployment go.
    #[serde(default)]
    pub promotion: Promotion,
}
