//! `cargo xtask demo`: bars to signals on this machine, in front of your eyes.
//!
//! Builds the engine, generates a policy (untrained: what it says means nothing) and, unless you bring bars, a market;
//! signs a local contract; serves the last sessions of the bars as a live feed and streams the engine's signals to
//! stdout. Everything lies under `target/demo` and is made anew each time; every process it starts ends with it.

mod bars;
mod children;
mod settings;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bars::{Bars, Stamp};
use children::Children;

use crate::{runner, setup};

/// Arguments of `demo`.
#[derive(clap::Args)]
pub struct Args {
    /// Your own five-minute bars (CSV or CSV.gz) instead of a generated market.
    #[arg(long, requires = "stamp")]
    bars: Option<PathBuf>,
    /// Which end of a bar its time names.
    #[arg(long, value_enum)]
    stamp: Option<Stamp>,
    /// Daily macro series for your bars (CSV); without it the features that need none are used.
    #[arg(long, requires = "bars")]
    r#macro: Option<PathBuf>,
    /// How much faster than life the feed is, or max; 600 is two bars a second.
    #[arg(long, default_value = "600")]
    speed: String,
    /// Sessions of the bars that are fed live; what lies before them is history.
    #[arg(long, default_value_t = 5)]
    live_days: usize,
    /// End after this many signals.
    #[arg(long)]
    signals: Option<u64>,
    /// End after this many seconds; without --signals and --seconds it runs until Ctrl-C.
    #[arg(long)]
    seconds: Option<u64>,
}

/// How long a started process may take until it answers.
const START_SECONDS: u64 = 60;
/// Calendar days of the generated market: enough for every operator to settle, twice.
const MARKET_DAYS: &str = "120";
const INSTRUMENT: &str = "USDCOP";

/// Carries the demo out.
pub fn run(args: &Args) -> Result<(), String> {
    setup::run()?;
    runner::run(runner::cargo().args(["build", "--locked", "--bin", "engine", "--bin", "synthetic"]))?;
    let programs = runner::target().join("debug");
    let folder = runner::target().join("demo");
    remake(&folder)?;
    let engine = |words: &[&str]| program(&programs, "engine", words);
    let synthetic = |words: &[&str]| program(&programs, "synthetic", words);

    let bars = match &args.bars {
        Some(file) => Bars {
            file: absolute(file)?,
            stamp: args.stamp.ok_or("--bars needs --stamp open or --stamp close")?,
            macros: args.r#macro.as_deref().map(absolute).transpose()?,
        },
        None => {
            let out = text(&folder)?;
            let words = [
                "market",
                "--days",
                MARKET_DAYS,
                "--instruments",
                INSTRUMENT,
                "--out",
                out,
            ];
            runner::run(&mut synthetic(&words))?;
            Bars {
                file: folder.join(format!("{INSTRUMENT}.csv")),
                stamp: Stamp::Close,
                macros: Some(folder.join("macro.csv")),
            }
        }
    };
    let cut = bars.split(&folder, args.live_days)?;
    eprintln!(
        "{} bars of history, {} bars to come from {}",
        cut.history_bars, cut.live_bars, cut.first_live
    );

    let contract = if bars.macros.is_some() {
        ("usdcop_15", "15")
    } else {
        ("technical_8", "8")
    };
    let features = runner::root()
        .join("config")
        .join("features")
        .join(format!("{}.yaml", contract.0));
    let file = |name: &str| folder.join(name);
    let (policy, columns, stats) = (file("policy.onnx"), file("features.csv"), file("norm_stats.json"));
    runner::run(
        synthetic(&["policy", "--width", contract.1])
            .arg("--out")
            .arg(&policy),
    )?;
    let mut compute = engine(&["features"]);
    compute
        .arg("--features")
        .arg(&features)
        .arg("--out")
        .arg(&columns);
    runner::run(
        bars.name(&mut compute, &cut.history)
            .args(["--instrument", INSTRUMENT]),
    )?;
    runner::run(
        synthetic(&["norm-stats"])
            .arg("--features")
            .arg(&columns)
            .arg("--out")
            .arg(&stats),
    )?;

    let (source, key) = (file("contract"), file("contract.key"));
    let mut make = engine(&["contract", "make", "--slot", "demo", "--instrument", INSTRUMENT]);
    make.arg("--model")
        .arg(&policy)
        .arg("--norm-stats")
        .arg(&stats)
        .arg("--features")
        .arg(&features);
    make.arg("--key").arg(&key).arg("--out").arg(&source);
    // What it prints is about the contract; the demo's stdout is for signals.
    runner::run(
        bars.name(&mut make, &cut.history)
            .stdout(std::process::Stdio::null()),
    )?;

    let (feed_at, engine_at) = (free_address()?, free_address()?);
    let config = file("engine.toml");
    let written = settings::Settings {
        folder: &folder,
        instrument: INSTRUMENT,
        listen: &engine_at,
        feed: &feed_at,
        bars: &bars,
        history: &cut.history,
        public_key: &settings::public_key(&key)?,
    };
    std::fs::write(&config, written.to_toml()).map_err(|error| format!("{}: {error}", config.display()))?;

    let mut children = Children::new(&folder);
    let mut feed = engine(&[
        "feed",
        "--speed",
        &args.speed,
        "--listen",
        &feed_at,
        "--instrument",
        INSTRUMENT,
    ]);
    children.start("feed", bars.name(&mut feed, &bars.file))?;
    children.wait_for_port("feed", &feed_at, START_SECONDS)?;
    children.start("run", engine(&["run"]).arg("--config").arg(&config))?;
    children.wait_for_port("run", &engine_at, START_SECONDS)?;
    let url = format!("ws://{engine_at}/v1/signals");
    eprintln!("signals of {url}; Ctrl-C ends the demo");
    // From the first message on: a feed at full speed is done before anybody has connected.
    let mut tail = engine(&["tail", &url, "--token", settings::TOKEN]);
    tail.args(["--resume-from", "1", "--epoch", "1"]);
    if let Some(count) = args.signals {
        tail.args(["--count", &count.to_string()]);
    }
    let until = args
        .seconds
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    children.follow(&mut tail, until, args.signals)
}

