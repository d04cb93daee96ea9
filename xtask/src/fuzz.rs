//! `cargo xtask fuzz --minutes N`: the parsers that CI runs on seeded mutations, under cargo-fuzz.

use std::process::Command;

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
    // Sanitizers are the compiler's to give, and the stable one gives none; the parsers are safe code, and what they must not
    // do (panic, end, run on) is found without.
    let has_nightly = runner::works(runner::plain_cargo().args(["+nightly", "--version"]));
    let (toolchain, sanitizer) = if has_nightly {
        ("+nightly", "address")
    } else {
        eprintln!(
            "no nightly toolchain: fuzzing on stable, without the address sanitizer (`rustup toolchain install nightly` adds it)"
        );
        ("+stable", "none")
    };
    if !runner::works(runner::plain_cargo().args(["fuzz", "--version"])) {
        runner::run(runner::plain_cargo().args(["install", "cargo-fuzz", "--locked"]))?;
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
    runner::run(
        fuzz(toolchain, sanitizer)
            .arg("parsers")
            .arg(&corpus)
            .arg("--")
            .arg(format!("-max_total_time={}", args.minutes * 60))
            .arg("-max_len=65536"),
    )
}

fn fuzz(toolchain: &str, sanitizer: &str) -> Command {
    let mut command = runner::plain_cargo();
    command
        .args([
            toolchain,
            "fuzz",
            "run",
            "--fuzz-dir",
            "fuzz",
            "--sanitizer",
            sanitizer,
        ])
        .arg("--target-dir")
        .arg(runner::target());
    command
}
