//! `engine halt`: sets the local latch of the engine on this host.

use std::path::PathBuf;

use super::{CliError, local};
use crate::edges::halt_socket::Request;

/// Halt the engine on this host: every open position is ordered closed, then nothing is signalled.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints {\"lsn\":N} once the halt is in the journal and on disk. Only a directive signed by the control plane, requested by
one operator and confirmed by another, clears it: `engine resume FILE`. Without any tool: create the halt file.

Examples:
  engine halt
  engine halt --socket /run/twovote/halt.sock")]
pub struct Args {
    /// The engine's Unix socket (`[halt] socket` in engine.toml).
    #[arg(long, value_name = "PATH", default_value = local::SOCKET_DEFAULT)]
    pub socket: PathBuf,
}

/// Runs the verb.
///
/// # Errors
/// See [`local::ask`].
pub fn run(args: Args) -> Result<(), CliError> {
    local::ask(&args.socket, &Request::Halt {})
}
