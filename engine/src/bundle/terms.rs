//! What a core needs to know of a production contract, resolved once when the bundle is built.

use contracts::hash::{ContractDigest, FeatureContractHash};
use contracts::ids::ModelId;

/// What happens to open positions when a model is adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnSwap {
    /// The new model takes the positions over.
    Adopt,
    /// Every open position is ordered closed first.
    Flatten,
}

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
