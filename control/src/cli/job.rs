//! Work that the server does by itself: `control propose`, `job list|show`.

use contracts::ids::ModelId;
use serde_json::Value;

use super::CliError;
use super::out::Sink;
use super::remote::{Call, ServerArgs, Who};
use super::table::{cell, fields, table};

/// Options of `control propose`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A registration starts this by itself; this is for a model whose proposal was rejected or ran out. Needs the role researcher, or a token with
research:write. The look at the holdout is counted.

Examples:
  control propose sample-0123456789ab")]
pub struct ProposeArgs {
    /// Which.
    model: ModelId,
    #[command(flatten)]
    server: ServerArgs,
}

/// Jobs.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List jobs, newest first.
    List(ListArgs),
    /// Show a job: how far it is, what came of it.
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
States: queued, running, done, failed. Kinds: first_vote, comparison, more_test.

Examples:
  control job list
  control job list --state failed --kind first_vote --json")]
struct ListArgs {
    /// Only those that stand so.
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Only of this kind.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// At most that many, 1 to 200.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: Option<u32>,
    /// Those after this place, as `next_cursor` of the page before says.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<u64>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  control job show 12
  control job show 12 --json | jq .result")]
struct ShowArgs {
    /// Which, as `control job list` numbers it.
    job: u64,
    #[command(flatten)]
    server: ServerArgs,
}

/// Asks for the first vote.
///
/// # Errors
/// See [`super::remote`].
pub fn propose(args: &ProposeArgs, out: Sink<'_>) -> Result<(), CliError> {
    let call = Call::post_empty(&["api", "models", args.model.as_str(), "propose"]);
    args.server.ask(
        Who::Anybody,
        call,
        |done| format!("job {0}: `control job show {0}`\n", cell(&done["job_id"])),
        out,
    )
}

/// Runs `control job`.
///
/// # Errors
/// See [`super::remote`].
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::List(args) => {
            let call = Call::get(&["api", "jobs"])
                .with("state", args.state.as_ref())
                .with("kind", args.kind.as_ref())
                .with("limit", args.limit)
                .with("cursor", args.cursor);
            let columns = [
                ("JOB", "/job_id"),
                ("KIND", "/kind"),
                ("SUBJECT", "/subject"),
                ("STATE", "/state"),
                ("DONE", "/progress"),
                ("BY", "/created_by"),
                ("SINCE", "/created_at"),
            ];
            args.server.ask(
                Who::Anybody,
                call,
                |found| {
                    let mut text = table(&found["jobs"], &columns);
                    if let Some(next) = found["next_cursor"].as_u64() {
                        text.push_str(&format!("the next page: --cursor {next}\n"));
                    }
                    text
                },
                out,
            )
        }
        Verb::Show(args) => {
            let call = Call::get(&["api", "jobs", &args.job.to_string()]);
            args.server.ask(Who::Anybody, call, shown, out)
        }
    }
}

fn shown(job: &Value) -> String {
    fields(
        job,
        &[
            ("job", "/job_id"),
            ("kind", "/kind"),
            ("subject", "/subject"),
            ("state", "/state"),
            ("done", "/progress"),
            ("at", "/progress_note"),
            ("attempts", "/attempts"),
            ("result", "/result"),
            ("error", "/error"),
            ("by", "/created_by"),
            ("since", "/created_at"),
            ("finished", "/finished_at"),
        ],
    )
}
