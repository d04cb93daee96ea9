//! `cargo xtask VERB`: set-up, demo, tests and checks of the workspace. One file per verb; std and very little else, so
//! that the first command on a fresh machine compiles in seconds.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's command talks to the developer: what it runs to stderr, results to stdout"
)]

mod api;
mod bench;
mod demo;
mod fuzz;
mod lint;
mod oracle;
mod postgres;
mod runner;
mod setup;
mod setup_python;
mod soak;
mod test;
mod venv;
mod wheel;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Set-up, demo, tests and checks of the workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", version, about)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Fetch what the build does not bring: ONNX Runtime's shared library, and what tests need. Done again, it changes nothing.
    Setup(setup::Args),
    /// Run all tests, fast ones first, and count what passed and what was skipped.
    Test(test::Args),
    /// Hold the OpenAPI document against a served control, with schemathesis.
    Api,
    /// Check format, clippy, rustdoc, licences and the direction of dependencies.
    Lint,
    /// Stream signals from generated or your own bars, on this machine.
    Demo(demo::Args),
    /// Run the long tests at their full length.
    Soak(soak::Args),
    /// Fuzz every parser under cargo-fuzz.
    Fuzz(fuzz::Args),
    /// Measure the stages of the hot path.
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().verb {
        Verb::Setup(args) => setup::verb(&args),
        Verb::Test(args) => test::run(&args),
        Verb::Api => api::alone(),
        Verb::Lint => lint::run(),
        Verb::Demo(args) => demo::run(&args),
        Verb::Soak(args) => soak::run(&args),
        Verb::Fuzz(args) => fuzz::run(&args),
        Verb::Bench(args) => bench::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
