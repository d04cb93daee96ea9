//! The command line: one file per verb, nothing but translation in here.
//!
//! A verb is a module with `Args` (a `clap::Args`, its help text with an example) and `run(&args, out) -> Result<(), CliError>`; it is
//! listed once in [`Command`] and once in [`Command::run`]. What a verb answers goes to `out`; everything else is said on stderr through
//! `tracing`, or by the lines that [`main`] prints for a [`CliError`]. Verbs that change what is served are HTTP clients of `control serve`
//! ([`remote`]); only `serve`, `migrate`, `key`, `audit verify`, `backup` and `restore` open the store and the keys themselves.

pub mod audit;
pub mod backtest;
pub mod backup;
mod cache;
mod chain_args;
pub mod completion;
pub mod dataset;
mod evidence;
pub mod experiment;
pub mod experiment_file;
pub mod ingest;
pub mod inspect_model;
pub mod job;
pub mod key;
mod key_use;
pub mod lineage;
pub mod login;
pub mod migrate;
pub mod model;
pub mod moves;
pub mod out;
pub mod pipeline;
pub mod place;
mod prompt;
pub mod proposal;
pub mod remote;
pub mod serve;
pub mod settings;
pub mod slots;
pub mod synthetic;
mod table;
pub mod token;
pub mod train;
mod training_watch;
pub mod user;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commandline::{LogFormat, start_log};

use self::out::Sink;
pub use commandline::{CliError, Exit, OrExit};

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

const AFTER_HELP: &str = "\
stdout is data, stderr is logs. `control VERB --help` has examples.

Exit codes:
   0  done
   1  a check found a difference; the evidence is no longer what the vote names
   2  the command line is wrong
  65  an input is not acceptable: a file (the message names its line), or what was asked of the server
  66  a named file cannot be read, or the server knows nothing of that name
  69  something needed is not there: the database, a server that answers
  70  a fault of the program itself
  74  a file cannot be written
  77  refused: a key, login or right is missing or wrong, or things do not stand so that it is allowed
  78  the configuration is wrong";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Begin a session with a server.
    Login(login::LoginArgs),
    /// End it.
    Logout(login::LogoutArgs),
    /// Say who the server takes you for.
    Whoami(login::WhoamiArgs),
    /// Make the first admin with the link that `control serve` printed.
    Setup(login::SetupArgs),
    /// Take market data in, with a quality report; show what there is.
    Ingest(Box<ingest::Args>),
    /// Check, register, list and show experiments.
    Experiment(experiment::Args),
    /// Run a model over an experiment's holdout, here.
    Backtest(Box<backtest::Args>),
    /// Generate a market, with an edge or without.
    Synthetic(synthetic::Args),
    /// Build, list and show datasets.
    Dataset(dataset::Args),
    /// Train a policy on a dataset and register it.
    Train(Box<train::Args>),
    /// From the market store to a proposal, in one go.
    Pipeline(pipeline::Args),
    /// Register, list, show and withdraw models.
    Model(model::Args),
    /// Ask for the first vote about a model again.
    Propose(job::ProposeArgs),
    /// List and show what the server works on.
    Job(job::Args),
    /// Show where a model comes from, every piece hashed again.
    Lineage(lineage::Args),
    /// List and show proposals.
    Proposal(proposal::Args),
    /// List proposals that wait for a second vote.
    Pending(proposal::PendingArgs),
    /// Cast the second vote: yes.
    Approve(proposal::ApproveArgs),
    /// Cast the second vote: no.
    Reject(proposal::RejectArgs),
    /// Neither yes nor no yet: have tests of the catalogue run.
    RequestMoreTests(proposal::MoreTestsArgs),
    /// Deploy a model that was approved for later.
    Promote(moves::PromoteArgs),
    /// Put an earlier model back.
    Rollback(moves::RollbackArgs),
    /// Stop a slot.
    Halt(moves::HaltArgs),
    /// Let a slot go on: one operator asks, another confirms.
    Resume(moves::ResumeArgs),
    /// List the slots and how they stand.
    Slots(slots::SlotsArgs),
    /// List what ran in a slot.
    History(slots::HistoryArgs),
    /// List the engines and when they were last heard of.
    Engines(slots::EnginesArgs),
    /// Read and check the audit chain.
    Audit(audit::Args),
    /// Make, list and disable users, change roles and passwords.
    User(user::Args),
    /// Make, list and revoke tokens.
    Token(token::Args),
    /// Save the store and the artifacts.
    Backup(backup::BackupArgs),
    /// Put a backup into an empty store.
    Restore(backup::RestoreArgs),
    /// Bring the database's schema up to date.
    Migrate(migrate::Args),
    /// Make, list, rotate and revoke this host's keys.
    Key(key::Args),
    /// List every setting of control.toml.
    Settings(settings::Args),
    /// Print what a shell needs to complete the words of this program.
    Completion(completion::Args),
    /// Serve the API.
    Serve(serve::Args),
    /// Look into a model under limits, for a registration.
    #[command(hide = true)]
    InspectModel(inspect_model::Args),
}

