//! The log: lines on stderr.

use clap::ValueEnum;

use crate::error::{CliError, Exit, OrExit as _};

/// How log lines are written to stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One readable line per event.
    Text,
    /// One JSON object per event.
    Json,
}

/// Starts the log.
///
/// # Errors
/// [`Exit::Usage`] when `filter` is none.
pub fn start_log(filter: &str, format: LogFormat) -> Result<(), CliError> {
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
    // A second start in one process (tests run verbs in process) keeps the first log.
    drop(outcome);
    Ok(())
}
