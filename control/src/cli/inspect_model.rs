//! `control inspect-model`: the process a registration starts to look into a model. Nobody calls it by hand.

use super::out::Sink;
use super::{CliError, Exit, OrExit};
use crate::inspect::child;

/// Options of `control inspect-model`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads a line of JSON and the model from stdin, answers with a line of JSON and the reduced model on stdout, under limits it sets itself.

Example:
  control inspect-model < QUESTION")]
pub struct Args {}

/// Runs the verb.
///
/// # Errors
/// [`Exit::Unavailable`] when the limits cannot be set, [`Exit::Data`] for a question that is none, [`Exit::Io`] when nobody listens.
pub fn run(_: &Args, mut out: Sink<'_>) -> Result<(), CliError> {
    child::restrict().or_exit(
        Exit::Unavailable,
        "the limits of an inspection cannot be set",
        "run it on Linux, without limits of its own that are lower",
    )?;
    child::answer(std::io::stdin().lock(), &mut out).or_exit(
        Exit::Data,
        "this is no question of an inspection",
        "`control serve` asks them by itself",
    )
}
