//! The `evaluation` section: the gates of the first vote.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a missed gate does to the recommendation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// REJECT.
    Block,
    /// At most REVIEW.
    Warn,
}

/// An optional gate with its severity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// The threshold.
    pub value: f64,
    /// What missing it does.
    pub severity: Severity,
}

/// Default of `min_dsr`, for every experiment that does not name it: five in a hundred lucky ones at most.
pub const MIN_DSR_DEFAULT: Gate = Gate {
    value: 0.95,
    severity: Severity::Warn,
};

/// The plan's criteria (blocking), and the optional ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuccessCriteria {
    /// Annual Sharpe ratio, at least.
    pub min_sharpe: f64,
    /// Drawdown as a positive fraction, at most.
    pub max_drawdown: f64,
    /// Share of trades won, at least.
    pub min_win_rate: f64,
    /// Closed trades, at least.
    pub min_trades: u32,
    /// Improvement over the production model; only where there is one.
    pub improvement_threshold: f64,
    /// Deflated Sharpe ratio, at least.
    #[serde(default = "min_dsr")]
    pub min_dsr: Gate,
    /// Probabilistic Sharpe ratio against 0, at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_psr: Option<Gate>,
    /// Sessions as a share of the minimum track record length, at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_track_record: Option<Gate>,
    /// Upper 95 % bound of the drawdown, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_drawdown_upper95: Option<Gate>,
    /// P(ΔSharpe > 0) against the baseline, at least; only where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_p_better: Option<Gate>,
    /// Largest population stability index of a feature from train to holdout, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_psi: Option<Gate>,
}

fn min_dsr() -> Gate {
    MIN_DSR_DEFAULT
}

/// The `evaluation` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSection {
    /// What the model must reach on the holdout.
    pub success_criteria: SuccessCriteria,
}
