//! A registered model made ready to be run: artifacts by their hashes, verified, and the golden vectors reproduced.

use std::sync::Arc;

use backtest::run::Candidate;
use contracts::action::ActionRule;
use contracts::evidence::{Candidate as Identity, ExecutionSettings};
use contracts::golden::{Golden, GoldenError};
use contracts::hash::Digest;
use contracts::jcs::JcsError;
use contracts::norm_stats::{NormStats, NormStatsError};
use contracts::numerics::NumericsError;
use contracts::production::{GoldenLimits, bundle_hash};
use strategy::golden::check::{self, CheckError};
use strategy::policy::source::{Graph, ModelRef, SourceError};
use strategy::policy::{InferError, Policy as _, PolicyExec, PolicySource, library};
use strategy::strategy::{Strategy, StrategyError};

use crate::artifacts::{ArtifactError, ArtifactStore};
use crate::store::{ExperimentRow, ModelRow};

/// Why a registered model cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// An artifact is missing or was altered.
    #[error("an artifact of the model is not as registered")]
    Artifact(#[from] ArtifactError),
    /// A row says something else than what its hashes cover: the database was edited.
    #[error("the registered {0} is not what its hash says: the database was edited")]
    Edited(&'static str),
    /// The norm stats.
    #[error("the norm stats cannot be used")]
    NormStats(#[from] NormStatsError),
    /// The golden vectors.
    #[error("the golden vectors cannot be used")]
    Golden(#[from] GoldenError),
    /// This build or machine has another arithmetic.
    #[error("the model's arithmetic is not available here")]
    Numerics(#[from] NumericsError),
    /// The model.
    #[error("the model cannot be loaded")]
    Source(#[from] SourceError),
    /// The model failed on the golden vectors.
    #[error("the model failed on its golden vectors")]
    Infer(#[from] InferError),
    /// The parts do not fit each other.
    #[error("the model's parts do not fit each other")]
    Strategy(#[from] StrategyError),
    /// A number cannot be hashed.
    #[error("the bundle has no hash")]
    Jcs(#[from] JcsError),
}

/// A model, ready to be run.
#[derive(Debug)]
pub struct Subject {
    /// As registered.
    pub model: ModelRow,
    /// Its experiment; costs, criteria, calendar and windows are read from its frozen copy only.
    pub experiment: ExperimentRow,
    /// Features, normalisation, action rule.
    pub strategy: Strategy,
    /// Whether the golden vectors were reproduced.
    pub self_test_passed: bool,
    source: PolicySource,
    golden: Vec<f32>,
}

impl Subject {
    /// Reads and verifies everything. Takes as long as its files are large: not for an async thread.
    ///
    /// # Errors
    /// [`SubjectError`].
    pub fn load(
        artifacts: &Arc<dyn ArtifactStore>,
        model: ModelRow,
        experiment: ExperimentRow,
    ) -> Result<Self, SubjectError> {
        check_rows(&model, &experiment)?;
        model
            .numerics
            .provided_with(library::loaded(model.numerics.executor))?;
        // The original is verified even where it is not run: what is voted for must be there.
        let original = artifacts.get(Digest::from_bytes(*model.model_hash.as_bytes()))?;
        let (graph, bytes) = match model.exec_hash {
            Some(hash) => (
                Graph::Reduced,
                artifacts.get(Digest::from_bytes(*hash.as_bytes()))?,
            ),
            None => (Graph::Original, original),
        };
        let stats = NormStats::parse(&artifacts.get(model.norm_stats_artifact)?)?;
        if stats.hash() != model.norm_stats_hash {
            return Err(SubjectError::Edited("norm_stats_hash"));
        }
        let golden = Golden::parse(&artifacts.get(model.golden)?)?;
        let rule = &model.action.rule;
        let source = PolicySource::new(&ModelRef {
            bytes: &bytes,
            graph,
            executor: model.numerics.executor,
            action_output: &model.action.output,
            kind: rule.kind(),
            width: experiment.feature_contract.features.len(),
        })?;
        let rows = golden.rows();
        let mut policy = source.make(&rows)?;
        let strategy = Strategy::new(&experiment.feature_contract, &stats, rule, policy.head())?;
        let self_test_passed = reproduces(&mut policy, &strategy, rule, &golden)?;
        Ok(Self {
            model,
            experiment,
            strategy,
            self_test_passed,
            source,
            golden: rows,
        })
    }

    /// What a run takes.
    #[must_use]
    pub const fn candidate(&self) -> Candidate<'_> {
        Candidate {
            strategy: &self.strategy,
            source: &self.source,
            golden: self.golden.as_slice(),
        }
    }

    /// What evidence calls it.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            model_id: self.model.model_id.clone(),
            bundle_hash: self.model.bundle_hash,
            model_hash: self.model.model_hash,
            exec_hash: self.model.exec_hash,
            norm_stats_hash: self.model.norm_stats_hash,
            feature_contract_hash: self.model.feature_contract_hash,
            dataset_hash: self.model.dataset_hash,
            contract_id: self.model.contract_id.clone(),
            config_hash: self.model.config_hash,
        }
    }

    /// How its experiment fills and pays.
    #[must_use]
    pub fn settings(&self) -> ExecutionSettings {
        ExecutionSettings {
            position_source: self.model.action.position_source,
            ..ExecutionSettings::from(&self.experiment.frozen.environment)
        }
    }
}

fn check_rows(model: &ModelRow, experiment: &ExperimentRow) -> Result<(), SubjectError> {
    if experiment.feature_contract.hash() != model.feature_contract_hash {
        return Err(SubjectError::Edited("feature contract"));
    }
    let bundle = bundle_hash(
        model.model_hash,
        model.norm_stats_hash,
        model.feature_contract_hash,
        &model.action,
    )?;
    if bundle != model.bundle_hash {
        return Err(SubjectError::Edited("bundle"));
    }
    Ok(())
}

/// Every golden row gives its output and its action within the limits of an engine, singly and as a batch.
fn reproduces(
    policy: &mut PolicyExec,
    strategy: &Strategy,
    rule: &ActionRule,
    golden: &Golden,
) -> Result<bool, SubjectError> {
    let checked = check::widths(policy, strategy.width(), golden)
        .and_then(|()| check::run(policy, rule, golden, &GoldenLimits::default()));
    match checked {
        Ok(()) => Ok(true),
        Err(CheckError::Infer(error)) => Err(error.into()),
        Err(_) => Ok(false),
    }
}
