//! `engine feed`: serves files as a live native feed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use contracts::features::load_contract;
use contracts::ids::InstrumentId;
use contracts::native::{FeedMode, Speed};

use super::out::Stdout;
use super::tape::tape_of;
use super::{CliError, Exit, OrExit};
use crate::feeds::file_server::{FileServer, FileServerHandle, FileServerOptions, Tape};
use commandline::inputs::BarArgs;

/// Serve bar files as a native feed that announces a replay.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints {\"listening\":\"ADDRESS\"} once clients can connect; every client gets the whole file from after what it holds, at its
own pace. Daily values are sent before the first bar that may see them: with --features when that contract makes them
visible, without it as early as any calendar could (an engine applies its own contract's rule either way).

Examples:
  engine feed --bars usdcop_5m.csv.gz --stamp open --instrument USDCOP --macro macro_daily.csv --speed 100 --listen 127.0.0.1:9301
  engine feed --bars BTC-USDT.csv --bars ETH-USDT.csv --stamp close --speed max --listen 127.0.0.1:0")]
pub struct Args {
    /// A file of bars (.csv, .csv.gz, .parquet); once per instrument.
    #[arg(long, required = true, value_name = "FILE")]
    pub bars: Vec<PathBuf>,
    /// Whose bars, in the order of --bars; without it the files' names.
    #[arg(long, value_name = "NAME")]
    pub instrument: Vec<InstrumentId>,
    /// How they are read.
    #[command(flatten)]
    pub read: BarArgs,
    /// A file of daily values.
    #[arg(long = "macro", value_name = "FILE")]
    pub daily: Option<PathBuf>,
    /// The feature contract whose calendar and delays say when daily values become visible.
    #[arg(long, value_name = "FILE", requires = "daily")]
    pub features: Option<PathBuf>,
    /// Market time per wall time: a number above 0, or max. Nights and other holes last one bar.
    #[arg(long, value_parser = speed, default_value = "1", value_name = "1|100|max")]
    pub speed: Speed,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9301", value_name = "ADDRESS")]
    pub listen: SocketAddr,
}

fn speed(text: &str) -> Result<Speed, String> {
    Speed::parse(text).ok_or_else(|| "a number above 0, or max, is expected".to_owned())
}

/// Runs the verb until Ctrl-C or SIGTERM.
///
/// # Errors
/// [`Exit::NoInput`] and [`Exit::Data`] for the files, [`Exit::Unavailable`] when the address is taken.
pub fn run(args: Args) -> Result<(), CliError> {
    let tape = tape(&args)?;
    tracing::info!(
        bars = tape.bars_total(),
        macros = tape.macros().len(),
        "files read"
    );
    let options = FileServerOptions {
        tape: Arc::new(tape),
        pace: args.speed.into(),
        mode: FeedMode::Replay,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .or_exit(Exit::Software, "cannot start a runtime", "")?;
    runtime.block_on(async {
        let (server, handle) = FileServer::bind(args.listen, options).await.or_exit(
            Exit::Unavailable,
            "the feed cannot start",
            "choose another --listen, or end what holds the address",
        )?;
        Stdout::per_line().line(serde_json::json!({"listening": handle.address()}))?;
        let ended = end_of_process(handle);
        let (_, ended) = tokio::join!(server.run(), ended);
        ended.or_exit(Exit::Software, "cannot listen for signals", "")
    })
}

/// Stops the server at the first of Ctrl-C and SIGTERM.
async fn end_of_process(handle: FileServerHandle) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended?,
        _ = terminate.recv() => {}
    }
    handle.stop();
    Ok(())
}

fn tape(args: &Args) -> Result<Tape, CliError> {
    let features = match &args.features {
        None => None,
        Some(path) => {
            let unusable = || format!("{} is no usable feature contract", path.display());
            Some(load_contract(path).or_exit(Exit::Data, unusable(), "see the message for what to mend")?)
        }
    };
    tape_of(
        &args.bars,
        &args.instrument,
        &args.read,
        args.daily.as_deref(),
        features.as_ref(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(words: &[&str]) -> Args {
        let words = ["feed"].iter().chain(words);
        Line::try_parse_from(words).map(|line| line.args).unwrap()
    }

    #[test]
    fn files_become_a_tape_with_the_contracts_visibility() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let bars = file(
            "EURUSD.csv",
            "time,open,high,low,close\n2026-01-05T13:00:00Z,1,2,1,2\n2026-01-05T13:05:00Z,2,3,2,3\n",
        );
        let daily = file("macro.csv", "date,embi,gold\n2026-01-02,3.5,4\n2026-01-03,,5\n");
        let contract = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/features/usdcop_15.yaml");
        let words = ["--bars", &bars, "--stamp", "open", "--macro", &daily];
        let plain = tape(&parse(&words)).unwrap();
        assert_eq!(plain.bars_total(), 2);
        assert!(plain.knows(&InstrumentId::parse("EURUSD").unwrap()));
        assert_eq!(plain.macros().len(), 3);
        let exact = tape(&parse(&[&words[..], &["--features", contract]].concat())).unwrap();
        let embi = exact
            .macros()
            .iter()
            .find(|m| m.series.as_str() == "embi")
            .unwrap();
        // Observed on the 2nd, a day's delay: midnight of the 4th in Bogota.
        assert_eq!(embi.visible_at.to_string(), "2026-01-04T05:00:00Z");
    }

    #[test]
    fn instruments_are_named_for_every_file_or_for_none() {
        let args = parse(&[
            "--bars",
            "a.csv",
            "--bars",
            "b.csv",
            "--stamp",
            "open",
            "--instrument",
            "A",
        ]);
        assert_eq!(tape(&args).unwrap_err().exit(), Exit::Usage);
        assert!(speed("0").is_err() && speed("max").is_ok());
    }
}
