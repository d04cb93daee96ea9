//! `cargo xtask bench`: the benchmark harness in a release build; its table goes to stdout.

use crate::{runner, setup};

/// Arguments of `bench`.
#[derive(clap::Args)]
pub struct Args {
    /// A few short blocks: shows that it runs, measures nothing worth quoting.
    #[arg(long)]
    quick: bool,
    /// Only stages whose name contains this.
    filter: Option<String>,
}

/// Builds and runs it.
pub fn run(args: &Args) -> Result<(), String> {
    setup::run()?;
    let mut command = runner::cargo();
    command.args([
        "run",
        "--locked",
        "--release",
        "-p",
        "benches",
        "--bin",
        "stages",
        "--",
    ]);
    if args.quick {
        command.arg("--quick");
    }
    runner::run(command.args(&args.filter))
}
