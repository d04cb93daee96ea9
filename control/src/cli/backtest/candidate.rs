//! The model of a backtest: out of a contract with its artifacts, or an ONNX file with its scaler.
//!
//! Both ways end at the same parts, the ones a registration and an engine make: reduced graph where there is one, features of the
//! experiment, rule of the experiment or the contract. What does not belong to the experiment is refused.

use std::path::{Path, PathBuf};

use backtest::market::Market;
use backtest::run::Candidate;
use contracts::experiment::contract::ExperimentContract;
use contracts::golden::Golden;
use contracts::hash::{ArtifactHash, BundleHash, Digest};
use contracts::ids::ModelId;
use contracts::limits::MODEL_BYTES_MAX;
use contracts::norm_stats::NormStats;
use contracts::numerics::Executor;
use contracts::production::{ActionBinding, ProductionContract, bundle_hash, model_id};
use strategy::golden::{self, GoldenInputs, ObserveError};
use strategy::onnx::inspect::{Inspection, Reduction, Request, inspect};
use strategy::policy::source::{Graph, ModelRef, SourceError};
use strategy::policy::{Head, Policy as _, PolicySource};
use strategy::strategy::Strategy;

use crate::cli::{CliError, Exit, OrExit};

/// Names the model.
#[derive(Debug, clap::Args)]
pub struct ModelArgs {
    /// A production contract, voted or local.
    #[arg(
        long,
        value_name = "JSON",
        requires = "artifacts",
        required_unless_present = "model"
    )]
    contract: Option<PathBuf>,
    /// Where its artifacts lie, named by their SHA-256.
    #[arg(long, value_name = "DIR", requires = "contract")]
    artifacts: Option<PathBuf>,
    /// An ONNX file.
    #[arg(
        long,
        value_name = "ONNX",
        requires = "norm_stats",
        conflicts_with = "contract"
    )]
    model: Option<PathBuf>,
    /// Its scaler.
    #[arg(long, value_name = "JSON", requires = "model")]
    norm_stats: Option<PathBuf>,
}

/// A model, ready to run.
#[derive(Debug)]
pub struct Loaded {
    /// Its id, as a registration would give it.
    pub name: ModelId,
    /// What is looked with.
    pub bundle_hash: BundleHash,
    strategy: Strategy,
    source: PolicySource,
    golden: Vec<f32>,
}

impl Loaded {
    /// For a run.
    pub fn candidate(&self) -> Candidate<'_> {
        Candidate {
            strategy: &self.strategy,
            source: &self.source,
            golden: &self.golden,
        }
    }
}

