//! `control pipeline run`: from the market store to a proposal, in one go, again and again until it is there.

use std::path::PathBuf;

use contracts::ids::ModelId;
use serde_json::{Value, json};

use super::chain_args::ChainArgs;
use super::out::Sink;
use super::remote::{Call, Who};
use super::table::{cell, fields};
use super::training_watch::Watch;
use super::{CliError, Exit, OrExit as _, block_on, evidence};
use crate::research::chain::{self, Chain};
use crate::research::{Work, dataset, register, verdict};

/// The chain of an experiment.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Build the dataset, train, register, and wait for the first vote.
    Run(Box<RunArgs>),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Dataset → training → registration → first vote, as `control dataset build`, `control train` and `control propose` do one by one. Broken off
anywhere, by Ctrl-C, a crash or a server that went away, the same command goes on: what is finished is recognised by its hashes, a training goes
on where its checkpoint stands, and nothing half-written is ever registered. Stages are told on stderr. The proposal is what it is: exit code 0
also when the machine votes REJECT. Needs the role researcher, or a token with research:write.

Examples:
  control pipeline run --experiment config/experiments/usdcop_ppo_baseline.yaml
  control pipeline run --experiment e.yaml --work runs/e --json | jq .recommendation")]
struct RunArgs {
    #[command(flatten)]
    chain: ChainArgs,
    /// Where it works: WORK/dataset and WORK/training; runs/{contract} without it.
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// See [`crate::research`] and [`super::remote`].
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    let Verb::Run(args) = &args.verb;
    let experiment = args.chain.experiment.read()?;
    let cache = args.chain.cache.open()?;
    let work = match &args.work {
        Some(root) => Work::new(root),
        None => Work::of(&experiment.contract),
    };
    let (dataset_folder, training_folder) = (work.dataset(), work.training());
    let chain = Chain {
        experiment: &experiment,
        cache: &cache,
        dataset: &dataset_folder,
        training: &training_folder,
        threads: args.chain.threads(),
    };
    let mut remote = args.chain.server.remote(Who::Anybody, out)?;
    let watch = Watch::new();
    block_on(async {
        let built = dataset::make(&mut remote, &experiment, &cache, &dataset_folder).await?;
        let manifest = &built.dataset.manifest;
        tracing::info!(stage = "dataset", dataset_hash = %manifest.dataset_hash, found = built.found, "stage done");
        let trained = chain::train(&mut remote, chain, &built, &|told| watch.told(told)).await?;
        tracing::info!(stage = "training", run_id = %trained.run_id, facts = %trained.facts, "stage done");
        let stats = chain::norm_stats(&built)?;
        let model = register::training(&mut remote, &trained, &training_folder, stats).await?;
        tracing::info!(stage = "registration", model_id = %cell(&model["model_id"]), "stage done");
        let model_id = model["model_id"].as_str().unwrap_or_default();
        let model_id = ModelId::parse(model_id).or_exit(
            Exit::Unavailable,
            "the server does not name the model it registered",
            "check that --url names a `control serve` of this version",
        )?;
        let mut note = Value::Null;
        let result = verdict::wait(&mut remote, &model_id, &mut |job| {
            if job["progress_note"] != note {
                note = job["progress_note"].clone();
                tracing::info!(at = %cell(&note), "first vote");
            }
        })
        .await?;
        tracing::info!(stage = "first vote", "stage done");
        let proposal = result["proposal_id"].as_str().unwrap_or_default().to_owned();
        let shown_as = remote
            .send(Call::get(&["api", "experiments", &proposal]))
            .await?
            .json()?;
        let document = json!({
            "contract_id": experiment.contract.contract_id, "dataset_hash": manifest.dataset_hash,
            "run_id": trained.run_id, "model_id": model_id, "proposal_id": proposal,
            "recommendation": shown_as["recommendation"], "confidence": shown_as["confidence"],
            "reason": shown_as["reason"], "evidence_digest": shown_as["evidence_digest"],
            "criteria": shown_as["evidence"]["criteria"],
        });
        remote.answer(&document, &shown(&document))
    })?
}

fn shown(document: &Value) -> String {
    let mut text = fields(
        document,
        &[
            ("experiment", "/contract_id"),
            ("dataset", "/dataset_hash"),
            ("run", "/run_id"),
            ("model", "/model_id"),
            ("proposal", "/proposal_id"),
            ("the machine votes", "/recommendation"),
            ("confidence", "/confidence"),
            ("because", "/reason"),
        ],
    );
    text.push_str("\nCriteria\n");
    text.push_str(&evidence::criteria(&document["criteria"]));
    text.push_str(&format!(
        "\nThe second vote: control approve {}\n",
        cell(&document["proposal_id"])
    ));
    text
}
