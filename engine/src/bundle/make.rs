//! Making a local contract: a model nobody voted for, with everything an engine checks.

use std::collections::BTreeMap;

use contracts::experiment::{Promotion, SignalEnvironment};
use contracts::features::FeatureContract;
use contracts::golden::GoldenError;
use contracts::hash::{ArtifactHash, Digest, ModelHash};
use contracts::ids::{Environment, SlotId};
use contracts::jcs::JcsError;
use contracts::limits::BAR_INTERVAL_MS;
use contracts::norm_stats::{NormStats, NormStatsError};
use contracts::numerics::{Executor, Numerics};
use contracts::production::{
    ActionBinding, AnyInstrument, Artifacts, ContractOrigin, GoldenLimits, Hashes, Instruments,
    LOCAL_ENVIRONMENT, Lineage, ProductionContract, ProductionContractV1, bundle_hash, model_id,
};
use contracts::signing::SigningKey;
use contracts::time::UtcMillis;
use strategy::golden::{self, GoldenInputs, ObserveError};
use strategy::onnx::inspect::{InspectError, Inspection, Request, inspect};
use strategy::policy::library::{self, LibraryError};

use super::{ArtifactSource, FetchError};

/// What a local contract is made of.
#[derive(Debug)]
pub struct MakeRequest<'a> {
    /// Bytes of the ONNX file.
    pub model: &'a [u8],
    /// Bytes of `norm_stats.json`.
    pub norm_stats: &'a [u8],
    /// The features.
    pub features: FeatureContract,
    /// The slot.
    pub slot: SlotId,
    /// The output to act on; without a name the first that fits.
    pub action_output: Option<&'a str>,
    /// The executor; without one `dense` where it is admitted, else `ort`.
    pub executor: Option<Executor>,
    /// Observations for the golden vectors.
    pub golden: GoldenInputs<'a>,
    /// When; the generation is this in seconds.
    pub created_at: UtcMillis,
    /// Signs the contract.
    pub key: &'a SigningKey,
}

/// A contract with its files.
#[derive(Debug)]
pub struct Made {
    /// The signed contract.
    pub contract: ProductionContract,
    /// Its file.
    pub json: Vec<u8>,
    /// Its artifacts by address.
    pub artifacts: BTreeMap<ArtifactHash, Vec<u8>>,
    /// What was found in the model.
    pub inspection: Inspection,
}

