//! The dataset of an experiment: what its policy is trained on, what chooses between checkpoints, and what is held out.
//!
//! `rows` (what is seen at which bar) → `fit` (norm stats, on train alone) → `hash` and `manifest` (what it is) → `encode` (its files'
//! bytes) → `folder` (on disk whole or not at all, and back with every hash checked).
//!
//! Rows come from the eyes of the backtest, which are those of live: a bar has a row exactly when the strategy could decide on it. Features
//! are stored as they come from the operators; normalising is the strategy's. State features (position, time of the session) are no columns:
//! they are known only where the policy runs.

mod build;
mod encode;
mod error;
mod fit;
mod folder;
mod hash;
mod manifest;
mod read;
mod rows;

use contracts::norm_stats::NormStats;
use serde::{Deserialize, Serialize};

pub use self::build::build;
pub use self::encode::{DatasetFile, encode};
pub use self::error::{DatasetError, EncodeError, LoadDatasetError, WriteDatasetError};
pub use self::fit::fit;
pub use self::folder::{MANIFEST_FILE, NORM_STATS_FILE, load, write};
pub use self::hash::{column_names, dataset_hash};
pub use self::manifest::{DatasetV1, FeaturesOfDataset, Manifest, SplitFacts};
pub use self::rows::{Rows, Seen, observe};

/// One of the three windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitName {
    /// Fits norm stats and policy.
    Train,
    /// Chooses between checkpoints.
    Val,
    /// The holdout.
    Test,
}

impl SplitName {
    /// All three, in the order of time.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    /// As in the files' names.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }
}

impl std::fmt::Display for SplitName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// A dataset in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Rows of train, val and test, in this order.
    pub splits: [Rows; 3],
    /// Fitted on train.
    pub norm_stats: NormStats,
    /// What it is and where it comes from.
    pub manifest: Manifest,
}

impl Dataset {
    /// Rows of a split.
    #[must_use]
    pub const fn rows(&self, split: SplitName) -> &Rows {
        &self.splits[split as usize]
    }
}
