//! A training, carried out once: by the built-in PPO or by a program of one's own.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use backtest::market::Market;
use contracts::experiment::TrainingSection;
use contracts::experiment::contract::ExperimentContract;
use serde_json::{Value, json};
use training::dataset::{Manifest as DatasetManifest, NORM_STATS_FILE, SplitName};
use training::export::output_name;
use training::ppo::{self, Progress, TrainErrorKind, TrainOptions, Trained, TrainingPlan};

use super::dataset::Built;
use super::external::{self, job::Job};
use super::trained::{self, Made, Manifest, Of};
use crate::cli::{CliError, Exit, OrExit as _};

/// Name of the file a built-in training goes on from.
const CHECKPOINT: &str = "checkpoint";
/// Name of the learning curve.
pub const CURVE: &str = "curve.json";
/// Name of the page for people.
pub const REPORT: &str = "report.html";

/// What is told on the way.
#[derive(Debug, Clone, Copy)]
pub enum Told<'a> {
    /// An update of the built-in trainer.
    Update(&'a Progress<'a>),
    /// A line of a program's.
    Line(&'a str),
}

/// The training a folder holds, if it is finished; every file is hashed again.
///
/// # Errors
/// [`Exit::Data`] for one that was altered, or is of something else.
pub fn load(
    contract: &ExperimentContract,
    built: &Built,
    folder: &Path,
) -> Result<Option<Manifest>, CliError> {
    trained::load(folder, of(contract, &built.dataset.manifest)).or_exit(
        Exit::Data,
        format!("{} holds no training that can be used", folder.display()),
        "name another folder, or remove this one",
    )
}

fn of<'a>(contract: &'a ExperimentContract, manifest: &DatasetManifest) -> Of<'a> {
    Of {
        contract,
        dataset_hash: manifest.dataset_hash,
        norm_stats_hash: manifest.norm_stats_hash,
    }
}

/// Trains with the built-in trainer; a training that was broken off goes on where its checkpoint stands.
///
/// # Errors
/// [`Exit::Data`] for an experiment that cannot be trained, [`Exit::Unavailable`] without ONNX Runtime, [`Exit::Io`] for what cannot be
/// written.
pub fn built_in(
    contract: &ExperimentContract,
    built: &Built,
    market: &Market,
    folder: &Path,
    threads: usize,
    told: &mut dyn FnMut(Told<'_>) -> ControlFlow<()>,
) -> Result<Manifest, CliError> {
    std::fs::create_dir_all(folder).or_exit(
        Exit::Io,
        format!("cannot make {}", folder.display()),
        "check the directory and its rights",
    )?;
    let checkpoint = folder.join(CHECKPOINT);
    let plan = TrainingPlan {
        contract,
        market,
        norm_stats: &built.dataset.norm_stats,
    };
    let options = TrainOptions {
        threads,
        checkpoint: Some(&checkpoint),
    };
    let done = ppo::train(&plan, &options, &mut |progress| told(Told::Update(progress)));
    let done = match done {
        Ok(done) => done,
        Err(error) => {
            let (exit, help) = remedy(error.kind());
            return Err(error).or_exit(exit, format!("{} cannot be trained", contract.contract_id), help);
        }
    };
    let manifest = keep(
        folder,
        of(contract, &built.dataset.manifest),
        made(contract, done),
    )?;
    // The model is there: what it would have gone on from is of no use any more, and may be large.
    drop(std::fs::remove_file(&checkpoint));
    Ok(manifest)
}

/// Exit code and help of each kind of failure.
const fn remedy(kind: TrainErrorKind) -> (Exit, &'static str) {
    match kind {
        TrainErrorKind::Input => (
            Exit::Data,
            "change what the message names; a checkpoint of an older build has to be removed",
        ),
        TrainErrorKind::Io => (Exit::Io, "check the directory, its rights and its room"),
        TrainErrorKind::Runtime => (
            Exit::Unavailable,
            "see the message below for what the policy needs to be run",
        ),
    }
}

fn made(contract: &ExperimentContract, done: Trained) -> Made {
    let action = &contract.frozen.environment.action;
    let output = action.action_output.as_deref();
    let output = output.unwrap_or_else(|| output_name(action.rule.kind()));
    let facts = json!({
        "trainer": "ppo", "action_output": output, "steps": done.steps, "gradient_steps": done.gradient_steps, "ended": done.ended,
        "best_update": done.curve.best, "updates": done.curve.points.len(),
    });
    let curve = serde_json::to_vec(&done.curve).unwrap_or_default();
    let page = ::training::report::html(contract.contract_id.as_str(), &done);
    Made {
        model: done.onnx,
        beside: BTreeMap::from([(CURVE.to_owned(), curve), (REPORT.to_owned(), page.into_bytes())]),
        facts,
    }
}

/// Has the experiment's own program train.
///
/// # Errors
/// [`Exit::Data`] when it gives no model, [`Exit::Io`] for what cannot be written.
pub fn by_program(
    contract: &ExperimentContract,
    built: &Built,
    dataset_folder: &Path,
    folder: &Path,
    told: &(dyn Fn(Told<'_>) + Sync),
) -> Result<Manifest, CliError> {
    let TrainingSection::Command { command, seed } = &contract.frozen.training else {
        return Err(CliError::new(
            Exit::Software,
            "the experiment names no program",
            "",
        ));
    };
    let absolute = |path: &Path| {
        std::path::absolute(path).or_exit(
            Exit::Io,
            "this directory has no path",
            "start it from another one",
        )
    };
    let (dataset_folder, folder) = (absolute(dataset_folder)?, absolute(folder)?);
    let manifest = &built.dataset.manifest;
    let split = |name| dataset_folder.join(&manifest.splits[&name].file);
    let job = Job {
        contract,
        dataset_hash: manifest.dataset_hash,
        norm_stats_hash: manifest.norm_stats_hash,
        train: &split(SplitName::Train),
        validation: &split(SplitName::Val),
        norm_stats: &dataset_folder.join(NORM_STATS_FILE),
        seed: *seed,
    };
    let model = external::train(&job, command, &folder, &|line| told(Told::Line(line))).or_exit(
        Exit::Data,
        format!("the trainer of {} gave no model", contract.contract_id),
        "see the message below; docs/TRAINERS.md says what a trainer is given and has to leave",
    )?;
    let files = external::job::JobFiles::in_folder(&folder);
    let mut beside = BTreeMap::new();
    for path in [files.job, files.log] {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let bytes = std::fs::read(&path).or_exit(Exit::Io, format!("cannot read {}", path.display()), "")?;
        beside.insert(name, bytes);
    }
    let facts: Value = json!({"trainer": "command", "command": command, "seed": seed});
    keep(&folder, of(contract, manifest), Made { model, beside, facts })
}

fn keep(folder: &Path, of: Of<'_>, made: Made) -> Result<Manifest, CliError> {
    trained::write(folder, of, made).or_exit(
        Exit::Io,
        "the training cannot be kept",
        "check the directory, its rights and its room",
    )
}
