//! The experiment: what a researcher writes, and everything a vote is measured against.
//!
//! One file per section of the YAML. A section's defaults are where its type is; unknown fields are errors everywhere.
//! [`parse`] is the one door from a researcher's file; [`contract::ExperimentContract`] is what is kept of it.

mod check;
pub mod contract;
mod data;
pub mod diff;
mod environment;
mod evaluation;
mod parse;
mod promotion;
mod reward;
mod training;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::data::{DataSection, DateRange};
pub use self::environment::{ActionSection, EnvironmentSection, FillRule, OvernightRule, SignalEnvironment};
pub use self::evaluation::{EvaluationSection, Gate, MIN_DSR_DEFAULT, Severity, SuccessCriteria};
pub use self::parse::{ExperimentError, Parsed, parse};
pub use self::promotion::{
    DEPLOY_WITHIN_DAYS_DEFAULT, EXPIRES_IN_DAYS_DEFAULT, MAX_BAR_AGE_S_DEFAULT, OFFLINE_GRACE_HOURS_DEFAULT,
    OnStale, OnSwap, Promotion,
};
pub use self::reward::{RewardSection, RewardTerm};
pub use self::training::{PpoSection, TrainingSection};
use crate::ids::{ExperimentName, FeatureContractName, SlotId};
use crate::schema::schema_tag;

schema_tag!(
    /// Tag of a frozen experiment.
    ExperimentV1 = "twovote/experiment/v1"
);

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
    /// What this document is; a file may leave it out, the frozen copy never does.
    #[serde(default)]
    pub schema_version: ExperimentV1,
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
