//! `control dataset`: what a policy is trained on, out of the market store.

use std::path::PathBuf;

use contracts::hash::DatasetHash;
use contracts::ids::ContractId;
use serde_json::{Value, json};

use super::cache::CacheArgs;
use super::experiment_file::ExperimentArgs;
use super::out::Sink;
use super::remote::{Call, ServerArgs, Who};
use super::table::{fields, table};
use super::{CliError, block_on};
use crate::research::Work;
use crate::research::dataset::{self, Built};

/// Datasets.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Build the dataset of an experiment and register both.
    Build(Box<BuildArgs>),
    /// List datasets, newest first.
    List(ListArgs),
    /// Show a dataset.
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Registers the experiment, reads its bars and daily values out of the server's market store, computes the features and writes
OUT/DS_{experiment}_{train,val,test}.parquet (close_time, open, high, low, close, and the features before normalisation), OUT/norm_stats.json
(fitted on train alone) and OUT/manifest.json, which names the revision of every month it was made from. The same market gives the same bytes.
A folder that holds the experiment's dataset already is registered as it is. Needs the role researcher, or a token with research:write.

Examples:
  control dataset build --experiment config/experiments/usdcop_ppo_baseline.yaml
  control dataset build --experiment e.yaml --out runs/e/dataset --json")]
struct BuildArgs {
    #[command(flatten)]
    experiment: ExperimentArgs,
    /// Where it goes; runs/{contract}/dataset without it.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  control dataset list
  control dataset list --experiment CTR-EXP-usdcop_ppo_baseline-1.0.0 --json")]
struct ListArgs {
    /// Only of this experiment contract.
    #[arg(long, value_name = "CONTRACT")]
    experiment: Option<ContractId>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit code 66 for a dataset there is none of.

Examples:
  control dataset show CTR-EXP-usdcop_ppo_baseline-1.0.0 5f1c… --json | jq .manifest.splits")]
struct ShowArgs {
    /// The experiment contract it was built for.
    contract: ContractId,
    /// Its hash.
    #[arg(value_parser = DatasetHash::parse)]
    dataset: DatasetHash,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs the verb.
///
/// # Errors
/// See [`crate::research::dataset`] and [`super::remote`].
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::Build(args) => build(args, out),
        Verb::List(args) => {
            let call = Call::get(&["api", "datasets"]).with("contract_id", args.experiment.as_ref());
            let columns = [
                ("DATASET", "/dataset_hash"),
                ("EXPERIMENT", "/contract_id"),
                ("BY", "/created_by"),
                ("AT", "/created_at"),
            ];
            args.server.ask(
                Who::Anybody,
                call,
                |found| table(&found["datasets"], &columns),
                out,
            )
        }
        Verb::Show(args) => {
            let call = Call::get(&["api", "datasets", args.contract.as_str(), &args.dataset.to_hex()]);
            args.server.ask(Who::Anybody, call, shown, out)
        }
    }
}

fn build(args: &BuildArgs, out: Sink<'_>) -> Result<(), CliError> {
    let experiment = args.experiment.read()?;
    let cache = args.cache.open()?;
    let folder = args
        .out
        .clone()
        .unwrap_or_else(|| Work::of(&experiment.contract).dataset());
    let mut remote = args.server.remote(Who::Anybody, out)?;
    let built = block_on(dataset::make(&mut remote, &experiment, &cache, &folder))??;
    let document = json!({
        "dataset_hash": built.dataset.manifest.dataset_hash, "contract_id": experiment.contract.contract_id,
        "folder": folder, "found": built.found, "manifest": built.dataset.manifest,
    });
    remote.answer(&document, &said(&built, &document))
}

/// A line for a person: what it is, and what is odd about it.
fn said(built: &Built, document: &Value) -> String {
    let made = if built.found {
        "was there already\n"
    } else {
        "built\n"
    };
    let mut text = format!("{made}{}", shown(document));
    let constant = &built.dataset.manifest.features.constant_on_train;
    if !constant.is_empty() {
        text.push_str(&format!(
            "constant on train, so nothing can be learnt from them: {}\n",
            constant.join(", ")
        ));
    }
    text
}

fn shown(document: &Value) -> String {
    fields(
        document,
        &[
            ("dataset", "/dataset_hash"),
            ("experiment", "/contract_id"),
            ("folder", "/folder"),
            ("norm stats", "/manifest/norm_stats_hash"),
            ("market", "/manifest/market_hash"),
            ("rows of train", "/manifest/splits/train/rows"),
            ("of val", "/manifest/splits/val/rows"),
            ("of test", "/manifest/splits/test/rows"),
            ("by", "/created_by"),
            ("at", "/created_at"),
        ],
    )
}
