//! `engine completion`: the words of this program, for a shell.

use clap::CommandFactory as _;
use commandline::completion::{Shell, script};

use super::out::Stdout;
use super::{Cli, CliError};

/// Options of `engine completion`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  engine completion bash > ~/.local/share/bash-completion/completions/engine
  engine completion zsh > ~/.zfunc/_engine
  engine completion fish > ~/.config/fish/completions/engine.fish")]
pub struct Args {
    /// Which shell.
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// [`Exit::Io`](super::Exit::Io).
pub fn run(args: &Args) -> Result<(), CliError> {
    let text = script(Cli::command(), "engine", args.shell);
    let mut out = Stdout::buffered();
    out.line(String::from_utf8_lossy(&text).trim_end())?;
    out.finish()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_is_taught_every_verb() {
        for shell in Shell::value_variants() {
            let text = script(Cli::command(), "engine", *shell);
            let text = String::from_utf8(text).unwrap();
            for verb in Cli::command().get_subcommands() {
                assert!(text.contains(verb.get_name()), "{shell}: {}", verb.get_name());
            }
        }
    }
}
