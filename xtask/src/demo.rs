//! `cargo xtask demo`: the whole story on this machine, in front of your eyes.
//!
//! A market is generated (or yours is read), ingested, made a dataset of, trained on, judged out of sample and proposed; an engine streams a
//! replayed live feed and follows the control plane; you approve, and the model is swapped in between two bars. Everything lies under
//! `target/demo` and is made anew each time; every process it starts ends with it. SQLite: there is no server to install.

mod bars;
mod children;
mod experiment;
mod json;
mod plane;
mod settings;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bars::{Bars, Cut, Stamp};
use children::Children;
use experiment::Subject;
use plane::Plane;

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
    #[arg(long, default_value_t = 20)]
    live_days: usize,
    /// Environment steps of the training, for your own bars.
    #[arg(long, default_value_t = 400_000)]
    steps: u64,
    /// Cast the second vote too, in the name of the seeded approver: for machines.
    #[arg(long)]
    yes: bool,
    /// End after this many signals.
    #[arg(long)]
    signals: Option<u64>,
    /// End this many seconds after the engine's start; without --signals and --seconds it runs until Ctrl-C.
    #[arg(long)]
    seconds: Option<u64>,
}

/// How long a started process may take until it answers.
const START_SECONDS: u64 = 60;
const INSTRUMENT: &str = "USDCOP";

/// Carries the demo out.
pub fn run(args: &Args) -> Result<(), String> {
    setup::run()?;
    runner::run(runner::cargo().args(["build", "--locked", "--bin", "engine", "--bin", "control"]))?;
    let begun = Instant::now();
    let programs = runner::target().join("debug");
    let folder = runner::target().join("demo");
    remake(&folder)?;

    let bars = match &args.bars {
        Some(file) => Bars {
            file: absolute(file)?,
            stamp: args.stamp.ok_or("--bars needs --stamp open or --stamp close")?,
            macros: args.r#macro.as_deref().map(absolute).transpose()?,
        },
        None => experiment::generate(&programs, &folder)?,
    };
    let cut = bars.split(&folder, args.live_days)?;
    eprintln!(
        "{} bars of history, {} bars to come from {}",
        cut.history_bars, cut.live_bars, cut.first_live
    );
    let subject = match args.bars {
        Some(_) => Subject::of(&bars, &cut, &folder, args.steps)?,
        None => Subject::generated(),
    };

    let mut children = Children::new(&folder);
    let plane = Plane::start(&mut children, &programs, &folder)?;
    plane.login("rita")?;
    plane.ingest("bars", &subject.bars_source, &cut.history)?;
    if let (Some(source), Some(file)) = (&subject.macro_source, &bars.macros) {
        plane.ingest("macro", source, file)?;
    }
    let (proposal, model) = plane.research(&subject.experiment)?;
    plane.login("vera")?;
    let digest = plane.show(&proposal)?;

    let url = engine(
        &mut children,
        &programs,
        &folder,
        &plane,
        &bars,
        &cut,
        &args.speed,
    )?;
    eprintln!(
        "\n{:.0} s from bars to a proposal and a running engine",
        begun.elapsed().as_secs_f64()
    );
    if args.yes {
        plane.approve(&proposal, &digest)?;
        plane.lineage(&model)?;
    } else {
        eprintln!("{}", plane::invitation(&plane, &proposal, &digest));
    }
    eprintln!("signals of {url}; Ctrl-C ends the demo");
    // From the first message on: what came before the vote is withheld, with the reason no_model.
    let mut tail = program(&programs, "engine", &["tail", &url, "--token", settings::TOKEN]);
    tail.args(["--resume-from", "1", "--epoch", "1"]);
    if let Some(count) = args.signals {
        tail.args(["--count", &count.to_string()]);
    }
    let until = args
        .seconds
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    children.follow(&mut tail, until, args.signals)
}

/// Starts the feed and the engine; where its signals are.
fn engine(
    children: &mut Children,
    programs: &Path,
    folder: &Path,
    plane: &Plane,
    bars: &Bars,
    cut: &Cut,
    speed: &str,
) -> Result<String, String> {
    let (feed_at, engine_at) = (free_address()?, free_address()?);
    let token_file = folder.join("engine.token");
    plane.engine_token(&token_file)?;
    let config = folder.join("engine.toml");
    let written = settings::Engine {
        folder,
        listen: &engine_at,
        feed: &feed_at,
        bars,
        history: &cut.history,
        control: &plane.url,
        token_file: &token_file,
        trusted_keys: &plane::trusted_keys(folder)?,
    };
    std::fs::write(&config, written.to_toml()).map_err(|error| format!("{}: {error}", config.display()))?;
    let words = [
        "feed",
        "--speed",
        speed,
        "--listen",
        &feed_at,
        "--instrument",
        INSTRUMENT,
    ];
    let mut feed = program(programs, "engine", &words);
    children.start("feed", bars.name(&mut feed, &bars.file))?;
    children.wait_for_port("feed", &feed_at, START_SECONDS)?;
    let mut run = program(programs, "engine", &["run"]);
    children.start("engine", run.arg("--config").arg(&config))?;
    children.wait_for_port("engine", &engine_at, START_SECONDS)?;
    Ok(format!("ws://{engine_at}/v1/signals"))
}

/// The demo as a test: twenty signals of a generated market, and of the real bars where they are.
pub fn check(read: &mut dyn FnMut(&str)) -> Result<(), String> {
    let args = |bars: Option<PathBuf>, macros| Args {
        stamp: bars.is_some().then_some(Stamp::Open),
        bars,
        r#macro: macros,
        // Twenty bars a second: the vote falls while they come.
        speed: "6000".to_owned(),
        live_days: 20,
        steps: 50_000,
        yes: true,
        signals: Some(20),
        seconds: Some(START_SECONDS),
    };
    run(&args(None, None))?;
    let data = runner::root().join("../shared/data");
    if data.is_dir() {
        let file = |name: &str| Some(data.join(name));
        return run(&args(file("usdcop_5m.csv.gz"), file("macro_daily.csv")));
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

/// A loopback address nobody listens on at this moment.
fn free_address() -> Result<String, String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")
        .map_err(|error| format!("no free port on 127.0.0.1: {error}"))?;
    listener
        .local_addr()
        .map(|address| address.to_string())
        .map_err(|error| format!("no address: {error}"))
}
