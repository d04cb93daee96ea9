//! `control ingest`: from files and vendors into the market store, with a report of what is odd.

mod bars;
mod macros;
mod progress;
mod said;
mod status;
mod take;
mod written;

use super::CliError;
use super::out::Sink;

/// Options of `control ingest`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Take five-minute bars of an instrument in.
    Bars(bars::BarsArgs),
    /// Take daily values of macro series in.
    Macro(macros::MacroArgs),
    /// List what the market store holds.
    Status(status::StatusArgs),
}

/// Runs the verb.
///
/// # Errors
/// See the exit codes of each one's help.
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::Bars(args) => bars::run(args, out),
        Verb::Macro(args) => macros::run(args, out),
        Verb::Status(args) => status::run(args, out),
    }
}
