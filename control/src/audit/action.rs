//! The closed set of what the chain tells.

use serde::{Deserialize, Serialize};

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        pub enum Action {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl Action {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its word in the database and on the wire.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }
        }
    };
}

actions! {
    /// An experiment contract was registered.
    ExperimentRegistered = "EXPERIMENT_REGISTERED";
    /// A dataset was registered.
    DatasetRegistered = "DATASET_REGISTERED";
    /// A training run was registered.
    TrainingRegistered = "TRAINING_REGISTERED";
    /// Market data was ingested.
    MarketIngested = "MARKET_INGESTED";
    /// A model was registered.
    ModelRegistered = "MODEL_REGISTERED";
    /// A model was forbidden for ever.
    ModelWithdrawn = "MODEL_WITHDRAWN";
    /// Somebody looked at a holdout.
    HoldoutLook = "HOLDOUT_LOOK";
    /// Somebody told what a backtest of theirs gave.
    BacktestRecorded = "BACKTEST_RECORDED";
    /// The first vote was cast.
    Proposed = "PROPOSED";
    /// New evidence made a new revision.
    EvidenceAdded = "EVIDENCE_ADDED";
    /// The second vote: yes.
    Approve = "APPROVE";
    /// The second vote: no.
    Reject = "REJECT";
    /// A reviewer asked for more.
    RequestMoreTests = "REQUEST_MORE_TESTS";
    /// A proposal ran out.
    Expire = "EXPIRE";
    /// A vote was refused, with its reason.
    VoteRefused = "VOTE_REFUSED";
    /// An approved model went into production later.
    Promoted = "PROMOTED";
    /// An earlier model came back.
    RolledBack = "ROLLED_BACK";
    /// A production contract was signed.
    ContractIssued = "CONTRACT_ISSUED";
    /// A directive that changes something was signed.
    DirectiveIssued = "DIRECTIVE_ISSUED";
    /// A slot was halted.
    Halted = "HALTED";
    /// An operator asked to resume.
    ResumeRequested = "RESUME_REQUESTED";
    /// Another operator confirmed it.
    Resumed = "RESUMED";
    /// An engine reported what became of a contract.
    EngineReceipt = "ENGINE_RECEIPT";
    /// A user was made.
    UserAdded = "USER_ADDED";
    /// A user was disabled.
    UserDisabled = "USER_DISABLED";
    /// A user's roles changed.
    UserRoles = "USER_ROLES";
    /// A password changed.
    UserPassword = "USER_PASSWORD";
    /// A token was made.
    TokenCreated = "TOKEN_CREATED";
    /// A token was revoked.
    TokenRevoked = "TOKEN_REVOKED";
    /// An engine has seen higher numbers than were given: they go on above those.
    NumbersRaised = "NUMBERS_RAISED";
    /// The store was restored from a backup.
    Restored = "RESTORED";
}

impl std::str::FromStr for Action {
    type Err = UnknownAction;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|action| action.word() == word);
        found
            .copied()
            .ok_or_else(|| UnknownAction(word.chars().take(64).collect()))
    }
}

/// A word that is no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no audit action")]
pub struct UnknownAction(String);