impl ModelArgs {
    /// Reads, verifies, tests.
    ///
    /// # Errors
    /// [`Exit::NoInput`] for a file that cannot be read, [`Exit::Data`] for one that is not acceptable or belongs to something else,
    /// [`Exit::Unavailable`] without ONNX Runtime.
    pub fn load(&self, experiment: &ExperimentContract, market: &Market) -> Result<Loaded, CliError> {
        match (&self.contract, &self.artifacts, &self.model, &self.norm_stats) {
            (Some(contract), Some(artifacts), ..) => of_contract(contract, artifacts, experiment),
            (_, _, Some(model), Some(stats)) => of_model(model, stats, experiment, market),
            _ => Err(CliError::new(
                Exit::Usage,
                "no model is named",
                "give --contract and --artifacts, or --model and --norm-stats",
            )),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).or_exit(
        Exit::NoInput,
        format!("cannot read {}", path.display()),
        "check the path and the rights",
    )
}

fn other(what: impl Into<String>) -> CliError {
    CliError::new(
        Exit::Data,
        what,
        "give the model that was made for this experiment",
    )
}

fn unusable<E: Into<Box<dyn std::error::Error + Send + Sync>>>(error: E) -> CliError {
    CliError::new(Exit::Data, "the model cannot be run", "see the reason below").caused_by(error)
}

fn no_source(error: SourceError) -> CliError {
    let exit = match error {
        SourceError::Library(_) => Exit::Unavailable,
        _ => Exit::Data,
    };
    CliError::new(exit, "the model cannot be run", "see the reason below").caused_by(error)
}

fn stats(bytes: &[u8], experiment: &ExperimentContract) -> Result<NormStats, CliError> {
    let data = &experiment.frozen.data;
    let stats = NormStats::parse(bytes)
        .and_then(|stats| stats.check_for(&experiment.feature_contract).map(|()| stats))
        .and_then(|stats| {
            let held_out = data.validation.start.min(data.test.start);
            stats.check_fit_before(held_out).map(|()| stats)
        });
    stats.or_exit(
        Exit::Data,
        "the norm stats are not acceptable",
        "fit them on the experiment's training window",
    )
}

fn of_model(
    model: &Path,
    norm_stats: &Path,
    experiment: &ExperimentContract,
    market: &Market,
) -> Result<Loaded, CliError> {
    let bytes = read(model)?;
    let stats = stats(&read(norm_stats)?, experiment)?;
    let features = &experiment.feature_contract;
    let inputs = GoldenInputs::Bars {
        instrument: &market.instrument,
        bars: &market.bars,
        daily: &market.daily,
    };
    let rows = match golden::observations(features, &stats, inputs) {
        Ok((_, rows)) => rows,
        Err(ObserveError::TooFewBars { .. }) => {
            golden::observations(features, &stats, GoldenInputs::Drawn)
                .map_err(unusable)?
                .1
        }
        Err(error) => return Err(unusable(error)),
    };
    let asked = &experiment.frozen.environment;
    let request = Request {
        width: features.features.len(),
        rule: Some(&asked.action.rule),
        action_output: asked.action.action_output.as_deref(),
        executor: None,
        golden: &rows,
    };
    let inspection = inspect(&bytes, &request).map_err(|error| {
        let exit = match error {
            strategy::onnx::inspect::InspectError::Library(_) => Exit::Unavailable,
            _ => Exit::Data,
        };
        CliError::new(
            exit,
            format!("{} is refused", model.display()),
            "the reason below says what a model must be",
        )
        .caused_by(error)
    })?;
    let action = ActionBinding {
        rule: inspection.rule.clone(),
        output: inspection.action_output.clone(),
        position_source: asked.position_source,
    };
    let bundle = bundle_hash(Digest::of(&bytes), stats.hash(), features.hash(), &action).map_err(unusable)?;
    let name = model_id(Some(&experiment.name), bundle);
    Ok(Loaded {
        name: name.ok_or_else(|| other("the experiment's name is too long for a model's"))?,
        bundle_hash: bundle,
        strategy: Strategy::new(features, &stats, &inspection.rule, inspection.head).map_err(unusable)?,
        source: source(&bytes, &inspection, request.width)?,
        golden: rows,
    })
}

fn source(original: &[u8], inspection: &Inspection, width: usize) -> Result<PolicySource, CliError> {
    let (graph, bytes) = match &inspection.reduction {
        Reduction::Used { bytes, .. } => (Graph::Reduced, bytes.as_slice()),
        Reduction::NotUsed(_) => (Graph::Original, original),
    };
    let executor = match graph {
        Graph::Reduced => inspection.executor,
        Graph::Original => Executor::Ort,
    };
    PolicySource::new(&ModelRef {
        bytes,
        graph,
        executor,
        action_output: &inspection.action_output,
        kind: inspection.rule.kind(),
        width,
    })
    .map_err(no_source)
}

fn of_contract(path: &Path, artifacts: &Path, experiment: &ExperimentContract) -> Result<Loaded, CliError> {
    let contract = ProductionContract::parse(&read(path)?).or_exit(
        Exit::Data,
        format!("{} is no production contract", path.display()),
        "`engine contract make` and an approval make them",
    )?;
    belongs(&contract, experiment)?;
    let names = &contract.artifacts;
    let stats = stats(&artifact(artifacts, names.norm_stats)?, experiment)?;
    if stats.hash() != contract.hashes.norm_stats_hash {
        return Err(other("the norm stats are not those the contract names"));
    }
    let golden = Golden::parse(&artifact(artifacts, names.golden)?).map_err(unusable)?;
    let (graph, hash) = names
        .exec
        .map_or((Graph::Original, names.model), |hash| (Graph::Reduced, hash));
    let bytes = artifact(artifacts, hash)?;
    let rule = &contract.action.rule;
    let source = PolicySource::new(&ModelRef {
        bytes: &bytes,
        graph,
        executor: contract.numerics.executor,
        action_output: &contract.action.output,
        kind: rule.kind(),
        width: contract.feature_contract.features.len(),
    })
    .map_err(no_source)?;
    let rows = golden.rows();
    let mut policy = source.make(&rows).map_err(no_source)?;
    let head: Head = policy.head();
    golden::check::run(&mut policy, rule, &golden, &contract.golden_limits).or_exit(
        Exit::Data,
        "the model does not answer as its golden vectors say",
        "its artifacts and its contract were not made together, or this machine computes otherwise",
    )?;
    Ok(Loaded {
        name: contract.model_id.clone(),
        bundle_hash: contract.hashes.bundle_hash,
        strategy: Strategy::new(&contract.feature_contract, &stats, rule, head).map_err(unusable)?,
        source,
        golden: rows,
    })
}

/// That a contract's model is run as the experiment says.
fn belongs(contract: &ProductionContract, experiment: &ExperimentContract) -> Result<(), CliError> {
    let asked = &experiment.frozen;
    if contract.feature_contract.hash() != experiment.feature_contract_hash {
        return Err(other("the contract's features are not those of the experiment"));
    }
    if !contract.binds(&asked.data.instrument) {
        let instrument = &asked.data.instrument;
        return Err(other(format!("the contract does not bind {instrument}")));
    }
    if contract.action.position_source != asked.environment.position_source {
        return Err(other(
            "the contract's position_source is not that of the experiment",
        ));
    }
    Ok(())
}

/// An artifact of a directory as `engine contract make` writes it, or as the control plane keeps it.
fn artifact(folder: &Path, hash: ArtifactHash) -> Result<Vec<u8>, CliError> {
    let name = hash.to_hex();
    let (flat, kept) = (folder.join(&name), folder.join(&name[..2]).join(&name));
    let path = if flat.is_file() { flat } else { kept };
    let size = std::fs::metadata(&path).map_or(0, |file| file.len());
    if size > MODEL_BYTES_MAX as u64 {
        return Err(other(format!(
            "{} has {size} bytes, more than an artifact may have",
            path.display()
        )));
    }
    let bytes = read(&path)?;
    if ArtifactHash::of(&bytes) != hash {
        return Err(other(format!(
            "the bytes of {} are not those of its name",
            path.display()
        )));
    }
    Ok(bytes)
}
