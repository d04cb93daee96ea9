//! The closed table of a model's stages.

use crate::words::words;

words! {
    /// Where a model stands.
    Stage {
        /// Registered, not allowed.
        Staging = "staging",
        /// What its slot runs.
        Production = "production",
        /// It was in production.
        Archived = "archived",
        /// Reserved: no transition leads here yet.
        Canary = "canary",
        /// Forbidden for ever.
        Withdrawn = "withdrawn",
    }
}

impl Stage {
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
