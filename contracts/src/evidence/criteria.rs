//! The gates of the first vote and what they found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metrics::Interval;
use crate::experiment::Severity;

/// The criteria there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CriterionName {
    /// Annual Sharpe ratio.
    MinSharpe,
    /// Drawdown.
    MaxDrawdown,
    /// Share of trades won.
    MinWinRate,
    /// Closed trades.
    MinTrades,
    /// Against the production model.
    ImprovementThreshold,
    /// Deflated Sharpe ratio.
    MinDsr,
    /// Probabilistic Sharpe ratio.
    MinPsr,
    /// Sessions over the minimum track record.
    MinTrackRecord,
    /// Upper 95 % bound of the drawdown.
    MaxDrawdownUpper95,
    /// P(better than the baseline).
    MinPBetter,
    /// Largest drift of a feature.
    MaxPsi,
}

/// One row of the criteria table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CriterionResult {
    /// Which.
    pub name: CriterionName,
    /// What is asked.
    pub threshold: f64,
    /// What was found; null fails.
    pub actual: Option<f64>,
    /// 95 % interval of what was found.
    pub ci95: Option<Interval>,
    /// Bootstrap probability that the criterion holds; absent where it is not a matter of chance.
    pub p_pass: Option<f64>,
    /// Whether it is met.
    pub passed: bool,
    /// What missing it does.
    pub severity: Severity,
}

/// What makes a REJECT final: the figures themselves cannot be used, and no person can override it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Defect {
    /// Something reads data it could not have had.
    LookAhead,
    /// Equity fell to 0 or below.
    Ruined,
    /// The golden vectors were not reproduced before the run.
    SelfTest,
}

impl Defect {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::LookAhead => "look_ahead",
            Self::Ruined => "ruined",
            Self::SelfTest => "self_test",
        }
    }
}

impl std::str::FromStr for Defect {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let all = [Self::LookAhead, Self::Ruined, Self::SelfTest];
        let found = all.into_iter().find(|defect| defect.word() == word);
        found.ok_or_else(|| format!("`{}` is no defect", word.chars().take(64).collect::<String>()))
    }
}
