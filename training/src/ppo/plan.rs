//! What a training is asked, what it tells on the way, and what it leaves.

use std::path::{Path, PathBuf};

use backtest::market::Market;
use contracts::experiment::contract::ExperimentContract;
use contracts::norm_stats::{NormStats, NormStatsError};
use strategy::policy::InferError;
use strategy::policy::dense::ChainError;
use strategy::strategy::StrategyError;

use super::checkpoint::CheckpointError;
use super::curve::{Curve, Point};
use crate::environment::WindowError;
use crate::reward::RewardError;

/// What is trained.
#[derive(Debug, Clone, Copy)]
pub struct TrainingPlan<'a> {
    /// The experiment: windows, execution, reward, hyperparameters, and its feature contract.
    pub contract: &'a ExperimentContract,
    /// Bars and daily values; what comes after the validation window is not looked at.
    pub market: &'a Market,
    /// Fitted on the train window.
    pub norm_stats: &'a NormStats,
}

/// How it is computed; no choice changes a bit of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainOptions<'a> {
    /// Threads, at least 1; two are used for gradients, as many as there are environments for steps.
    pub threads: usize,
    /// A file the training goes on from where it is there, and writes its state to. It stays when the training is over: asked again, the same
    /// model is there at once.
    pub checkpoint: Option<&'a Path>,
}

/// Told after every update.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The update.
    pub point: &'a Point,
    /// Steps the training ends at unless it is stopped early.
    pub planned_steps: u64,
    /// Steps that were in the checkpoint: a rate counts from here.
    pub resumed_steps: u64,
    /// The update with the best evaluation so far.
    pub best: Option<u64>,
}

/// Why a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// All planned steps were made.
    Finished,
    /// The validation window had shown nothing better for a while.
    EarlyStop,
    /// Whoever watched it said so.
    Stopped,
}

/// A trained model.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The ONNX file.
    pub onnx: Vec<u8>,
    /// Update by update.
    pub curve: Curve,
    /// Environment steps made.
    pub steps: u64,
    /// Gradient steps made.
    pub gradient_steps: u64,
    /// Why it ended.
    pub ended: Ended,
}

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The experiment is trained by a program of its own. Run that one.
    #[error("the experiment's trainer is a command, not the built-in ppo")]
    NotPpo,
    /// The market is another instrument's. Give the experiment's.
    #[error("the bars are of {found}, the experiment is about {expected}")]
    Instrument {
        /// Whose bars were given.
        found: String,
        /// Whose are wanted.
        expected: String,
    },
    /// The norm stats saw held-out data, or are not those of the features. Fit them on the train window.
    #[error(transparent)]
    NormStats(#[from] NormStatsError),
    /// Features, norm stats and action rule do not fit each other.
    #[error(transparent)]
    Strategy(#[from] StrategyError),
    /// The `reward` section.
    #[error(transparent)]
    Reward(#[from] RewardError),
    /// A window there is nothing to learn in.
    #[error(transparent)]
    Window(#[from] WindowError),
    /// A rollout does not fit into memory. Choose a smaller `n_steps`.
    #[error(
        "training.n_steps = {n_steps} with {environments} environments makes a rollout of {values} values, at most {most} are possible"
    )]
    TooLarge {
        /// As asked for.
        n_steps: u32,
        /// Side by side.
        environments: usize,
        /// Of all observations.
        values: u64,
        /// Limit.
        most: u64,
    },
    /// Parameters are no numbers any more. A smaller `learning_rate` or `max_grad_norm` helps.
    #[error(
        "the parameters are not finite after update {update}; choose a smaller learning_rate or max_grad_norm"
    )]
    Diverged {
        /// When it was seen.
        update: u64,
    },
    /// The network is none the executor runs. Choose a smaller `net_arch`.
    #[error("training.net_arch makes no network the dense executor runs: {0}")]
    Network(#[from] ChainError),
    /// The policy could not be run.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// The checkpoint cannot be used or written.
    #[error("checkpoint {}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        source: CheckpointError,
    },
}

/// Whose turn it is after a [`TrainError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrainErrorKind {
    /// The experiment, the data or a file's contents have to be changed.
    Input,
    /// A file cannot be read or written: the disk or its rights.
    Io,
    /// What runs a policy is not to be had.
    Runtime,
}

impl TrainError {
    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> TrainErrorKind {
        match self {
            Self::Checkpoint {
                source: CheckpointError::Io(_),
                ..
            } => TrainErrorKind::Io,
            Self::Infer(_) => TrainErrorKind::Runtime,
            _ => TrainErrorKind::Input,
        }
    }
}
