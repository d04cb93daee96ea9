//! The production contract: what an engine obeys.
//!
//! Immutable and content-addressed: its digest is the SHA-256 of its canonical JSON without `signatures`, and that is what
//! is signed. A parsed contract has passed every check that needs no key and no configuration ([`ProductionContract::parse`]);
//! [`ProductionContract::verify`] adds the signatures of the contract and of the votes in it.

mod check;
#[cfg(test)]
pub(crate) mod samples;
mod votes;

use serde::{Deserialize, Serialize};

pub use self::check::ContractError;
pub use self::votes::{
    Decision, FirstVote, Promote, Recommendation, Rollback, SecondVote, Signed, Statement, VoteError, Votes,
};
use crate::action::{ActionRule, PositionSource};
use crate::experiment::{OnStale, OnSwap};
use crate::features::FeatureContract;
use crate::hash::{
    ArtifactHash, BundleHash, ConfigHash, ContractDigest, DatasetHash, ExecHash, FeatureContractHash,
    FeatureOrderHash, ModelHash, NormStatsHash,
};
use crate::ids::{
    ContractId, Environment, ExperimentName, InstrumentId, KeyId, ModelId, PersonId, ProposalId, SlotId,
};
use crate::jcs::{self, JcsError};
use crate::numerics::Numerics;
use crate::schema::schema_tag;
use crate::signing::{self, Domain, Signature, SignatureError, SigningKey, TrustedKeys};
use crate::time::UtcMillis;

schema_tag!(
    /// Tag of a production contract.
    ProductionContractV1 = "twovote/production-contract/v1"
);

/// Hex characters of the bundle hash in a model id.
const MODEL_ID_HEX: usize = 12;
/// The experiment part of a local model's id.
const LOCAL_EXPERIMENT: &str = "local";
/// The environment of every local contract.
pub const LOCAL_ENVIRONMENT: &str = "local";

/// Who allowed the contract the engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContractOrigin {
    /// Two votes, with their signed statements.
    Votes,
    /// `engine contract make` on this machine: nobody voted.
    Local,
}

/// Which instruments a contract binds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Instruments {
    /// `"*"`: whatever the engine is configured with; local contracts only.
    Any(AnyInstrument),
    /// Exactly these, sorted, each once.
    Listed(Vec<InstrumentId>),
}

/// The text `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum AnyInstrument {
    /// `*`
    #[serde(rename = "*")]
    Any,
}

/// The experiment a model came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExperimentRef {
    /// Name.
    pub name: ExperimentName,
    /// Version.
    pub version: String,
    /// Its immutable contract.
    pub contract_id: ContractId,
}

/// Identity of what was trained and what is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hashes {
    /// Bytes of the original ONNX file.
    pub model_hash: ModelHash,
    /// Bytes of the reduced graph; absent where the original runs row by row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec_hash: Option<ExecHash>,
    /// Canonical JSON of the norm stats.
    pub norm_stats_hash: NormStatsHash,
    /// Canonical JSON of the feature contract.
    pub feature_contract_hash: FeatureContractHash,
    /// Names of the features, in order.
    pub feature_order_hash: FeatureOrderHash,
    /// Model, norm stats, feature contract and action together.
    pub bundle_hash: BundleHash,
    /// The experiment's configuration; absent in local contracts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_hash: Option<ConfigHash>,
    /// The dataset; absent in local contracts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_hash: Option<DatasetHash>,
}

/// Addresses of the files in the artifact store: SHA-256 of their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Artifacts {
    /// The original ONNX file.
    pub model: ArtifactHash,
    /// The reduced graph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<ArtifactHash>,
    /// `norm_stats.json`.
    pub norm_stats: ArtifactHash,
    /// The golden vectors.
    pub golden: ArtifactHash,
}

impl Artifacts {
    /// All of them, each once.
    pub fn all(&self) -> impl Iterator<Item = ArtifactHash> {
        [
            Some(self.model),
            self.exec,
            Some(self.norm_stats),
            Some(self.golden),
        ]
        .into_iter()
        .flatten()
    }
}

/// How the model's output becomes a position: the part of the bundle that is no file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionBinding {
    /// Thresholds or index map.
    pub rule: ActionRule,
    /// Name of the chosen output in the original graph.
    pub output: String,
    /// Where the observation's position comes from.
    pub position_source: PositionSource,
}

/// How far an engine's own run of the golden vectors may be from what the contract says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GoldenLimits {
    /// Largest accepted |raw − golden raw|.
    pub raw_abs_max: f64,
    /// Within this distance of a threshold or a tie the action may differ.
    pub action_band: f64,
    /// Largest accepted median time of one row, in microseconds.
    pub row_us_max: u32,
}

impl Default for GoldenLimits {
    /// 1e-5 twice, the bound under which the dense executor was admitted; a millisecond a row, a hundred times what the
    /// test policies need.
    fn default() -> Self {
        Self {
            raw_abs_max: 1e-5,
            action_band: 1e-5,
            row_us_max: 1_000,
        }
    }
}

/// Where it came from, for people and for `/lineage`; nothing in it is obeyed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// The proposal both votes are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal_id: Option<ProposalId>,
    /// The training run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training_run: Option<String>,
    /// The out-of-sample backtest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backtest: Option<String>,
    /// The model this one took over from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_model_id: Option<ModelId>,
}

