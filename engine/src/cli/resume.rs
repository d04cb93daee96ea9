//! `engine resume FILE`: hands in a signed directive that clears latches.

use std::path::PathBuf;

use super::{CliError, Exit, OrExit, local};
use crate::edges::halt_socket::Request;

/// Hand in a signed directive that names the latches to clear.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints {\"lsn\":N} once the directive is in the journal and on disk. The engine verifies it as it does those of the control
plane: signature, environment, slot, a number above every earlier one; it must name `control` or `local` in `clears`.

Example:
  engine resume directive.json")]
pub struct Args {
    /// The directive.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The engine's Unix socket (`[halt] socket` in engine.toml).
    #[arg(long, value_name = "PATH", default_value = local::SOCKET_DEFAULT)]
    pub socket: PathBuf,
}

/// Runs the verb.
///
/// # Errors
/// [`Exit::NoInput`] for an unreadable file; else see [`local::ask`].
pub fn run(args: Args) -> Result<(), CliError> {
    let directive = std::fs::read_to_string(&args.file).or_exit(
        Exit::NoInput,
        format!("cannot read the directive {}", args.file.display()),
        "name the file the control plane gave out",
    )?;
    local::ask(&args.socket, &Request::Resume { directive })
}
