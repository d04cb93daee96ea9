//! The command line: one file per verb, nothing but translation in here.
//!
//! A verb is a module with `Args` (a `clap::Args`, its help text with an example) and `run(&args, out) -> Result<(), CliError>`; it is
//! listed once in [`Command`] and once in [`Command::run`]. What a verb answers goes to `out`; everything else is said on stderr through
//! `tracing`, or by the lines that [`main`] prints for a [`CliError`].

pub mod error;
pub mod experiment;
pub mod key;
pub mod migrate;
pub mod out;
pub mod place;
pub mod serve;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

pub use self::error::{CliError, Exit, OrExit};
use self::out::Sink;

/// Registers experiments and models, collects two votes, signs what engines obey.
#[derive(Debug, Parser)]
#[command(name = "control", version, about, long_about = None, after_help = AFTER_HELP)]
pub struct Cli {
    /// What goes to stderr: error, warn, info, debug, trace, or a filter such as `control::votes=debug,info`.
    #[arg(
        long,
        global = true,
        env = "CONTROL_LOG",
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

/// How log lines are written to stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One readable line per event.
    Text,
    /// One JSON object per event.
    Json,
}

const AFTER_HELP: &str = "\
stdout is data, stderr is logs. `control VERB --help` has examples.

Exit codes:
   0  done
   1  a check found a difference
   2  the command line is wrong
  65  an input file is not acceptable; the message names its line
  66  a named file or directory cannot be read
  69  something needed is not there: the database, a server
  70  a fault of the program itself
  74  a file cannot be written
  77  refused: a key, login or right is missing or wrong
  78  the configuration is wrong";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check experiments.
    Experiment(experiment::Args),
    /// Bring the database's schema up to date.
    Migrate(migrate::Args),
    /// Make, list, rotate and revoke this host's keys.
    Key(key::Args),
    /// Serve the API.
    Serve(serve::Args),
}

impl Command {
    /// Carries the verb out.
    ///
    /// # Errors
    /// The verb's [`CliError`].
    pub fn run(&self, out: Sink<'_>) -> Result<(), CliError> {
        match self {
            Self::Experiment(args) => experiment::run(args, out),
            Self::Migrate(args) => migrate::run(args, out),
            Self::Key(args) => key::run(args, out),
            Self::Serve(args) => serve::run(args, out),
        }
    }
}

/// Parses, sets up the log, runs the verb, prints its error: all of `main`.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(refusal) => {
            // A closed stderr leaves nobody to tell; the exit code still says it.
            let printed = refusal.print();
            let asked_for = !refusal.use_stderr() && printed.is_ok();
            return if asked_for { Exit::Done } else { Exit::Usage }.into();
        }
    };
    let mut stdout = std::io::stdout().lock();
    let outcome = start_log(&cli.log, cli.log_format).and_then(|()| cli.command.run(&mut stdout));
    match outcome {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            drop(write!(std::io::stderr(), "{}", error.report()));
            error.exit().into()
        }
    }
}

fn start_log(filter: &str, format: LogFormat) -> Result<(), CliError> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter).or_exit(
        Exit::Usage,
        "--log cannot be read",
        "use a level such as info, or target=level pairs",
    )?;
    let base = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let outcome = match format {
        LogFormat::Text => base
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
        LogFormat::Json => base.json().try_init(),
    };
    // A second start in one process keeps the first log.
    drop(outcome);
    Ok(())
}

/// Runs one future on a runtime of its own, for verbs that wait for the database.
fn block_on<F: Future>(future: F) -> Result<F::Output, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.or_exit(
        Exit::Unavailable,
        "the system gives no event loop",
        "raise the limit of open files",
    )?;
    Ok(runtime.block_on(future))
}

#[cfg(test)]
mod testing {
    use super::*;

    /// Runs a verb; what it wrote, and its error where it failed.
    pub fn control(words: &[&str]) -> Result<String, (String, CliError)> {
        let cli = Cli::try_parse_from([&["control"], words].concat()).unwrap();
        let mut out = Vec::new();
        let outcome = cli.command.run(&mut out);
        let said = String::from_utf8(out).unwrap();
        match outcome {
            Ok(()) => Ok(said),
            Err(error) => Err((said, error)),
        }
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
        fn walk(command: &clap::Command, path: &str) {
            for verb in command.get_subcommands() {
                let name = format!("{path} {}", verb.get_name());
                assert!(verb.get_about().is_some(), "`{name}` does not say what it does");
                if verb.has_subcommands() {
                    walk(verb, &name);
                } else {
                    let after = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
                    assert!(
                        after.contains(&name),
                        "`{name} --help` shows no example of itself"
                    );
                }
            }
        }
        walk(&Cli::command(), "control");
    }

    #[test]
    fn the_help_lists_every_exit_code() {
        for exit in Exit::ALL {
            let code = format!("{}  ", exit.code());
            let listed = AFTER_HELP
                .lines()
                .any(|line| line.trim_start().starts_with(&code));
            assert!(listed, "exit code {code} is not in the help");
        }
    }

    #[test]
    fn a_database_is_migrated_again_and_again() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("control.db").display());
        for _ in 0..2 {
            let said = testing::control(&["migrate", "--database", &url]).unwrap();
            assert_eq!(said, "sqlite: the schema is up to date\n");
        }
        let (_, error) = testing::control(&["migrate", "--database", "mysql:nowhere"]).unwrap_err();
        assert_eq!(error.exit(), Exit::Config);
    }
}
