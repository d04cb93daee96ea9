//! `control lineage`: where a model comes from, and whether every piece is still what its hash says.

use contracts::ids::ModelId;
use serde_json::Value;

use super::out::Sink;
use super::remote::{Call, ServerArgs, Who};
use super::table::{cell, table};
use super::{CliError, Exit, block_on};

/// Options of `control lineage`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every piece is hashed again. Exit code 1 when one is not what its hash says.

Examples:
  control lineage sample-0123456789ab
  control lineage sample-0123456789ab --json | jq '.nodes[] | select(.verified == false)'")]
pub struct Args {
    /// Of which model.
    model: ModelId,
    #[command(flatten)]
    server: ServerArgs,
}

/// Shows the lineage.
///
/// # Errors
/// [`Exit::Differs`] for a broken piece; see [`super::remote`].
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    let mut remote = args.server.remote(Who::Anybody, out)?;
    let path = ["api", "models", args.model.as_str(), "lineage"];
    block_on(async {
        let found = remote.send(Call::get(&path)).await?.json()?;
        remote.answer(&found, &shown(&found))?;
        let nodes = found["nodes"].as_array().into_iter().flatten();
        let broken: Vec<String> = nodes
            .filter(|node| node["verified"] == false)
            .map(|node| format!("{} {}", cell(&node["kind"]), cell(&node["id"])))
            .collect();
        if broken.is_empty() {
            return Ok(());
        }
        Err(CliError::new(
            Exit::Differs,
            format!("not what its hash says: {}", broken.join(", ")),
            "somebody changed it: `control audit verify` says which row",
        ))
    })?
}

fn shown(found: &Value) -> String {
    let columns = [
        ("PIECE", "/kind"),
        ("ID", "/id"),
        ("VERIFIED", "/verified"),
        ("HASH", "/hash"),
    ];
    table(&found["nodes"], &columns)
}