/// Why no contract was made; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The norm stats do not parse.
    #[error("the norm stats are not acceptable")]
    NormStats(#[source] NormStatsError),
    /// There are no golden observations.
    #[error("no golden observations")]
    Observations(#[source] ObserveError),
    /// The model is refused.
    #[error("the model is refused")]
    Inspect(#[source] InspectError),
    /// ONNX Runtime is missing.
    #[error("ONNX Runtime is needed to compute the golden outputs")]
    Library(#[source] LibraryError),
    /// The golden vectors came out wrong.
    #[error("the golden vectors are not acceptable")]
    Golden(#[source] GoldenError),
    /// A number cannot be hashed.
    #[error("a number of the contract cannot be hashed")]
    Jcs(#[source] JcsError),
    /// The contract contradicts itself.
    #[error("the contract contradicts itself")]
    Contract(#[source] contracts::production::ContractError),
}

/// Makes and signs a local contract.
///
/// # Errors
/// [`MakeError`].
///
/// # Panics
/// Never: the fixed names in it are acceptable ids.
pub fn make(request: MakeRequest<'_>) -> Result<Made, MakeError> {
    let stats = NormStats::parse(request.norm_stats).map_err(MakeError::NormStats)?;
    let width = request.features.features.len();
    let (source, rows) =
        golden::observations(&request.features, &stats, request.golden).map_err(MakeError::Observations)?;
    let inspection = inspect(
        request.model,
        &Request {
            width,
            rule: None,
            action_output: request.action_output,
            executor: request.executor,
            golden: &rows,
        },
    )
    .map_err(MakeError::Inspect)?;
    let golden = golden::vectors(source, &rows, width, (&inspection).into()).map_err(MakeError::Golden)?;
    let golden = golden.to_bytes().map_err(MakeError::Jcs)?;
    let mut contract = contract(&request, &stats, &inspection, &golden)?;
    contract.sign(request.key).map_err(MakeError::Jcs)?;
    let mut json = serde_json::to_vec_pretty(&contract).expect("a contract is plain data with text keys");
    json.push(b'\n');
    let contract = ProductionContract::parse(&json).map_err(MakeError::Contract)?;
    let files = [
        Some(request.model.to_vec()),
        inspection.reduced().map(<[u8]>::to_vec),
        Some(request.norm_stats.to_vec()),
        Some(golden),
    ];
    let artifacts = files
        .into_iter()
        .flatten()
        .map(|bytes| (Digest::of(&bytes), bytes));
    Ok(Made {
        contract,
        json,
        artifacts: artifacts.collect(),
        inspection,
    })
}

fn contract(
    request: &MakeRequest<'_>,
    stats: &NormStats,
    inspection: &Inspection,
    golden: &[u8],
) -> Result<ProductionContract, MakeError> {
    let action = ActionBinding {
        rule: inspection.rule.clone(),
        output: inspection.action_output.clone(),
        position_source: SignalEnvironment::default().position_source,
    };
    let exec = inspection.reduced();
    let numerics = match inspection.executor {
        Executor::Dense => Numerics::dense(),
        Executor::Ort => Numerics::ort(library::runtime().map_err(MakeError::Library)?.sha256()),
    };
    let model_hash = ModelHash::of(request.model);
    let features = request.features.hash();
    let bundle = bundle_hash(model_hash, stats.hash(), features, &action).map_err(MakeError::Jcs)?;
    let promotion = Promotion::default();
    Ok(ProductionContract {
        schema_version: ProductionContractV1,
        origin: ContractOrigin::Local,
        environment: Environment::parse(LOCAL_ENVIRONMENT).expect("`local` is an environment"),
        slot: request.slot.clone(),
        instruments: Instruments::Any(AnyInstrument::Any),
        bar_interval_s: u32::try_from(BAR_INTERVAL_MS / 1_000).expect("five minutes"),
        model_id: model_id(None, bundle).expect("`local-` and twelve hex characters are an id"),
        experiment: None,
        hashes: Hashes {
            model_hash,
            exec_hash: exec.map(Digest::of),
            norm_stats_hash: stats.hash(),
            feature_contract_hash: features,
            feature_order_hash: request.features.order_hash(),
            bundle_hash: bundle,
            config_hash: None,
            dataset_hash: None,
        },
        artifacts: Artifacts {
            model: Digest::of(request.model),
            exec: exec.map(Digest::of),
            norm_stats: Digest::of(request.norm_stats),
            golden: Digest::of(golden),
        },
        feature_contract: request.features.clone(),
        action,
        numerics,
        on_swap: promotion.on_swap,
        on_stale: promotion.on_stale,
        offline_grace_hours: promotion.offline_grace_hours,
        max_bar_age_s: promotion.max_bar_age_s,
        golden_limits: GoldenLimits::default(),
        votes: None,
        approver: None,
        approved_at: None,
        issued_at: request.created_at,
        key_id: request.key.key_id(),
        generation: u64::try_from(request.created_at.0 / 1_000).unwrap_or(0),
        lineage: Lineage::default(),
        signatures: Vec::new(),
    })
}

/// Artifacts in memory.
impl ArtifactSource for BTreeMap<ArtifactHash, Vec<u8>> {
    fn artifact(&mut self, hash: ArtifactHash, bytes_max: usize) -> Result<Vec<u8>, FetchError> {
        let bytes = self.get(&hash).ok_or(FetchError::Missing)?;
        if bytes.len() > bytes_max {
            return Err(FetchError::TooLarge {
                bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
                bytes_max,
            });
        }
        Ok(bytes.clone())
    }
}
