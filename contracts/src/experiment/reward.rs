//! The `reward` section: weights that sum to 1, and the parameters of the terms.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The terms of the reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RewardTerm {
    /// Change of equity before costs.
    Pnl,
    /// What changes of position cost.
    TransactionCost,
    /// Every bar with a position.
    Holding,
    /// Every bar without one, after a while.
    Inactivity,
    /// Every change of the decision.
    Churn,
    /// Every growth of the distance from the highest equity.
    Drawdown,
}

/// The `reward` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RewardSection {
    /// Weight per term, none negative, together 1; a term left out weighs 0.
    pub weights: BTreeMap<RewardTerm, f64>,
    /// Parameters of the terms, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, f64>,
}
