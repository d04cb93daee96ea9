//! `engine run`: the live engine.

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use super::out::Stdout;
use super::{CliError, Exit, OrExit};
use crate::clock::SystemClock;
use crate::config::EngineConfig;
use crate::drivers::inline::DriverEnd;
use crate::drivers::live::{Live, LiveEnd, LiveError, LiveOptions};
use crate::drivers::outlet::OutletError;
use crate::feeds::FeedLimits;

/// Follow the slot's contract, read the feed, publish signals.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints {\"listening\":\"ADDRESS\"} once clients can connect. SIGTERM and Ctrl-C stop it in order: the batch in hand is finished,
journaled and published. Exit code 74: the journal failed and nothing more was published.

Example:
  engine run --config config/engine.toml")]
pub struct Args {
    /// The settings.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Runs until SIGTERM, Ctrl-C or a failure.
///
/// # Errors
/// [`Exit::Config`] for the settings, [`Exit::Io`] when the journal failed, else what the start says.
pub fn run(args: &Args) -> Result<(), CliError> {
    let config = EngineConfig::load(&args.config).or_exit(
        Exit::Config,
        format!("{} cannot be used", args.config.display()),
        "see the message for what to mend",
    )?;
    let options = LiveOptions {
        config,
        config_path: Some(args.config.clone()),
        clock: SystemClock::shared(),
        send_buffer_bytes: None,
        batch_rows_max: strategy::limits::BATCH_ROWS_MAX,
        feed_limits: FeedLimits::default(),
    };
    let live = Live::start(options).map_err(cannot_start)?;
    // Before anybody is told that the engine is there: who knows of it may end it, and that end is an orderly one.
    let told =
        live.block_on(async { told_to_stop() })
            .or_exit(Exit::Software, "cannot listen for signals", "")?;
    Stdout::per_line().line(serde_json::json!({"listening": live.address()}))?;
    tracing::info!(address = %live.address(), "listening");
    live.block_on(wait(&live, told));
    live.stop().map_err(ended)
}

/// Ends when the process is told to stop (SIGINT or SIGTERM); both are heard from this call on.
fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

async fn wait(live: &Live, told: impl Future<Output = ()>) {
    let mut ended = live.ended();
    tokio::select! {
        () = told => {}
        _ = ended.wait_for(|ended| *ended) => {}
    }
}

fn cannot_start(error: LiveError) -> CliError {
    let (exit, remedy) = match &error {
        LiveError::Config(_) | LiveError::Control(_) | LiveError::Feed(_) | LiveError::Symbols(_) => {
            (Exit::Config, "correct the configuration")
        }
        LiveError::Start(_) | LiveError::Recover(_) => (
            Exit::Data,
            "see the message; `engine journal ls DIR` shows the segments",
        ),
        LiveError::History(_) => (Exit::Data, "mend the file, or take [history] out"),
        LiveError::Bind(_) | LiveError::HaltSocket(_) => (Exit::Unavailable, "end the process that has it"),
        LiveError::System { .. } => (Exit::Software, "look at the limits of the process"),
    };
    CliError::new(exit, "the engine cannot start", remedy).caused_by(error)
}

fn ended(end: LiveEnd) -> CliError {
    let exit = match &end {
        LiveEnd::Driver(DriverEnd::Outlet(OutletError::Journal(_))) | LiveEnd::Close(_) => Exit::Io,
        LiveEnd::Driver(DriverEnd::LiveFeedOnFeedClock) => Exit::Config,
        LiveEnd::Driver(_) | LiveEnd::Panicked => Exit::Software,
    };
    CliError::new(
        exit,
        "the engine ended",
        "nothing was published that the journal does not hold",
    )
    .caused_by(end)
}
