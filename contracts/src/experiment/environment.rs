//! The `environment` section: how a backtest and a trainer fill orders and pay for them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{ActionRule, PositionSource};

/// When an order fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FillRule {
    /// At the open of the next used bar, also across a gap or a night.
    #[default]
    NextOpen,
    /// At the close the decision was made on: for comparison only, and marked in the evidence.
    SameClose,
}

/// What happens to a position at the end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OvernightRule {
    /// It is kept.
    #[default]
    Hold,
    /// It is closed at the session's last used bar.
    Flatten,
}

/// What of the section a production contract carries, beside the action rule, whose default follows from the model
/// ([`crate::action::ActionKind::default_rule`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SignalEnvironment {
    /// Where the observation's position comes from.
    pub position_source: PositionSource,
}

/// The action rule with an optional name of the output it reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ActionSection {
    /// The rule.
    #[serde(flatten)]
    pub rule: ActionRule,
    /// The model's output; without a name the first that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_output: Option<String>,
}

/// The `environment` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EnvironmentSection {
    /// In quote currency.
    pub initial_capital: f64,
    /// Share of the initial capital behind a position of ±1.
    pub position_size: f64,
    /// All-in cost of a change by one, in basis points of its notional.
    pub transaction_cost_bps: f64,
    /// Added to it.
    pub slippage_bps: f64,
    /// When an order fills.
    pub fill: FillRule,
    /// What a night does.
    pub overnight: OvernightRule,
    /// A bar whose close has not changed for this many bars fills nothing.
    pub stale_after_bars: u32,
    /// Where the observation's position comes from.
    pub position_source: PositionSource,
    /// From output to position.
    pub action: ActionSection,
}

impl Default for EnvironmentSection {
    /// The design's example: 100,000 of capital, all of it behind a position, 75 basis points a change.
    fn default() -> Self {
        Self {
            initial_capital: 100_000.0,
            position_size: 1.0,
            transaction_cost_bps: 75.0,
            slippage_bps: 0.0,
            fill: FillRule::default(),
            overnight: OvernightRule::default(),
            stale_after_bars: 12,
            position_source: PositionSource::default(),
            action: ActionSection {
                rule: crate::action::ActionKind::Continuous.default_rule(),
                action_output: None,
            },
        }
    }
}
