//! `control model`: registered models.

use contracts::ids::{ModelId, SlotId};
use serde_json::{Value, json};

use super::out::Sink;
use super::remote::{Call, ServerArgs, Who};
use super::table::{cell, fields, table};
use super::{CliError, block_on};
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
    /// List models, newest first.
    List(ListArgs),
    /// Show a model.
    Show(ShowArgs),
    /// Forbid a model for ever.
    Withdraw(WithdrawArgs),
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
        Verb::List(args) => {
            let mut remote = args.server.remote(Who::Anybody, out)?;
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
            block_on(remote.relay(call, |found| table(&found["models"], &columns)))?
        }
        Verb::Show(args) => {
            let mut remote = args.server.remote(Who::Anybody, out)?;
            let call = Call::get(&["api", "models", args.model.as_str()]);
            block_on(remote.relay(call, shown))?
        }
        Verb::Withdraw(args) => {
            let mut remote = args.server.remote(Who::Person, out)?;
            let path = ["api", "models", args.model.as_str(), "withdraw"];
            let call = Call::post(&path, json!({"reason": args.reason}));
            block_on(remote.relay(call, |done| {
                let mut text = format!("{} is withdrawn for ever\n", cell(&done["model_id"]));
                if !done["halted"].is_null() && done["halted"] != false {
                    text.push_str(&format!("halted: {}\n", cell(&done["halted"])));
                }
                text
            }))?
        }
    }
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
