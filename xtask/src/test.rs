//! `cargo xtask test`: everything, in stages, the fast and telling ones first.
//!
//! Lines that begin with `SKIPPED:` are counted; tests write them for what they could not run. Under `--strict`
//! (`.ci/run` with the data there) one of them is a failure.

use crate::{api, demo, oracle, runner, setup};

/// Arguments of `test`.
#[derive(clap::Args)]
pub struct Args {
    /// Fail when anything was skipped.
    #[arg(long)]
    strict: bool,
}

/// Name and arguments of `cargo test`.
const STAGES: [(&str, &[&str]); 5] = [
    (
        "style of the house, pure crates",
        &[
            "-p",
            "commandline",
            "-p",
            "contracts",
            "-p",
            "strategy",
            "-p",
            "xtask",
            "--lib",
            "--bins",
        ],
    ),
    (
        "formats, features, models",
        &["-p", "contracts", "-p", "strategy", "--tests"],
    ),
    ("engine", &["-p", "engine"]),
    ("votes", &["-p", "backtest", "-p", "training", "-p", "control"]),
    ("end to end", &["-p", "tests", "-p", "benches"]),
];

/// Checks that are no `cargo test`, and what carries each out.
type Check = fn(&mut dyn FnMut(&str)) -> Result<(), String>;
const CHECKS: [(&str, Check); 3] = [
    ("comparison with TA-Lib, numpy and pandas", oracle::run),
    ("schemathesis against a served control", api::run),
    ("demo", demo::check),
];

/// What the stages came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: Vec<String>,
}

impl Tally {
    fn read(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("test result: ") {
            let count = |word: &str| -> u64 {
                let before = rest.split(word).next().unwrap_or_default();
                before
                    .trim_end()
                    .rsplit([' ', '.'])
                    .next()
                    .and_then(|n| n.parse().ok())
                    .unwrap_or(0)
            };
            self.passed += count("passed");
            self.failed += count("failed");
        } else if let Some(skipped) = line.split("SKIPPED: ").nth(1) {
            self.skipped.push(skipped.to_owned());
        }
    }
}

/// Runs the set-up, then the stages.
pub fn run(args: &Args) -> Result<(), String> {
    setup::for_tests()?;
    // Binaries first: end-to-end tests start them.
    runner::run(runner::cargo().args(["build", "--locked", "--workspace", "--bins"]))?;
    let mut tally = Tally::default();
    let mut broken = Vec::new();
    for (name, packages) in STAGES {
        eprintln!("\n== {name}");
        let mut command = runner::cargo();
        command
            .args(["test", "--locked", "--no-fail-fast"])
            .args(packages);
        if !runner::run_reading(&mut command, |line| tally.read(line))? {
            broken.push(name);
            // Later stages stand on this one: their failures would only repeat it.
            break;
        }
    }
    for (name, check) in CHECKS {
        if broken.is_empty() {
            eprintln!("\n== {name}");
            if let Err(error) = check(&mut |line| tally.read(line)) {
                eprintln!("xtask: {error}");
                broken.push(name);
            }
        }
    }
    println!(
        "\n{} passed, {} failed, {} skipped",
        tally.passed,
        tally.failed,
        tally.skipped.len()
    );
    for skipped in &tally.skipped {
        println!("  skipped: {skipped}");
    }
    if !broken.is_empty() {
        return Err(format!("tests failed in: {}", broken.join(", ")));
    }
    if tally.passed == 0 {
        return Err("no test ran".into());
    }
    if args.strict && !tally.skipped.is_empty() {
        return Err(format!(
            "{} skipped although everything they need should be here",
            tally.skipped.len()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_and_skips_are_counted_wherever_they_stand_in_a_line() {
        let mut tally = Tally::default();
        tally.read(
            "test result: ok. 18 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.05s",
        );
        tally.read("test result: FAILED. 7 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.05s");
        tally.read("SKIPPED: parity: ../shared/data not found");
        tally.read("test a_test ... SKIPPED: other: no gcc");
        tally.read("test b ... ok");
        let skipped = vec![
            "parity: ../shared/data not found".to_owned(),
            "other: no gcc".to_owned(),
        ];
        assert_eq!(
            tally,
            Tally {
                passed: 25,
                failed: 2,
                skipped
            }
        );
    }
}
