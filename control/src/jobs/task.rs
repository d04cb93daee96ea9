//! What a job can be.

use contracts::ids::{ModelId, ProposalId};
use serde::{Deserialize, Serialize};

use crate::proposals::MoreTestName;
use crate::words::words;

words! {
    /// The kinds of jobs.
    JobKind {
        /// A registered model is backtested out of sample and proposed.
        FirstVote = "first_vote",
        /// A proposal is compared with the model that is in production now.
        Comparison = "comparison",
        /// A test that a reviewer asked for.
        MoreTest = "more_test",
    }
}

words! {
    /// Where a job stands.
    JobState {
        /// It waits.
        Queued = "queued",
        /// Somebody works on it.
        Running = "running",
        /// It is done.
        Done = "done",
        /// It failed; its error says why.
        Failed = "failed",
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// The first vote about a model.
    FirstVote {
        /// Which.
        model_id: ModelId,
    },
    /// New evidence: beside the slot's present production model.
    Comparison {
        /// Of which proposal.
        proposal_id: ProposalId,
    },
    /// New evidence: a test of the catalogue.
    MoreTest {
        /// Of which proposal.
        proposal_id: ProposalId,
        /// Which test.
        test: MoreTestName,
    },
}

impl Task {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> JobKind {
        match self {
            Self::FirstVote { .. } => JobKind::FirstVote,
            Self::Comparison { .. } => JobKind::Comparison,
            Self::MoreTest { .. } => JobKind::MoreTest,
        }
    }

    /// What it is about; one job of a kind and a subject is open at a time.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::FirstVote { model_id } => model_id.to_string(),
            Self::Comparison { proposal_id } => proposal_id.to_string(),
            Self::MoreTest { proposal_id, test } => format!("{proposal_id}/{}", test.word()),
        }
    }
}
