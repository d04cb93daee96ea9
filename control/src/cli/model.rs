//! `control model`: registered models.

use std::path::PathBuf;

use contracts::hash::DatasetHash;
use contracts::ids::{ContractId, ModelId, SlotId};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::out::Sink;
use super::remote::{Call, ServerArgs, Who};
use super::table::{cell, fields, table};
use super::{CliError, Exit, OrExit, block_on};
use crate::registry::Stage;

/// Models.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Register a model; the first vote about it starts by itself.
    Register(RegisterArgs),
    /// List models, newest first.
    List(ListArgs),
    /// Show a model.
    Show(ShowArgs),
    /// Forbid a model for ever.
    Withdraw(WithdrawArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The server looks into the file (shapes, operators, outputs) before it keeps it; the same bundle again changes nothing. Needs the role
researcher, or a token with research:write. Exit code 65 for a model that is refused; the message names the reason.

Examples:
  control model register --experiment CTR-EXP-sample-1.0.0 --model ppo.onnx --norm-stats norm_stats.json
  control model register --experiment CTR-EXP-sample-1.0.0 --model ppo.onnx --norm-stats norm_stats.json --trials 40 --json")]
struct RegisterArgs {
    /// The experiment contract it was made for.
    #[arg(long, value_name = "CONTRACT")]
    experiment: ContractId,
    /// The ONNX file, at most 64 MiB.
    #[arg(long, value_name = "ONNX")]
    model: PathBuf,
    /// Its scaler.
    #[arg(long, value_name = "JSON")]
    norm_stats: PathBuf,
    /// What it was trained on, as registered.
    #[arg(long, value_name = "HEX")]
    dataset: Option<DatasetHash>,
    /// The run that trained it, as registered.
    #[arg(long, value_name = "RUN")]
    training_run: Option<String>,
    /// Models tried elsewhere before this one: they count like looks.
    #[arg(long, value_name = "N")]
    trials: Option<u32>,
    /// The output to act on; without it the first that fits.
    #[arg(long, value_name = "NAME")]
    action_output: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Stages: staging, canary, production, archived, withdrawn.

Examples:
  control model list
  control model list --slot usdcop-5m --stage production --json")]
struct ListArgs {
    /// Only of this stage.
    #[arg(long, value_name = "STAGE")]
    stage: Option<Stage>,
    /// Only for this slot.
    #[arg(long, value_name = "SLOT")]
    slot: Option<SlotId>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit code 66 for a model there is none of.

Examples:
  control model show sample-0123456789ab
  control model show sample-0123456789ab --json | jq .admission")]
struct ShowArgs {
    /// Which.
    model: ModelId,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
It never comes back. A slot that runs it is halted. Needs the role operator or approver and a login of the last 15 minutes.

Examples:
  control model withdraw sample-0123456789ab --reason 'trained on wrong prices'")]
struct WithdrawArgs {
    /// Which.
    model: ModelId,
    /// Why; it stays in the records.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs the verb.
///
/// # Errors
/// See [`super::remote`].
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::Register(args) => register(args, out),
        Verb::List(args) => {
            let call = Call::get(&["api", "models"])
                .with("stage", args.stage.map(Stage::word))
                .with("slot", args.slot.as_ref());
            let columns = [
                ("MODEL", "/model_id"),
                ("SLOT", "/slot"),
                ("STAGE", "/stage"),
                ("REGISTERED BY", "/registered_by"),
                ("AT", "/created_at"),
                ("PROPOSAL", "/l4_proposal_id"),
            ];
            args.server
                .ask(Who::Anybody, call, |found| table(&found["models"], &columns), out)
        }
        Verb::Show(args) => {
            let call = Call::get(&["api", "models", args.model.as_str()]);
            args.server.ask(Who::Anybody, call, shown, out)
        }
        Verb::Withdraw(args) => {
            let path = ["api", "models", args.model.as_str(), "withdraw"];
            let call = Call::post(&path, json!({"reason": args.reason}));
            args.server.ask(
                Who::Person,
                call,
                |done| {
                    let mut text = format!("{} is withdrawn for ever\n", cell(&done["model_id"]));
                    if !done["halted"].is_null() && done["halted"] != false {
                        text.push_str(&format!("halted: {}\n", cell(&done["halted"])));
                    }
                    text
                },
                out,
            )
        }
    }
}

fn register(args: &RegisterArgs, out: Sink<'_>) -> Result<(), CliError> {
    let mut remote = args.server.remote(Who::Anybody, out)?;
    let texts = [
        ("contract_id", Some(args.experiment.to_string())),
        ("dataset_hash", args.dataset.map(|hash| hash.to_hex())),
        ("training_run", args.training_run.clone()),
        ("trials", args.trials.map(|trials| trials.to_string())),
        ("action_output", args.action_output.clone()),
    ];
    let mut form = Form::new();
    for (name, text) in texts {
        if let Some(text) = text {
            form = form.text(name, text);
        }
    }
    for (name, path) in [("model", &args.model), ("norm_stats", &args.norm_stats)] {
        let bytes = std::fs::read(path).or_exit(
            Exit::NoInput,
            format!("cannot read {}", path.display()),
            "check the path and the rights",
        )?;
        form = form.part(name, Part::bytes(bytes).file_name(name));
    }
    block_on(remote.relay(Call::upload(&["api", "models"], form), |done| {
        let made = if done["created"] == true {
            "registered"
        } else {
            "registered before, nothing changed"
        };
        format!("{made}\n{}", shown(done))
    }))?
}

fn shown(model: &Value) -> String {
    fields(
        model,
        &[
            ("model", "/model_id"),
            ("stage", "/stage"),
            ("slot", "/slot"),
            ("experiment", "/contract_id"),
            ("registered by", "/registered_by"),
            ("at", "/created_at"),
            ("proposal", "/l4_proposal_id"),
            ("approved by", "/approved_by"),
            ("approved at", "/approved_at"),
            ("promoted at", "/promoted_at"),
            ("archived at", "/archived_at"),
            ("withdrawn at", "/withdrawn_at"),
            ("declared trials", "/declared_trials"),
            ("action output", "/action/output"),
            ("action rule", "/action/rule"),
            ("executor", "/numerics/executor"),
            ("bundle_hash", "/bundle_hash"),
            ("model_hash", "/model_hash"),
            ("exec_hash", "/exec_hash"),
            ("norm_stats_hash", "/norm_stats_hash"),
            ("feature_contract_hash", "/feature_contract_hash"),
            ("config_hash", "/config_hash"),
            ("dataset_hash", "/dataset_hash"),
            ("training run", "/training_run"),
        ],
    )
}
