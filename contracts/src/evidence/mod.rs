//! What a proposal is decided on: the evidence that the first vote computes and the second vote binds to.
//!
//! `evidence_digest` = sha256(JCS(evidence)). It holds what was measured, never a status, a reviewer or a time of review. No number
//! in it is NaN or infinite: what is undefined is null with a reason.

mod criteria;
mod metrics;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::criteria::{CriterionName, CriterionResult, Defect};
pub use self::metrics::{Interval, Measured, Metrics, Undefined};
use crate::action::PositionSource;
use crate::experiment::{EnvironmentSection, FillRule, OvernightRule};
use crate::hash::{
    ArtifactHash, BundleHash, ConfigHash, DatasetHash, Digest, EvidenceDigest, ExecHash, FeatureContractHash,
    ModelHash, NormStatsHash,
};
use crate::ids::{ContractId, InstrumentId, ModelId, SlotId};
use crate::jcs::{self, JcsError};
use crate::schema::schema_tag;
use crate::time::DayNumber;

schema_tag!(
    /// Tag of an evidence document.
    EvidenceV1 = "twovote/evidence/v1"
);

/// Tag of [`Fingerprint`].
pub enum OfFingerprint {}
/// SHA-256 of a run's inputs, actions, trades and equity: two runs, and any number of threads, give the same.
pub type Fingerprint = Digest<OfFingerprint>;
/// Tag of [`MarketHash`].
pub enum OfMarket {}
/// SHA-256 of the bars and daily values a run read, in order.
pub type MarketHash = Digest<OfMarket>;

/// Identity of what was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// The model.
    pub model_id: ModelId,
    /// Its bundle.
    pub bundle_hash: BundleHash,
    /// Bytes of its ONNX file.
    pub model_hash: ModelHash,
    /// Bytes of its reduced graph.
    pub exec_hash: Option<ExecHash>,
    /// Its scaler.
    pub norm_stats_hash: NormStatsHash,
    /// Its features.
    pub feature_contract_hash: FeatureContractHash,
    /// What it was trained on; absent for a model trained elsewhere.
    pub dataset_hash: Option<DatasetHash>,
    /// The experiment whose frozen copy holds costs and criteria.
    pub contract_id: ContractId,
    /// The experiment as written.
    pub config_hash: ConfigHash,
}

/// The window it was measured on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Holdout {
    /// The instrument.
    pub instrument: InstrumentId,
    /// First local session date.
    pub first_session: DayNumber,
    /// Last local session date.
    pub last_session: DayNumber,
    /// Listed sessions in it.
    pub sessions: u32,
    /// Used bars in it.
    pub bars: u64,
    /// What was read.
    pub market_hash: MarketHash,
    /// The list of the market store's partitions that were read, in the artifact store; absent where files were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<ArtifactHash>,
}

/// How orders were filled and paid for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecutionSettings {
    /// In quote currency.
    pub initial_capital: f64,
    /// Share of it behind a position of ±1.
    pub position_size: f64,
    /// Of a change by one, in basis points of its notional.
    pub transaction_cost_bps: f64,
    /// Added to it.
    pub slippage_bps: f64,
    /// When an order fills.
    pub fill: FillRule,
    /// Bars between a decision and the bar it may fill at; 1 is the next used bar.
    pub latency_bars: u32,
    /// What a night does.
    pub overnight: OvernightRule,
    /// A bar whose close has not changed for this many bars fills nothing.
    pub stale_after_bars: u32,
    /// Where the observation's position comes from.
    pub position_source: PositionSource,
}

impl From<&EnvironmentSection> for ExecutionSettings {
    /// As an experiment asks for; an order fills at the next bar it may.
    fn from(asked: &EnvironmentSection) -> Self {
        Self {
            initial_capital: asked.initial_capital,
            position_size: asked.position_size,
            transaction_cost_bps: asked.transaction_cost_bps,
            slippage_bps: asked.slippage_bps,
            fill: asked.fill,
            latency_bars: 1,
            overnight: asked.overnight,
            stale_after_bars: asked.stale_after_bars,
            position_source: asked.position_source,
        }
    }
}

