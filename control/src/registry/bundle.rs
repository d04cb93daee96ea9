//! What a registration computes: golden vectors from real bars, the look into the model, and the identity of all of it together.

use std::sync::Arc;

use contracts::files::DailyFile;
use contracts::golden::{GoldenError, GoldenSource};
use contracts::hash::{BundleHash, ExecHash, LibraryHash, ModelHash};
use contracts::ids::ModelId;
use contracts::jcs::JcsError;
use contracts::limits::{GOLDEN_ROWS, NORM_STATS_BYTES_MAX};
use contracts::norm_stats::{NormStats, NormStatsError};
use contracts::numerics::{Executor, Numerics};
use contracts::production::{ActionBinding, bundle_hash, model_id};
use contracts::time::{DayNumber, UtcMillis};
use serde_json::{Value, json};
use strategy::golden::{Answers, GoldenInputs, ObserveError, observations, vectors};
use strategy::policy::library;

use crate::artifacts::ArtifactStore;
use crate::inspect::wire::{Ask, bits, floats};
use crate::inspect::{Inspected, InspectionError, Inspector};
use crate::limits::DAY_MS;
use crate::markets::{MarketError, Source};
use crate::store::ExperimentRow;

/// Files somebody handed in.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// The ONNX file.
    pub model: &'a [u8],
    /// `norm_stats.json`.
    pub norm_stats: &'a [u8],
    /// The output to act on.
    pub action_output: Option<&'a str>,
}

/// A model with everything a contract will say about it.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// Its name.
    pub model_id: ModelId,
    /// Its identity.
    pub bundle_hash: BundleHash,
    /// The ONNX file.
    pub model_hash: ModelHash,
    /// The reduced graph, where it runs.
    pub exec_hash: Option<ExecHash>,
    /// The scaler.
    pub stats: NormStats,
    /// The golden vectors' file.
    pub golden: Vec<u8>,
    /// From output to position.
    pub action: ActionBinding,
    /// Under which arithmetic.
    pub numerics: Numerics,
    /// What was found in the model.
    pub inspected: Inspected,
}

