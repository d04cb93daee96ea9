//! What the command lines of `engine` and `control` share: exit codes, how a verb fails, the log, files of bars, and the two ends
//! of `main`.
//!
//! A script can rely on one table of exit codes for both programs, and a person on one form of error: what, why, what to do.

pub mod completion;
mod documented;
mod error;
pub mod inputs;
mod log;

use std::io::Write as _;
use std::process::ExitCode;

pub use self::documented::exit_codes;
pub use self::error::{CliError, Exit, OrExit};
pub use self::log::{LogFormat, start_log};

/// A command line that does not parse, or asks for help: prints clap's words.
#[must_use]
pub fn refused(refusal: &clap::Error) -> ExitCode {
    // A closed stderr leaves nobody to tell; the exit code still says it.
    let printed = refusal.print();
    let asked_for = !refusal.use_stderr() && printed.is_ok();
    if asked_for { Exit::Done } else { Exit::Usage }.into()
}

/// A verb's end: its error goes to stderr. That stdout's reader has gone is none.
#[must_use]
pub fn finished(outcome: Result<(), CliError>) -> ExitCode {
    match outcome {
        Ok(()) => Exit::Done.into(),
        Err(error) if error.is_closed_pipe() => Exit::Done.into(),
        Err(error) => {
            drop(write!(std::io::stderr(), "{}", error.report()));
            error.exit().into()
        }
    }
}

/// Verbs below `command` that do not say what they do, or show no example of themselves; for the programs' tests.
#[must_use]
pub fn unexplained(command: &clap::Command, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for verb in command.get_subcommands() {
        let name = format!("{path} {}", verb.get_name());
        if verb.get_about().is_none() {
            found.push(format!("`{name}` does not say what it does"));
        }
        if verb.has_subcommands() {
            found.extend(unexplained(verb, &name));
            continue;
        }
        let after = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
        if !after.contains(&name) {
            found.push(format!("`{name} --help` shows no example of itself"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Arg, Command};

    #[test]
    fn a_verb_without_words_or_example_is_found() {
        let shown = Command::new("shown")
            .about("shows")
            .after_help("Example: program shown");
        let bare = Command::new("bare").arg(Arg::new("x"));
        let program = Command::new("program").subcommand(shown).subcommand(bare);
        let expected = [
            "`program bare` does not say what it does",
            "`program bare --help` shows no example of itself",
        ];
        assert_eq!(unexplained(&program, "program"), expected);
    }
}
