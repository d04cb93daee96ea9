//! From a model's output to −1, 0 or 1: the documents; the arithmetic lives in `strategy`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Default upper threshold of a continuous action.
pub const LONG_ABOVE_DEFAULT: f64 = 0.33;
/// Default lower threshold of a continuous action.
pub const SHORT_BELOW_DEFAULT: f64 = -0.33;
/// Default map from an index of the output to a position.
pub const INDEX_MAP_DEFAULT: [i8; 3] = [-1, 0, 1];

/// The rule that turns the model's raw output into a position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ActionRule {
    /// One number, clipped to \[−1, 1\].
    Continuous {
        /// Above this: long.
        long_above: f64,
        /// Below this: short.
        short_below: f64,
    },
    /// Three numbers; the first maximum wins.
    Logits {
        /// Position of each index.
        map: [i8; 3],
    },
    /// An integer 0, 1 or 2.
    Index {
        /// Position of each index.
        map: [i8; 3],
    },
}

/// The kind of an [`ActionRule`] without its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// One number.
    Continuous,
    /// Three numbers.
    Logits,
    /// One integer.
    Index,
}

impl ActionKind {
    /// Values per row of the output: 1, 3 or 1.
    #[must_use]
    pub const fn width(self) -> usize {
        match self {
            Self::Continuous | Self::Index => 1,
            Self::Logits => 3,
        }
    }

    /// The rule of this kind with the design's default numbers.
    #[must_use]
    pub const fn default_rule(self) -> ActionRule {
        match self {
            Self::Continuous => ActionRule::Continuous {
                long_above: LONG_ABOVE_DEFAULT,
                short_below: SHORT_BELOW_DEFAULT,
            },
            Self::Logits => ActionRule::Logits {
                map: INDEX_MAP_DEFAULT,
            },
            Self::Index => ActionRule::Index {
                map: INDEX_MAP_DEFAULT,
            },
        }
    }
}

/// Why a rule is no rule.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ActionRuleError {
    /// Thresholds must be finite, inside \[−1, 1\], and `short_below` ≤ `long_above`.
    #[error(
        "thresholds long_above {long_above} and short_below {short_below} must lie in [-1, 1], the lower one first"
    )]
    Thresholds {
        /// As given.
        long_above: f64,
        /// As given.
        short_below: f64,
    },
    /// A map holds −1, 0 and 1 once each.
    #[error("index map {map:?} must hold -1, 0 and 1 once each")]
    Map {
        /// As given.
        map: [i8; 3],
    },
}

impl ActionRule {
    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> ActionKind {
        match self {
            Self::Continuous { .. } => ActionKind::Continuous,
            Self::Logits { .. } => ActionKind::Logits,
            Self::Index { .. } => ActionKind::Index,
        }
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// [`ActionRuleError`] naming them.
    pub fn check(&self) -> Result<(), ActionRuleError> {
        match *self {
            Self::Continuous {
                long_above,
                short_below,
            } => {
                let inside = |x: f64| (-1.0..=1.0).contains(&x);
                if !inside(long_above) || !inside(short_below) || short_below > long_above {
                    return Err(ActionRuleError::Thresholds {
                        long_above,
                        short_below,
                    });
                }
            }
            Self::Logits { map } | Self::Index { map } => {
                let mut sorted = map;
                sorted.sort_unstable();
                if sorted != [-1, 0, 1] {
                    return Err(ActionRuleError::Map { map });
                }
            }
        }
        Ok(())
    }
}

/// Where the observation's `position` comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PositionSource {
    /// The engine's own decisions.
    #[default]
    Signal,
    /// Fills reported by the consumer.
    Feedback,
}

/// A model's output for one row, as it came: before clipping or choosing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Raw {
    /// The model was not asked.
    #[default]
    None,
    /// One number.
    Scalar(f32),
    /// Three numbers.
    Logits([f32; 3]),
    /// The index an integer output chose.
    Index(i64),
}
