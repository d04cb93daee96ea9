//! `cargo xtask fuzz --minutes N`: the parsers that CI runs on seeded mutations, under cargo-fuzz.

use crate::runner;

/// Arguments of `fuzz`.
#[derive(clap::Args)]
pub struct Args {
    /// How long.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
}

/// Writes the corpus and lets libFuzzer go on from it; a finding fails and is kept under `fuzz/artifacts`.
pub fn run(args: &Args) -> Result<(), String> {
    if !runner::works(runner::plain_cargo().args(["+nightly", "--version"])) {
        return Err(
            "cargo-fuzz needs a nightly toolchain: `rustup toolchain install nightly` installs it".into(),
        );
    }
    if !runner::works(runner::plain_cargo().args(["+nightly", "fuzz", "--version"])) {
        return Err("cargo-fuzz is not installed: `cargo install cargo-fuzz --locked` installs it".into());
    }
    let corpus = runner::target().join("fuzz-corpus");
    runner::run(
        runner::cargo()
            .args([
                "run",
                "--locked",
                "--bin",
                "synthetic",
                "--",
                "fuzz-corpus",
                "--out",
            ])
            .arg(&corpus),
    )?;
    let mut command = runner::plain_cargo();
    command.args(["+nightly", "fuzz", "run", "parsers"]).arg(&corpus);
    runner::run(command.args([
        "--",
        &format!("-max_total_time={}", args.minutes * 60),
        "-max_len=65536",
    ]))
}
