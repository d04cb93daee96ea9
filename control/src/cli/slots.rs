//! `control slots`, `control history` and `control engines`: what runs, what ran, who runs it.

use contracts::ids::SlotId;
use contracts::time::UtcMillis;

use super::CliError;
use super::out::Sink;
use super::remote::{Call, ServerArgs, Who};
use super::table::table;

/// Options of `control slots`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  control slots
  control slots --json")]
pub struct SlotsArgs {
    #[command(flatten)]
    server: ServerArgs,
}

/// Options of `control engines`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  control engines
  control engines --json")]
pub struct EnginesArgs {
    #[command(flatten)]
    server: ServerArgs,
}

/// Options of `control history`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Times are UTC, RFC 3339. Exit code 66 for a slot there is none of.

Examples:
  control history usdcop-5m
  control history usdcop-5m --as-of 2026-01-05T13:05:00Z --json")]
pub struct HistoryArgs {
    /// Of which slot.
    slot: SlotId,
    /// What ran then.
    #[arg(long, value_name = "TIME", value_parser = UtcMillis::parse)]
    as_of: Option<UtcMillis>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Lists the slots.
///
/// # Errors
/// See [`super::remote`].
pub fn slots(args: &SlotsArgs, out: Sink<'_>) -> Result<(), CliError> {
    let columns = [
        ("SLOT", "/slot"),
        ("ENVIRONMENT", "/environment"),
        ("GENERATION", "/generation"),
        ("DIRECTIVE", "/directive_number"),
        ("HALTED", "/halted"),
        ("BY", "/halted_by"),
        ("AT", "/halted_at"),
    ];
    args.server.ask(
        Who::Person,
        Call::get(&["api", "slots"]),
        |found| table(&found["slots"], &columns),
        out,
    )
}

/// Lists the engines.
///
/// # Errors
/// See [`super::remote`].
pub fn engines(args: &EnginesArgs, out: Sink<'_>) -> Result<(), CliError> {
    let columns = [
        ("ENGINE", "/engine_id"),
        ("SLOT", "/slot"),
        ("GENERATION", "/generation_highest"),
        ("DIRECTIVE", "/directive_highest"),
        ("SEEN", "/seen_at"),
    ];
    args.server.ask(
        Who::Person,
        Call::get(&["api", "engines"]),
        |found| table(&found["engines"], &columns),
        out,
    )
}

/// Lists what ran.
///
/// # Errors
/// See [`super::remote`].
pub fn history(args: &HistoryArgs, out: Sink<'_>) -> Result<(), CliError> {
    let call = Call::get(&["api", "slots", args.slot.as_str(), "history"]).with("as_of", args.as_of);
    let columns = [
        ("GENERATION", "/generation"),
        ("MODEL", "/model_id"),
        ("CAUSE", "/cause"),
        ("ALLOWED BY", "/allowed_by"),
        ("PROPOSAL", "/proposal_id"),
        ("FROM", "/started_at"),
        ("TO", "/ended_at"),
    ];
    args.server
        .ask(Who::Person, call, |found| table(&found["periods"], &columns), out)
}
