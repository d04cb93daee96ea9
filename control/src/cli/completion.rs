//! `control completion`: the words of this program, for a shell.

use clap::CommandFactory as _;
use commandline::completion::{Shell, script};

use super::out::Sink;
use super::{Cli, CliError, Exit, OrExit};

/// Options of `control completion`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  control completion bash > ~/.local/share/bash-completion/completions/control
  control completion zsh > ~/.zfunc/_control
  control completion fish > ~/.config/fish/completions/control.fish")]
pub struct Args {
    /// Which shell.
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// [`Exit::Io`].
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    let text = script(Cli::command(), "control", args.shell);
    out.write_all(&text)
        .or_exit(Exit::Io, "cannot write to stdout", "")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use crate::cli::testing::control;

    /// What bash offers for the last of `words`.
    fn offered(words: &[&str]) -> String {
        let script = control(&["completion", "bash"]).unwrap();
        let ask = format!(
            "{script}\nCOMP_WORDS=({})\nCOMP_CWORD={}\n_control control {} {}\necho \"${{COMPREPLY[*]}}\"",
            words.join(" "),
            words.len() - 1,
            words[words.len() - 1],
            words[words.len() - 2],
        );
        // The script is longer than an argument may be.
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ask.bash");
        std::fs::write(&file, ask).unwrap();
        let done = Command::new("bash").arg("--norc").arg(file).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn a_shell_completes_verbs_and_their_verbs() {
        assert_eq!(offered(&["control", "pend"]), "pending");
        assert_eq!(offered(&["control", "key", "rot"]), "rotate");
    }
}
