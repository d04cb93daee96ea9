//! `cargo xtask soak`: the tests that are long by nature, at their full length. Their output goes to the terminal and to a
//! file under the target folder, for the note that closes a piece of work.

use std::io::Write as _;

use crate::{runner, setup};

/// Arguments of `soak`.
#[derive(clap::Args)]
pub struct Args {
    /// Share of the full length; CI runs a tenth of it with the ordinary tests.
    #[arg(long, default_value_t = 1.0)]
    share: f64,
    /// Only tests whose name contains this.
    filter: Option<String>,
}

/// Sets up from nothing in a folder of its own, then runs the end-to-end tests with `TWOVOTE_SOAK` set and everything they print
/// shown. With a filter only the tests.
pub fn run(args: &Args) -> Result<(), String> {
    setup::for_tests()?;
    if args.filter.is_none() {
        setup::from_nothing()?;
    }
    runner::run(runner::cargo().args(["build", "--locked", "--workspace", "--bins"]))?;
    let path = runner::target().join("soak.log");
    let mut log =
        std::fs::File::create(&path).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    let mut command = runner::cargo();
    command
        .env("TWOVOTE_SOAK", args.share.to_string())
        .args([
            "test",
            "--locked",
            "--no-fail-fast",
            "-p",
            "engine",
            "-p",
            "tests",
            "--",
        ])
        .args(["--nocapture", "--test-threads=1"])
        .args(&args.filter);
    let mut unwritten = None;
    let passed = runner::run_reading(&mut command, |line| {
        if let Err(error) = writeln!(log, "{line}") {
            unwritten = Some(error);
        }
    })?;
    if let Some(error) = unwritten {
        return Err(format!("{} is incomplete: {error}", path.display()));
    }
    eprintln!("kept in {}", path.display());
    if passed {
        Ok(())
    } else {
        Err("the soak failed".into())
    }
}
