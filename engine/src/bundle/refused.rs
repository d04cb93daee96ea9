//! Why a contract was not adopted. The running model stays; the reason goes into the load receipt.

use contracts::golden::GoldenError;
use contracts::hash::{ArtifactHash, ContractDigest};
use contracts::ids::{Environment, SlotId};
use contracts::norm_stats::NormStatsError;
use contracts::numerics::NumericsError;
use contracts::production::{ContractError, VerifyError};
use strategy::onnx::admit::AdmitError;
use strategy::policy::InferError;
use strategy::policy::source::SourceError;
use strategy::strategy::StrategyError;

/// Why an artifact cannot be had. The follower asks again at its next look.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The source does not have it.
    #[error("the source has no such file")]
    Missing,
    /// Larger than anything of its kind.
    #[error("{bytes} bytes are more than the {bytes_max} it may have")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        bytes_max: usize,
    },
    /// The source cannot be read now.
    #[error("the source cannot be read")]
    Unavailable(#[source] std::io::Error),
    /// The source has a newer contract: what this one needs is not waited for.
    #[error("a newer contract has come")]
    Replaced,
}

/// The first reason that applies, in the order in which things are checked.
#[derive(Debug, thiserror::Error)]
pub enum RefusedReason {
    /// No contract of a version this build reads, or one that contradicts itself.
    #[error("it is no acceptable contract")]
    Contract(#[source] ContractError),
    /// The contract's signatures, or its votes', do not carry it.
    #[error("its signatures do not carry it")]
    Verify(#[source] VerifyError),
    /// Nobody voted for it, and this engine does not run such contracts.
    #[error("it is a local contract, and allow_local_contracts is false")]
    LocalNotAllowed,
    /// It is for another environment.
    #[error("it is for environment `{found}`, this engine is in `{own}`")]
    Environment {
        /// The contract's.
        found: Environment,
        /// The engine's.
        own: Environment,
    },
    /// It is for another slot.
    #[error("it is for slot `{found}`, this engine serves `{own}`")]
    Slot {
        /// The contract's.
        found: SlotId,
        /// The engine's.
        own: SlotId,
    },
    /// It binds other instruments than the engine is configured with.
    #[error("it binds {found}, this engine is configured with {own}")]
    Instruments {
        /// The contract's, joined.
        found: String,
        /// The engine's, joined.
        own: String,
    },
    /// A newer generation was accepted before: a replayed contract.
    #[error("its generation {found} is below {highest}, which was accepted before")]
    OlderGeneration {
        /// The contract's.
        found: u64,
        /// The highest accepted.
        highest: u64,
    },
    /// Two contracts claim one generation.
    #[error("generation {generation} was accepted before as {accepted}, this is {found}")]
    OtherDigest {
        /// The generation.
        generation: u64,
        /// The contract's.
        found: ContractDigest,
        /// The one accepted.
        accepted: ContractDigest,
    },
    /// This engine cannot provide its arithmetic.
    #[error("its numerics cannot be provided")]
    Numerics(#[source] NumericsError),
    /// A file cannot be had.
    #[error("its {what} {hash} cannot be fetched")]
    Fetch {
        /// Which file.
        what: &'static str,
        /// Its address.
        hash: ArtifactHash,
        /// Why.
        source: FetchError,
    },
    /// A file is not what its address says.
    #[error("its {what} has hash {found}, the contract says {expected}")]
    ArtifactHash {
        /// Which file.
        what: &'static str,
        /// Of the bytes.
        found: ArtifactHash,
        /// In the contract.
        expected: ArtifactHash,
    },
    /// The norm stats do not parse or are not those the bundle hash covers.
    #[error("its norm stats are not acceptable")]
    NormStats(#[source] NormStatsError),
    /// The norm stats parse, but are not the document the contract names.
    #[error("its norm stats have another content than norm_stats_hash says")]
    NormStatsHash,
    /// Features, norm stats and action rule do not fit each other.
    #[error("its parts do not fit")]
    Strategy(#[source] StrategyError),
    /// The model is refused or cannot be loaded.
    #[error("its model cannot be loaded")]
    Model(#[source] SourceError),
    /// The golden vectors do not parse.
    #[error("its golden vectors are not acceptable")]
    Golden(#[source] GoldenError),
    /// Golden vectors, model and features are not of one width.
    #[error("its {what} is {found} wide, {expected} is expected")]
    Width {
        /// Which.
        what: &'static str,
        /// As found.
        found: usize,
        /// As expected.
        expected: usize,
    },
    /// The model gives no number on a golden row.
    #[error("its model's output is not finite on golden row {row}")]
    NotFinite {
        /// From 0.
        row: usize,
    },
    /// The model fails on a golden row.
    #[error("its model fails on the golden rows")]
    Infer(#[source] InferError),
    /// The model answers otherwise than the contract says.
    #[error("golden row {row} gives {found:?}, the contract says {expected:?} (limit {limit:e})")]
    GoldenMismatch {
        /// From 0.
        row: usize,
        /// The outputs here.
        found: Vec<f32>,
        /// The contract's.
        expected: Vec<f32>,
        /// The contract's limit.
        limit: f64,
    },
    /// The outputs agree, the position they lead to does not.
    #[error("golden row {row} leads to another position than the contract says")]
    GoldenAction {
        /// From 0.
        row: usize,
    },
    /// A row takes longer than the contract allows.
    #[error("a row takes {found_us} µs, the contract allows {limit_us}")]
    TooSlow {
        /// Median over the golden rows.
        found_us: u64,
        /// The contract's limit.
        limit_us: u32,
    },
    /// Loading took longer than any contract may.
    #[error("loading took longer than {limit_ms} ms, up to {stage}")]
    Deadline {
        /// The limit.
        limit_ms: i64,
        /// What was done last.
        stage: &'static str,
    },
    /// The feature state could not be warmed up.
    #[error("its features cannot be warmed up: {detail}")]
    Warm {
        /// Why.
        detail: String,
    },
}

impl RefusedReason {
    /// A stable word for receipts and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Contract(ContractError::WrongHash { .. })
            | Self::ArtifactHash { .. }
            | Self::NormStatsHash => "wrong_hash",
            Self::Contract(_) => "bad_contract",
            Self::Verify(VerifyError::Contract(_)) => "bad_signature",
            Self::Verify(VerifyError::Votes(_)) => "bad_vote",
            Self::LocalNotAllowed => "local_not_allowed",
            Self::Environment { .. } => "environment_mismatch",
            Self::Slot { .. } => "slot_mismatch",
            Self::Instruments { .. } => "instruments_mismatch",
            Self::OlderGeneration { .. } => "older_generation",
            Self::OtherDigest { .. } => "generation_taken",
            Self::Numerics(_) => "unsupported_numerics",
            Self::Fetch {
                source: FetchError::TooLarge { .. },
                ..
            } => "too_large",
            Self::Fetch { .. } => "not_available",
            Self::NormStats(_) => "bad_norm_stats",
            Self::Strategy(_) => "bad_strategy",
            Self::Model(SourceError::Admit(AdmitError::Width { .. })) | Self::Width { .. } => "wrong_width",
            Self::Model(SourceError::Admit(_)) => "not_admitted",
            Self::Model(SourceError::Library(_)) => "unsupported_numerics",
            Self::Model(_) => "bad_model",
            Self::Golden(_) => "bad_golden",
            Self::NotFinite { .. } => "not_finite",
            Self::Infer(_) => "infer_failed",
            Self::GoldenMismatch { .. } | Self::GoldenAction { .. } => "golden_mismatch",
            Self::TooSlow { .. } | Self::Deadline { .. } => "too_slow",
            Self::Warm { .. } => "warm_failed",
        }
    }

    /// True when the same contract may be accepted at a later look, though nothing about it has changed.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Fetch {
                source: FetchError::Missing | FetchError::Unavailable(_) | FetchError::Replaced,
                ..
            } | Self::TooSlow { .. }
                | Self::Deadline { .. }
                | Self::Warm { .. }
                | Self::Model(SourceError::Library(_))
                | Self::Numerics(NumericsError::RuntimeMissing { .. })
        )
    }

    /// The error and its causes in one line.
    #[must_use]
    pub fn detail(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text
    }
}
