//! `control train`: a policy out of a dataset, registered with everything it comes from.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::chain_args::ChainArgs;
use super::out::Sink;
use super::remote::Who;
use super::table::fields;
use super::training_watch::Watch;
use super::{CliError, Exit, block_on};
use crate::research::chain::{self, Chain};
use crate::research::{Work, dataset, register};

/// Options of `control train`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Trains on the train split, stops by the validation split, is not given the test split. With `trainer: ppo` the built-in trainer runs, as many threads
as there are cores; no number changes a bit of the model. With `trainer: command` the experiment's program runs (docs/TRAINERS.md). OUT gets
model.onnx, the learning curve with a page for people, and training.json, which is written last. What was broken off goes on where its
checkpoint stands; what is finished is registered as it is. Registering starts the first vote. Needs the role researcher, or a token with
research:write.

Examples:
  control train --experiment config/experiments/usdcop_ppo_baseline.yaml
  control train --experiment e.yaml --dataset runs/e/dataset --out runs/e/training --threads 1 --json")]
pub struct Args {
    #[command(flatten)]
    chain: ChainArgs,
    /// The dataset's folder, as `control dataset build` made it; runs/{contract}/dataset without it.
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    /// Where the training goes; runs/{contract}/training without it.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// See [`crate::research::training`] and [`super::remote`].
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    let experiment = args.chain.experiment.read()?;
    let cache = args.chain.cache.open()?;
    let work = Work::of(&experiment.contract);
    let dataset_folder = args.dataset.clone().unwrap_or_else(|| work.dataset());
    let folder = args.out.clone().unwrap_or_else(|| work.training());
    let built = dataset::load(&experiment.contract, &dataset_folder)?.ok_or_else(|| {
        let what = format!("{} holds no dataset", dataset_folder.display());
        CliError::new(
            Exit::NoInput,
            what,
            "run `control dataset build` with the same experiment first",
        )
    })?;
    let mut remote = args.chain.server.remote(Who::Anybody, out)?;
    let chain = Chain {
        experiment: &experiment,
        cache: &cache,
        dataset: &dataset_folder,
        training: &folder,
        threads: args.chain.threads(),
    };
    let watch = Watch::new();
    block_on(async {
        // Who may not register it should hear so before the machine has worked for hours.
        register::experiment(&mut remote, &experiment.contract, &experiment.yaml).await?;
        let manifest = chain::train(&mut remote, chain, &built, &|told| watch.told(told)).await?;
        let stats = chain::norm_stats(&built)?;
        let model = register::training(&mut remote, &manifest, &folder, stats).await?;
        let document = json!({
            "run_id": manifest.run_id, "contract_id": manifest.contract_id, "folder": folder, "facts": manifest.facts,
            "model": model,
        });
        remote.answer(&document, &shown(&document))
    })?
}

fn shown(document: &Value) -> String {
    fields(
        document,
        &[
            ("run", "/run_id"),
            ("experiment", "/contract_id"),
            ("folder", "/folder"),
            ("steps", "/facts/steps"),
            ("ended", "/facts/ended"),
            ("model", "/model/model_id"),
            ("stage", "/model/stage"),
            ("action output", "/model/action/output"),
            ("executor", "/model/numerics/executor"),
        ],
    )
}
