//! `control audit`: the chain of everything that was done.

mod export;
mod verify;

use serde_json::Value;

use super::CliError;
use super::out::Sink;
use super::remote::{Call, ServerArgs, Who};
use super::table::table;
use crate::audit::Action;

/// The audit chain.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List events in order.
    List(ListArgs),
    /// Write the whole chain to a file, with its hashes and signatures.
    Export(export::Args),
    /// Check the chain, the heads kept outside the database, and every row against what its events say.
    Verify(verify::Args),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  control audit list --actor vera
  control audit list --action APPROVE --after 1200 --limit 200 --json")]
struct ListArgs {
    /// Only after this number.
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// Only by this person, token or job.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only about this.
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// Only of this kind.
    #[arg(long, value_name = "ACTION", value_parser = action)]
    action: Option<Action>,
    /// At most that many, 1 to 200.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: Option<u32>,
    #[command(flatten)]
    server: ServerArgs,
}

fn action(word: &str) -> Result<Action, String> {
    let found = Action::ALL.iter().find(|action| action.word() == word);
    found.copied().ok_or_else(|| {
        let words: Vec<&str> = Action::ALL.iter().map(|action| action.word()).collect();
        format!("it is none of {}", words.join(", "))
    })
}

/// Runs the verb.
///
/// # Errors
/// See [`super::remote`] and [`verify::run`].
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::List(args) => list(args, out),
        Verb::Export(args) => export::run(args, out),
        Verb::Verify(args) => verify::run(args, out),
    }
}

fn list(args: &ListArgs, out: Sink<'_>) -> Result<(), CliError> {
    let call = Call::get(&["api", "audit"])
        .with("after", args.after)
        .with("actor", args.actor.as_deref())
        .with("subject", args.subject.as_deref())
        .with("action", args.action.map(Action::word))
        .with("limit", args.limit);
    args.server.ask(Who::Person, call, shown, out)
}

/// The rows an event tells of are for programs: they would fill the screen.
fn shown(found: &Value) -> String {
    let mut events = found["events"].clone();
    for event in events.as_array_mut().into_iter().flatten() {
        if let Some(body) = event["body"].as_object_mut() {
            body.remove("rows");
            body.remove("log");
        }
    }
    table(
        &events,
        &[
            ("SEQ", "/seq"),
            ("AT", "/created_at"),
            ("ACTOR", "/actor"),
            ("ACTION", "/action"),
            ("SUBJECT", "/subject"),
            ("BODY", "/body"),
        ],
    )
}
