//! The command line: one file per verb, nothing but translation in here.
//!
//! A verb is a module with `Args` (a `clap::Args`, its help text with an example) and `run(args) -> Result<(), CliError>`;
//! it is listed once in [`Command`] and once in [`Command::run`]. stdout is data and goes through [`out::Stdout`]; everything
//! else is said on stderr through `tracing`, or by the one line that [`main`] prints for a [`CliError`].

pub mod bench;
pub mod completion;
pub mod contract;
pub mod features;
pub mod feed;
pub mod halt;
pub mod journal;
pub mod local;
pub mod out;
pub mod place;
pub mod replay;
pub mod resume;
pub mod run;
pub mod tail;
pub mod tape;
pub mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commandline::{LogFormat, start_log};

pub use commandline::{CliError, Exit, OrExit};

/// Streams closed bars through a verified trading model and publishes sequenced signals.
#[derive(Debug, Parser)]
#[command(name = "engine", version, about, long_about = None, after_help = AFTER_HELP)]
pub struct Cli {
    /// What goes to stderr: error, warn, info, debug, trace, or a filter such as `engine::feeds=debug,info`.
    #[arg(
        long,
        global = true,
        env = "ENGINE_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub log: String,
    /// How it is written.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// The verb.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
stdout is data, stderr is logs. `engine VERB --help` has examples.

Exit codes:
   0  done
   1  a check found a difference (replay --verify names the first)
   2  the command line is wrong
   3  replay --verify ran under other numerics: actions agree and outputs lie within 1e-5, bits were not compared
  65  an input file, contract or artifact is not acceptable
  66  a named file or directory cannot be read
  69  something needed is not there: ONNX Runtime, a peer, a free port
  70  a fault of the engine itself
  74  a file cannot be written; for `engine run`: the journal failed and nothing more was published
  77  refused: a signature, key, token or right is missing or wrong
  78  the configuration is wrong";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look into a journal: its segments, its records, its bars.
    Journal(journal::Args),
    /// Compute the features of a bar file, before normalisation.
    Features(features::Args),

    /// Run bar files through a contract's model and write the messages a live engine would send.
    Replay(replay::Args),
    /// Follow the slot's contract, read the feed, publish signals.
    Run(run::Args),
    /// Print the messages of a running engine's signal stream, one JSON object per line.
    Tail(tail::Args),
    /// Serve bar files as a native feed that announces a replay.
    Feed(feed::Args),
    /// Make a signed contract for a model nobody voted for.
    Contract(contract::Args),
    /// Measure a bar's way through the core on this machine, stage by stage.
    Bench(bench::Args),
    /// Halt the engine on this host.
    Halt(halt::Args),
    /// Hand in a signed directive that names the latches to clear.
    Resume(resume::Args),
    /// Print what a shell needs to complete the words of this program.
    Completion(completion::Args),
}

impl Command {
    /// Carries the verb out.
    ///
    /// # Errors
    /// The verb's [`CliError`].
    pub fn run(self) -> Result<(), CliError> {
        match self {
            Self::Journal(args) => journal::run(args),
            Self::Features(args) => features::run(args),

            Self::Replay(args) => replay::run(&args),
            Self::Run(args) => run::run(&args),
            Self::Tail(args) => tail::run(args),
            Self::Feed(args) => feed::run(args),
            Self::Contract(args) => contract::run(args),
            Self::Bench(args) => bench::run(&args),
            Self::Halt(args) => halt::run(args),
            Self::Resume(args) => resume::run(args),
            Self::Completion(args) => completion::run(&args),
        }
    }
}

/// Parses, sets up the log, runs the verb, prints its error: all of `main`.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Cli::try_parse_from(args) {
        Ok(cli) => {
            commandline::finished(start_log(&cli.log, cli.log_format).and_then(|()| cli.command.run()))
        }
        Err(refusal) => commandline::refused(&refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_says_what_it_does_and_shows_an_example() {
        assert_eq!(
            commandline::unexplained(&Cli::command(), "engine"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn the_document_of_exit_codes_says_what_the_help_says() {
        let document = include_str!("../../../docs/EXIT_CODES.md");
        let table = commandline::exit_codes(AFTER_HELP);
        assert!(
            document.contains(&table),
            "docs/EXIT_CODES.md lacks this table:\n{table}"
        );
    }

    #[test]
    fn the_help_lists_every_exit_code() {
        for exit in Exit::ALL {
            let code = exit.code().to_string();
            assert!(
                AFTER_HELP
                    .lines()
                    .any(|line| line.trim_start().starts_with(&format!("{code}  "))),
                "exit code {code} is not in the help"
            );
        }
    }
}