/// Counts that a reader of the figures must know.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecutionCounts {
    /// Fills that waited for a bar that is not stale.
    pub delayed_fills: u64,
    /// Fills on bars with high = low.
    pub flat_bar_fills: u64,
    /// Bars without a decision, by reason word.
    pub withheld: std::collections::BTreeMap<String, u64>,
}

/// The paired comparison with the slot's production model, re-run on the same bars.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BaselineComparison {
    /// The production model.
    pub baseline_model_id: ModelId,
    /// Its run.
    pub fingerprint: Fingerprint,
    /// Its figures.
    pub metrics: Metrics,
    /// Its training or validation window reaches into the holdout.
    pub in_sample: bool,
    /// Annual Sharpe ratio, new − base, with its 95 % interval.
    pub delta_sharpe: Measured,
    /// Share of paired resamples in which the new one is better.
    pub p_better: Measured,
    /// (new − base)/base where base ≥ 0.25, else new − base.
    pub sharpe_improvement: Measured,
}

/// How often this holdout has been looked at, and what that does to the Sharpe ratio.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Looks {
    /// This look's number at this window: distinct looks at its most looked-at session, this one included.
    pub number: u32,
    /// Trials the registration declared.
    pub declared: u32,
    /// N: the two together.
    pub trials: u32,
    /// Variance of the trials' Sharpe ratios per session, floored at 1/(T − 1) below ten looks.
    pub variance: Measured,
    /// Expected maximum Sharpe ratio per session of N trials without skill.
    pub expected_maximum: Measured,
}

/// The causality check: data after a cut randomised, outputs before it compared bit by bit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Causality {
    /// Cut points tried.
    pub cuts: u32,
    /// The first output that changed, in words; absent when none did.
    pub look_ahead: Option<String>,
}

/// Drift of one feature from train to holdout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeatureDrift {
    /// The feature.
    pub feature: String,
    /// Population stability index over ten bins of the training data.
    pub psi: Measured,
}

/// A test a reviewer asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MoreTest {
    /// Its name in the catalogue.
    pub test: String,
    /// What it changed, as JSON.
    pub parameters: serde_json::Value,
    /// Its run.
    pub fingerprint: Fingerprint,
    /// Its figures.
    pub metrics: Metrics,
    /// What it says, in one sentence.
    pub finding: String,
}

/// Everything both votes are about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// What this document is.
    pub schema_version: EvidenceV1,
    /// What was measured.
    pub candidate: Candidate,
    /// Where it would run.
    pub slot: SlotId,
    /// On what.
    pub holdout: Holdout,
    /// How.
    pub settings: ExecutionSettings,
    /// The run.
    pub fingerprint: Fingerprint,
    /// Counts of the run.
    pub counts: ExecutionCounts,
    /// The figures.
    pub metrics: Metrics,
    /// The gates and whether they are met.
    pub criteria: Vec<CriterionResult>,
    /// The production model beside it; absent in an empty slot.
    pub baseline: Option<BaselineComparison>,
    /// How often the holdout was looked at.
    pub looks: Looks,
    /// Whether anything peeks ahead.
    pub causality: Causality,
    /// The golden vectors were reproduced before the run.
    pub self_test_passed: bool,
    /// Drift of the features.
    pub drift: Vec<FeatureDrift>,
    /// Tests asked for since, in order.
    pub more_tests: Vec<MoreTest>,
    /// What the figures leave out, in words (carry is ignored, fills at the same close, …).
    pub caveats: Vec<String>,
}

impl Evidence {
    /// What both votes bind to, and the `ETag` of the proposal.
    ///
    /// # Errors
    /// [`JcsError`] when a number is not finite, which evidence must never hold.
    pub fn digest(&self) -> Result<EvidenceDigest, JcsError> {
        jcs::digest(self)
    }
}
