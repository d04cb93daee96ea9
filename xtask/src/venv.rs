//! Virtual environments with pinned packages, under `target`: nothing is installed into the machine's Python.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::runner;

/// The programs of an environment, made once; later runs find it whole. An error says how to make it by hand.
pub fn programs(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let home = runner::target().join(name);
    let programs = home.join("bin");
    install(&home, &programs.join("python"), packages).map_err(|error| {
        let packages = packages.join(" ");
        format!("{error}; `python3 -m venv` and `pip install {packages}` make it")
    })?;
    Ok(programs)
}

fn install(home: &Path, python: &Path, packages: &[&str]) -> Result<(), String> {
    let complete = home.join("complete");
    if std::fs::read_to_string(&complete).is_ok_and(|listed| listed == packages.join("\n")) {
        return Ok(());
    }
    runner::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(home))?;
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary=:all:",
    ]);
    runner::run(pip.args(packages))?;
    std::fs::write(&complete, packages.join("\n")).map_err(|error| format!("{}: {error}", complete.display()))
}
