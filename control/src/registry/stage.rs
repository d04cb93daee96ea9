//! The closed table of a model's stages.

use serde::{Deserialize, Serialize};

/// Where a model stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Registered, not allowed.
    Staging,
    /// What its slot runs.
    Production,
    /// It was in production.
    Archived,
    /// Reserved: no transition leads here yet.
    Canary,
    /// Forbidden for ever.
    Withdrawn,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Staging,
        Self::Production,
        Self::Archived,
        Self::Canary,
        Self::Withdrawn,
    ];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Production => "production",
            Self::Archived => "archived",
            Self::Canary => "canary",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The table of transitions; the database refuses all others too.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Staging, Self::Production)
                | (Self::Production, Self::Archived)
                | (Self::Archived, Self::Production)
                | (
                    Self::Staging | Self::Production | Self::Archived | Self::Canary,
                    Self::Withdrawn
                )
        )
    }
}

impl std::str::FromStr for Stage {
    type Err = UnknownStage;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|stage| stage.word() == word);
        found.ok_or_else(|| UnknownStage(word.chars().take(64).collect()))
    }
}

/// A word that is no stage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no stage: staging, production, archived or withdrawn")]
pub struct UnknownStage(String);
