//! `cargo xtask lint`: format, clippy, rustdoc with warnings as errors; licences where cargo-deny is installed. The
//! direction of dependencies is a test (`tests/tests/all/tidy`).

use std::process::Stdio;

use crate::runner;

/// Runs the checks, cheapest first.
pub fn run() -> Result<(), String> {
    runner::run(runner::cargo().args(["fmt", "--all", "--", "--check"]))
        .map_err(|error| format!("{error}: run `cargo fmt --all`"))?;
    // The fuzz targets are a workspace of their own, which nothing else here builds.
    let mut fuzz = runner::cargo();
    fuzz.args([
        "tree",
        "--locked",
        "--quiet",
        "--manifest-path",
        "fuzz/Cargo.toml",
    ]);
    runner::run(fuzz.stdout(Stdio::null())).map_err(|error| {
        format!(
            "{error}: run `cargo update --workspace --manifest-path fuzz/Cargo.toml` and commit its lock file"
        )
    })?;
    runner::run(runner::cargo().args([
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]))?;
    runner::run(runner::cargo().env("RUSTDOCFLAGS", "--deny warnings").args([
        "doc",
        "--locked",
        "--workspace",
        "--no-deps",
    ]))?;
    if runner::works(runner::cargo().args(["deny", "--version"])) {
        runner::run(runner::cargo().args([
            "deny",
            "check",
            "--hide-inclusion-graph",
            "bans",
            "licenses",
            "sources",
        ]))?;
    } else {
        eprintln!(
            "not checked: licences and bans of deny.toml (`cargo install cargo-deny` installs the checker)"
        );
    }
    Ok(())
}