/// The demo as a test: twenty signals of a generated market, and of the real bars where they are.
pub fn check(read: &mut dyn FnMut(&str)) -> Result<(), String> {
    let args = |bars: Option<PathBuf>, macros, speed: &str| Args {
        stamp: bars.is_some().then_some(Stamp::Open),
        bars,
        r#macro: macros,
        speed: speed.to_owned(),
        live_days: 5,
        signals: Some(20),
        seconds: Some(START_SECONDS),
    };
    run(&args(None, None, "6000"))?;
    let data = runner::root().join("../shared/data");
    if data.is_dir() {
        let file = |name: &str| Some(data.join(name));
        return run(&args(file("usdcop_5m.csv.gz"), file("macro_daily.csv"), "max"));
    }
    runner::skip("the demo on real bars", "../shared/data not found", read);
    Ok(())
}

fn program(folder: &Path, name: &str, words: &[&str]) -> Command {
    let mut command = Command::new(folder.join(name));
    command.current_dir(runner::root()).args(words);
    command
}

fn remake(folder: &Path) -> Result<(), String> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(format!("cannot clear {}: {error}", folder.display()));
        }
        _ => {}
    }
    std::fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))
}

fn absolute(file: &Path) -> Result<PathBuf, String> {
    std::fs::canonicalize(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}

fn text(path: &Path) -> Result<&str, String> {
    path.to_str()
        .ok_or_else(|| format!("{} is not UTF-8: choose another CARGO_TARGET_DIR", path.display()))
}

/// A loopback address nobody listens on at this moment.
fn free_address() -> Result<String, String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")
        .map_err(|error| format!("no free port on 127.0.0.1: {error}"))?;
    listener
        .local_addr()
        .map(|address| address.to_string())
        .map_err(|error| format!("no address: {error}"))
}
