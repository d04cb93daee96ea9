//! What moves production or stops it: `control promote`, `rollback`, `halt`, `resume`.

use contracts::ids::{ModelId, SlotId};
use serde_json::{Value, json};

use super::CliError;
use super::out::Sink;
use super::remote::{Call, ServerArgs, Who};
use super::table::cell;

/// Options of `control promote`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Needs the role operator or approver, a login of the last 15 minutes, and that you are no author of the model. Exit code 77 when the approval
has lapsed, or another model went into production since.

Examples:
  control promote sample-0123456789ab")]
pub struct PromoteArgs {
    /// Which.
    model: ModelId,
    #[command(flatten)]
    server: ServerArgs,
}

/// Options of `control rollback`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Only to a model that was in production in this slot and is not withdrawn. Rights as for `control promote`.

Examples:
  control rollback usdcop-5m --to sample-0123456789ab --reason 'losses since the swap'")]
pub struct RollbackArgs {
    /// Where.
    slot: SlotId,
    /// The model to put back.
    #[arg(long, value_name = "MODEL")]
    to: ModelId,
    /// Why; it stays in the records.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Options of `control halt`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Any operator alone may halt, with a login of any age but with no token. The slot's engines withhold signals until `control resume`, which takes two people.

Examples:
  control halt usdcop-5m --reason 'spread of 4 %'")]
pub struct HaltArgs {
    /// What to stop.
    slot: SlotId,
    /// Why; it stays in the records.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Options of `control resume`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
One operator asks, another confirms within an hour; both need a login of the last 15 minutes. Latches: control was set by `control halt`, local
on the engine's host by `engine halt`.

Examples:
  control resume usdcop-5m --latches control --reason 'spread is back'
  control resume usdcop-5m --confirm")]
pub struct ResumeArgs {
    /// What to let go on.
    slot: SlotId,
    /// Which latches to clear.
    #[arg(
        long,
        value_enum,
        value_name = "LATCH,…",
        value_delimiter = ',',
        required_unless_present = "confirm"
    )]
    latches: Vec<LatchArg>,
    /// Why; it stays in the records.
    #[arg(long, value_name = "TEXT", required_unless_present = "confirm")]
    reason: Option<String>,
    /// Confirms what another operator has asked for.
    #[arg(long, conflicts_with_all = ["latches", "reason"])]
    confirm: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// A latch, on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LatchArg {
    /// Set by `control halt`.
    Control,
    /// Set by `engine halt` or the halt file.
    Local,
}

/// Deploys an approved model.
///
/// # Errors
/// See [`super::remote`].
pub fn promote(args: &PromoteArgs, out: Sink<'_>) -> Result<(), CliError> {
    let path = ["api", "models", args.model.as_str(), "promote"];
    args.server
        .ask(Who::Person, Call::post(&path, json!({})), moved, out)
}

/// Puts an earlier model back.
///
/// # Errors
/// See [`super::remote`].
pub fn rollback(args: &RollbackArgs, out: Sink<'_>) -> Result<(), CliError> {
    let body = json!({"to_model_id": args.to, "reason": args.reason});
    let path = ["api", "slots", args.slot.as_str(), "rollback"];
    args.server.ask(Who::Person, Call::post(&path, body), moved, out)
}

/// Stops a slot.
///
/// # Errors
/// See [`super::remote`].
pub fn halt(args: &HaltArgs, out: Sink<'_>) -> Result<(), CliError> {
    let call = Call::post(
        &["api", "slots", args.slot.as_str(), "halt"],
        json!({"reason": args.reason}),
    );
    let said = |done: &Value| match done["directive"].as_u64() {
        Some(number) => format!("{} is halted by directive {number}\n", cell(&done["slot"])),
        None => format!("{} is halted; no model is in production\n", cell(&done["slot"])),
    };
    args.server.ask(Who::Person, call, said, out)
}

/// Asks to go on, or confirms it.
///
/// # Errors
/// See [`super::remote`].
pub fn resume(args: &ResumeArgs, out: Sink<'_>) -> Result<(), CliError> {
    let slot = args.slot.as_str();
    if args.confirm {
        let call = Call::post(&["api", "slots", slot, "resume", "confirm"], json!({}));
        let said = |done: &Value| {
            let halted = if done["halted"] == true {
                "still halted"
            } else {
                "not halted"
            };
            let (slot, clears) = (cell(&done["slot"]), cell(&done["clears"]));
            format!(
                "{slot}: directive {} clears {clears}; {halted}\n",
                cell(&done["directive"])
            )
        };
        return args.server.ask(Who::Person, call, said, out);
    }
    let body = json!({"latches": args.latches, "reason": args.reason});
    let call = Call::post(&["api", "slots", slot, "resume"], body);
    let said = |done: &Value| {
        let slot = cell(&done["slot"]);
        format!("asked; another operator confirms within an hour: `control resume {slot} --confirm`\n")
    };
    args.server.ask(Who::Person, call, said, out)
}

fn moved(done: &Value) -> String {
    let mut text = format!(
        "{} runs in {} as generation {}, contract {}\n",
        cell(&done["model_id"]),
        cell(&done["slot"]),
        cell(&done["generation"]),
        cell(&done["contract"]),
    );
    if done["previous_model_archived"].is_string() {
        text.push_str(&format!("archived: {}\n", cell(&done["previous_model_archived"])));
    }
    text
}