/// What the engine obeys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductionContract {
    /// What this document is.
    pub schema_version: ProductionContractV1,
    /// Who stands behind it.
    pub origin: ContractOrigin,
    /// `paper`, `prod`, …; `local` for a local contract.
    pub environment: Environment,
    /// The slot.
    pub slot: SlotId,
    /// The slot's instruments.
    pub instruments: Instruments,
    /// Seconds a bar covers.
    pub bar_interval_s: u32,
    /// `{experiment}-{first 12 of bundle_hash}`.
    pub model_id: ModelId,
    /// The experiment; absent in local contracts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<ExperimentRef>,
    /// Identity of everything that was trained and is run.
    pub hashes: Hashes,
    /// Where the files are.
    pub artifacts: Artifacts,
    /// The features, calendar and macro delays included.
    pub feature_contract: FeatureContract,
    /// From output to position.
    pub action: ActionBinding,
    /// Under which arithmetic.
    pub numerics: Numerics,
    /// Open positions at a swap.
    pub on_swap: OnSwap,
    /// Open positions when a feed falls silent.
    pub on_stale: OnStale,
    /// Hours without a newer directive until `unconfirmed`; not obeyed in a local contract, which needs none.
    pub offline_grace_hours: u32,
    /// Seconds after its close during which a bar still gets a decision.
    pub max_bar_age_s: u32,
    /// Limits of the golden comparison.
    pub golden_limits: GoldenLimits,
    /// The signed statements; exactly with [`ContractOrigin::Votes`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub votes: Option<Votes>,
    /// Who cast the second vote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<PersonId>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<UtcMillis>,
    /// When this contract was made.
    pub issued_at: UtcMillis,
    /// The key it was first signed with.
    pub key_id: KeyId,
    /// Strictly increasing per slot.
    pub generation: u64,
    /// Where it came from.
    pub lineage: Lineage,
    /// Over the digest; not part of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<Signature>,
}

/// Why a contract's signatures, or those of its votes, do not carry it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The contract's own.
    #[error("the contract is not carried by its signatures")]
    Contract(#[source] SignatureError),
    /// A vote's.
    #[error("the votes in the contract do not carry it")]
    Votes(#[source] VoteError),
}

/// `sha256(JCS{model_hash, norm_stats_hash, feature_contract_hash, action})`: the same ONNX file with another scaler, other
/// features or another rule is another model.
///
/// # Errors
/// [`JcsError`] when a threshold is not finite.
pub fn bundle_hash(
    model_hash: ModelHash,
    norm_stats_hash: NormStatsHash,
    feature_contract_hash: FeatureContractHash,
    action: &ActionBinding,
) -> Result<BundleHash, JcsError> {
    #[derive(Serialize)]
    struct Bundle<'a> {
        model_hash: ModelHash,
        norm_stats_hash: NormStatsHash,
        feature_contract_hash: FeatureContractHash,
        action: &'a ActionBinding,
    }
    jcs::digest(&Bundle {
        model_hash,
        norm_stats_hash,
        feature_contract_hash,
        action,
    })
}

/// `{experiment}-{first 12 of bundle_hash}`, `local-…` without an experiment; `None` when that is too long for an id.
#[must_use]
pub fn model_id(experiment: Option<&ExperimentName>, bundle_hash: BundleHash) -> Option<ModelId> {
    let name = experiment.map_or(LOCAL_EXPERIMENT, ExperimentName::as_str);
    ModelId::parse(&format!("{name}-{}", bundle_hash.short(MODEL_ID_HEX))).ok()
}

impl ProductionContract {
    /// Parses a contract and checks everything that follows from the document alone.
    ///
    /// # Errors
    /// [`ContractError`].
    pub fn parse(json: &[u8]) -> Result<Self, ContractError> {
        check::parse(json)
    }

    /// What is signed, and what `contract` in messages is.
    ///
    /// # Errors
    /// [`JcsError`] when a number in it is not finite, which a parsed contract's never is.
    pub fn digest(&self) -> Result<ContractDigest, JcsError> {
        let unsigned = Self {
            signatures: Vec::new(),
            ..self.clone()
        };
        jcs::digest(&unsigned)
    }

    /// Adds a signature.
    ///
    /// # Errors
    /// As [`Self::digest`].
    pub fn sign(&mut self, key: &SigningKey) -> Result<(), JcsError> {
        let signature = key.sign(Domain::ProductionContract, self.digest()?);
        self.signatures.push(signature);
        Ok(())
    }

    /// Checks the contract's signatures and, with [`ContractOrigin::Votes`], those of the votes and that they are about this
    /// contract.
    ///
    /// # Errors
    /// [`VerifyError`].
    ///
    /// # Panics
    /// Never for a parsed contract: its numbers are finite.
    pub fn verify(&self, trusted: &TrustedKeys) -> Result<KeyId, VerifyError> {
        let digest = self
            .digest()
            .expect("a parsed contract holds finite numbers only");
        let key_id = signing::verify(&self.signatures, trusted, Domain::ProductionContract, digest)
            .map_err(VerifyError::Contract)?;
        if let Some(votes) = &self.votes {
            votes.verify(self, trusted).map_err(VerifyError::Votes)?;
        }
        Ok(key_id)
    }

    /// True when the contract is about this instrument.
    #[must_use]
    pub fn binds(&self, instrument: &InstrumentId) -> bool {
        match &self.instruments {
            Instruments::Any(_) => true,
            Instruments::Listed(listed) => listed.contains(instrument),
        }
    }
}
