//! Load receipts: what became of every contract the follower tried.

use contracts::hash::ContractDigest;
use contracts::ids::ModelId;
use serde::{Deserialize, Serialize};

/// What became of a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Receipt {
    /// Every core runs it.
    Serving {
        /// Its generation.
        generation: u64,
        /// Its digest.
        contract: ContractDigest,
        /// Its model.
        model_id: ModelId,
        /// Of the `model_swapped` message.
        seq: u64,
    },
    /// It was not adopted; what ran before goes on.
    Refused {
        /// The generation it claims, where it could be read.
        generation: Option<u64>,
        /// Its digest, where it could be read.
        contract: Option<ContractDigest>,
        /// A stable word: see [`crate::bundle::RefusedReason::code`].
        code: String,
        /// What and why.
        detail: String,
    },
    /// A newer one was published before every core had adopted it.
    Superseded {
        /// Its generation.
        generation: u64,
        /// Its digest.
        contract: ContractDigest,
    },
}

impl Receipt {
    /// The outcome, as it is counted; one of [`crate::metrics::SWAP_OUTCOMES`].
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Serving { .. } => "serving",
            Self::Refused { .. } => "refused",
            Self::Superseded { .. } => "superseded",
        }
    }
}

/// Where receipts go: the log, and the control plane where one is followed.
pub trait ReceiptSink: Send {
    /// Takes one receipt.
    fn receipt(&mut self, receipt: &Receipt);
}

/// Receipts as log events.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogReceipts;

impl ReceiptSink for LogReceipts {
    fn receipt(&mut self, receipt: &Receipt) {
        match receipt {
            Receipt::Serving {
                generation,
                contract,
                model_id,
                seq,
            } => tracing::info!(generation, %contract, %model_id, seq, "serving"),
            Receipt::Refused {
                generation,
                code,
                detail,
                ..
            } => tracing::error!(generation, code, detail, "contract refused"),
            Receipt::Superseded {
                generation, contract, ..
            } => tracing::info!(generation, %contract, "superseded before it was adopted"),
        }
    }
}
