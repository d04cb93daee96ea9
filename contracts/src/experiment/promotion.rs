//! The `promotion` section: how long votes last, and what the engine is told about swaps and silence.
//!
//! The defaults are in one place, because a contract made without an experiment (`engine contract make`) takes them too.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an engine does with open positions when it adopts another model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnSwap {
    /// The new model takes them over.
    #[default]
    Adopt,
    /// They are ordered closed first.
    Flatten,
}

/// What an engine does with open positions when a feed falls silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnStale {
    /// It keeps them and says `stale_feed`.
    #[default]
    Hold,
    /// It orders them closed after this many seconds of silence.
    FlattenAfterS(u32),
}

/// Default of `promotion.max_bar_age_s`: seconds after its close during which a bar still gets a decision.
pub const MAX_BAR_AGE_S_DEFAULT: u32 = 60;
/// Default of `promotion.offline_grace_hours`: hours a contract runs without a newer directive.
pub const OFFLINE_GRACE_HOURS_DEFAULT: u32 = 72;
/// Default of `promotion.expires_in_days`: days a proposal waits for its second vote.
pub const EXPIRES_IN_DAYS_DEFAULT: u32 = 7;
/// Default of `promotion.deploy_within_days`: days between an approval and its deployment.
pub const DEPLOY_WITHIN_DAYS_DEFAULT: u32 = 7;

/// The `promotion` section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Promotion {
    /// Days a proposal waits for its second vote.
    pub expires_in_days: u32,
    /// Days between an approval and its deployment.
    pub deploy_within_days: u32,
    /// Open positions at a swap.
    pub on_swap: OnSwap,
    /// Open positions when a feed falls silent.
    pub on_stale: OnStale,
    /// Seconds after its close during which a bar still gets a decision.
    pub max_bar_age_s: u32,
    /// Hours a contract runs without a newer directive.
    pub offline_grace_hours: u32,
}

impl Default for Promotion {
    fn default() -> Self {
        Self {
            expires_in_days: EXPIRES_IN_DAYS_DEFAULT,
            deploy_within_days: DEPLOY_WITHIN_DAYS_DEFAULT,
            on_swap: OnSwap::default(),
            on_stale: OnStale::default(),
            max_bar_age_s: MAX_BAR_AGE_S_DEFAULT,
            offline_grace_hours: OFFLINE_GRACE_HOURS_DEFAULT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_left_out_is_the_default() {
        assert_eq!(
            serde_json::from_str::<Promotion>("{}").unwrap(),
            Promotion::default()
        );
        assert!(serde_json::from_str::<Promotion>(r#"{"max_bar_age": 1}"#).is_err());
    }

    #[test]
    fn on_stale_is_written_as_the_schema_has_it() {
        assert_eq!(serde_json::to_string(&OnStale::Hold).unwrap(), r#""hold""#);
        assert_eq!(
            serde_json::to_string(&OnStale::FlattenAfterS(30)).unwrap(),
            r#"{"flatten_after_s":30}"#
        );
    }
}