impl Command {
    /// Carries the verb out.
    ///
    /// # Errors
    /// The verb's [`CliError`].
    pub fn run(&self, out: Sink<'_>) -> Result<(), CliError> {
        match self {
            Self::Login(args) => login::login(args, out),
            Self::Logout(args) => login::logout(args, out),
            Self::Whoami(args) => login::whoami(args, out),
            Self::Setup(args) => login::setup(args, out),
            Self::Ingest(args) => ingest::run(args, out),
            Self::Experiment(args) => experiment::run(args, out),
            Self::Backtest(args) => backtest::run(args, out),
            Self::Synthetic(args) => synthetic::run(args, out),
            Self::Dataset(args) => dataset::run(args, out),
            Self::Train(args) => train::run(args, out),
            Self::Pipeline(args) => pipeline::run(args, out),
            Self::Model(args) => model::run(args, out),
            Self::Propose(args) => job::propose(args, out),
            Self::Job(args) => job::run(args, out),
            Self::Lineage(args) => lineage::run(args, out),
            Self::Proposal(args) => proposal::run(args, out),
            Self::Pending(args) => proposal::pending(args, out),
            Self::Approve(args) => proposal::approve(args, out),
            Self::Reject(args) => proposal::reject(args, out),
            Self::RequestMoreTests(args) => proposal::request_more_tests(args, out),
            Self::Promote(args) => moves::promote(args, out),
            Self::Rollback(args) => moves::rollback(args, out),
            Self::Halt(args) => moves::halt(args, out),
            Self::Resume(args) => moves::resume(args, out),
            Self::Slots(args) => slots::slots(args, out),
            Self::History(args) => slots::history(args, out),
            Self::Engines(args) => slots::engines(args, out),
            Self::Audit(args) => audit::run(args, out),
            Self::User(args) => user::run(args, out),
            Self::Token(args) => token::run(args, out),
            Self::Backup(args) => backup::backup(args, out),
            Self::Restore(args) => backup::restore(args, out),
            Self::Migrate(args) => migrate::run(args, out),
            Self::Key(args) => key::run(args, out),
            Self::Settings(args) => settings::run(args, out),
            Self::Completion(args) => completion::run(args, out),
            Self::Serve(args) => serve::run(args, out),
            Self::InspectModel(args) => inspect_model::run(args, out),
        }
    }
}

/// Parses, sets up the log, runs the verb, prints its error: all of `main`.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Cli::try_parse_from(args) {
        Ok(cli) => {
            let mut stdout = std::io::stdout().lock();
            commandline::finished(
                start_log(&cli.log, cli.log_format).and_then(|()| cli.command.run(&mut stdout)),
            )
        }
        Err(refusal) => commandline::refused(&refusal),
    }
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

/// Threads of a computation: as asked for, else as many as there are cores.
fn threads(asked: Option<u16>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    asked.map_or_else(cores, usize::from)
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
        assert_eq!(
            commandline::unexplained(&Cli::command(), "control"),
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
        // 3 is `engine replay --verify`'s own.
        for exit in Exit::ALL.into_iter().filter(|exit| *exit != Exit::OtherNumerics) {
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