/// Why there is no such model; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The scaler is larger than any.
    #[error("the norm stats have {bytes} bytes, more than {NORM_STATS_BYTES_MAX}")]
    NormStatsTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The scaler is none, is not this experiment's, or was fitted on held-out data.
    #[error(transparent)]
    NormStats(#[from] NormStatsError),
    /// Experiment and registration name different outputs.
    #[error("the experiment acts on output `{experiment}`, the registration names `{registration}`")]
    ActionOutput {
        /// The experiment's.
        experiment: String,
        /// The registration's.
        registration: String,
    },
    /// There are no usable bars: the operator's to mend.
    #[error(transparent)]
    Market(#[from] MarketError),
    /// The bars before the holdout give no golden observations: the operator's to mend.
    #[error("the bars before the holdout give too few golden observations")]
    Observations(#[from] ObserveError),
    /// The model.
    #[error(transparent)]
    Inspection(#[from] InspectionError),
    /// ONNX Runtime's file went away while it was used.
    #[error("ONNX Runtime's file cannot be read")]
    Runtime(#[source] std::io::Error),
    /// The answers make no golden vectors.
    #[error("the model's answers make no golden vectors")]
    Golden(#[from] GoldenError),
    /// A number cannot be hashed.
    #[error("a number of the bundle has no canonical form")]
    Jcs(#[from] JcsError),
    /// Name and hash make no id.
    #[error("the experiment's name is too long for a model's id")]
    ModelId,
}

impl BundleError {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::NormStatsTooLarge { .. } => "norm_stats_too_large",
            Self::NormStats(NormStatsError::LooksAhead { .. }) => "norm_stats_look_ahead",
            Self::NormStats(_) => "norm_stats_invalid",
            Self::ActionOutput { .. } => "action_output_differs",
            Self::Market(error) => error.code(),
            Self::Observations(_) => "too_few_bars",
            Self::Inspection(error) => error.code(),
            Self::Golden(_) => "golden_vectors_invalid",
            Self::Runtime(_) | Self::Jcs(_) | Self::ModelId => "internal",
        }
    }
}

/// Computes all of it, golden vectors from that market; it takes seconds.
///
/// # Errors
/// [`BundleError`], the first that applies.
pub fn make(
    market: (Source, &Arc<dyn ArtifactStore>),
    inspector: &Inspector,
    experiment: &ExperimentRow,
    files: Files<'_>,
) -> Result<Bundle, BundleError> {
    let stats = norm_stats(experiment, files.norm_stats)?;
    let ask = ask(market, experiment, &stats, files.action_output)?;
    let inspected = inspector.inspect(&ask, files.model)?;
    let rows = floats(&ask.golden);
    let answers = Answers {
        rule: &ask.rule,
        head: inspected.found.head.into(),
        outputs: &floats(&inspected.found.golden),
    };
    let golden = vectors(GoldenSource::Bars, &rows, ask.width, answers)?.to_bytes()?;
    let action = ActionBinding {
        rule: ask.rule.clone(),
        output: inspected.found.action_output.clone(),
        position_source: experiment.frozen.environment.position_source,
    };
    let model_hash = ModelHash::of(files.model);
    let bundle = bundle_hash(
        model_hash,
        stats.hash(),
        experiment.feature_contract_hash,
        &action,
    )?;
    Ok(Bundle {
        model_id: model_id(Some(&experiment.name), bundle).ok_or(BundleError::ModelId)?,
        bundle_hash: bundle,
        model_hash,
        exec_hash: (!inspected.graph.is_empty()).then(|| ExecHash::of(&inspected.graph)),
        stats,
        golden,
        action,
        numerics: match inspected.found.executor {
            Executor::Dense => Numerics::dense(),
            Executor::Ort => Numerics::ort(runtime()?),
        },
        inspected,
    })
}

fn norm_stats(experiment: &ExperimentRow, json: &[u8]) -> Result<NormStats, BundleError> {
    if json.len() > NORM_STATS_BYTES_MAX {
        return Err(BundleError::NormStatsTooLarge { bytes: json.len() });
    }
    let stats = NormStats::parse(json)?;
    stats.check_for(&experiment.feature_contract)?;
    let data = &experiment.frozen.data;
    stats.check_fit_before(data.validation.start.min(data.test.start))?;
    Ok(stats)
}

/// The question to the inspection. Golden observations are of bars before the holdout: making them is no look at it.
fn ask(
    (source, artifacts): (Source, &Arc<dyn ArtifactStore>),
    experiment: &ExperimentRow,
    stats: &NormStats,
    named: Option<&str>,
) -> Result<Ask, BundleError> {
    let section = &experiment.frozen.environment.action;
    let action_output = match (section.action_output.as_deref(), named) {
        (Some(experiment), Some(registration)) if experiment != registration => {
            return Err(BundleError::ActionOutput {
                experiment: experiment.to_owned(),
                registration: registration.to_owned(),
            });
        }
        (experiment, registration) => experiment.or(registration).map(str::to_owned),
    };
    let market = source.read(artifacts)?.market;
    let end = held_back(experiment.frozen.data.test.start);
    let known = market.bars.partition_point(|bar| bar.close_time < end);
    let daily: &DailyFile = &market.daily;
    let inputs = GoldenInputs::Bars {
        instrument: &market.instrument,
        bars: &market.bars[..known],
        daily,
    };
    let (_, rows) = observations(&experiment.feature_contract, stats, inputs)?;
    Ok(Ask {
        width: rows.len() / GOLDEN_ROWS,
        rule: section.rule.clone(),
        action_output,
        golden: bits(&rows),
    })
}

/// A day before the first date of the holdout, in UTC: no zone is further away.
fn held_back(first: DayNumber) -> UtcMillis {
    UtcMillis((i64::from(first.0) - 1) * DAY_MS)
}

/// The library the inspection has just used.
fn runtime() -> Result<LibraryHash, BundleError> {
    let path = library::find().map_err(|error| BundleError::Inspection(InspectionError::Runtime(error)))?;
    let bytes = std::fs::read(path).map_err(BundleError::Runtime)?;
    Ok(LibraryHash::of(&bytes))
}

/// What the inspection found, for people and for the registry.
#[must_use]
pub fn admission(inspected: &Inspected) -> Value {
    let found = &inspected.found;
    json!({
        "action_output": found.action_output, "outputs": found.outputs, "nodes": found.nodes,
        "rows_checked": found.rows_checked, "reduced": found.reduced, "dense": found.dense, "executor": found.executor,
        "golden": GoldenSource::Bars,
    })
}
