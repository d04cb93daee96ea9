//! What a core needs to know of a production contract, resolved once when the bundle is built.

use contracts::action::PositionSource;
use contracts::experiment::OnStale;
pub use contracts::experiment::OnSwap;
use contracts::hash::{ContractDigest, FeatureContractHash};
use contracts::ids::ModelId;
use contracts::production::{ContractOrigin, ProductionContract};

/// The terms under which a core decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// Strictly increasing per slot.
    pub generation: u64,
    /// Digest of the contract.
    pub digest: ContractDigest,
    /// The model.
    pub model_id: ModelId,
    /// Equal hashes mean the operators of a running core can go on.
    pub feature_contract_hash: FeatureContractHash,
    /// True for `origin: local`: needs no directive.
    pub is_local: bool,
    /// True for `position_source: feedback`.
    pub is_feedback: bool,
    /// How old a bar may be when it is processed, in milliseconds.
    pub max_bar_age_ms: i64,
    /// How long the contract may be obeyed without a new directive, in hours.
    pub offline_grace_hours: u32,
    /// Positions at a swap.
    pub on_swap: OnSwap,
    /// Seconds of silence after which a position is ordered closed; `None`: held.
    pub flatten_after_s: Option<u32>,
}

impl Terms {
    /// The terms of a verified contract.
    #[must_use]
    pub fn of(contract: &ProductionContract, digest: ContractDigest) -> Self {
        Self {
            generation: contract.generation,
            digest,
            model_id: contract.model_id.clone(),
            feature_contract_hash: contract.hashes.feature_contract_hash,
            is_local: contract.origin == ContractOrigin::Local,
            is_feedback: contract.action.position_source == PositionSource::Feedback,
            max_bar_age_ms: i64::from(contract.max_bar_age_s) * 1_000,
            offline_grace_hours: contract.offline_grace_hours,
            on_swap: contract.on_swap,
            flatten_after_s: match contract.on_stale {
                OnStale::Hold => None,
                OnStale::FlattenAfterS(seconds) => Some(seconds),
            },
        }
    }
}
