//! The reference features computed anew by TA-Lib and pandas, and compared: with the committed files, and with every row of
//! `engine features` on the real bars. Then backtests of the real bars, derived anew from their decisions by numpy and pandas.
//! In a virtual environment of its own, with pinned packages.

use std::path::Path;
use std::process::Command;

use crate::runner;

const PACKAGES: [&str; 5] = [
    "TA-Lib==0.8.2",
    "numpy==2.4.6",
    "pandas==3.1.1",
    "pyarrow==26.0.1",
    "PyYAML==6.0.3",
];

/// Runs the comparison; without Python packages it is a skipped test, named with the command that would install them.
pub fn run(read: &mut dyn FnMut(&str)) -> Result<(), String> {
    let home = runner::target().join("oracle");
    let python = home.join("bin").join("python");
    if let Err(why) = install(&home, &python) {
        for what in [
            "live comparison with TA-Lib and pandas",
            "backtests of the real bars against numpy and pandas",
        ] {
            runner::skip(what, &why, read);
        }
        return Ok(());
    }
    let features = runner::root().join("strategy/tests/oracle/regenerate.py");
    let backtests = runner::root().join("tests/oracle/metrics.py");
    let programs = runner::target().join("debug");
    let mut compare = |script: &Path, how: &[&Path]| {
        let mut command = Command::new(&python);
        command.arg(script).args(how);
        if runner::run_reading(&mut command, &mut *read)? {
            return Ok(());
        }
        Err(format!("`{}` found a difference", runner::shown(&command)))
    };
    compare(&features, &[Path::new("--check")])?;
    if runner::root().join("../shared/data").is_dir() {
        compare(&features, &[Path::new("--engine"), &programs.join("engine")])?;
        return compare(&backtests, &[Path::new("--programs"), &programs]);
    }
    for what in [
        "every row of `engine features` against TA-Lib and pandas",
        "backtests of the real bars against numpy and pandas",
    ] {
        runner::skip(what, "../shared/data not found", read);
    }
    Ok(())
}

/// Makes the environment once; later runs find it whole.
fn install(home: &Path, python: &Path) -> Result<(), String> {
    let complete = home.join("complete");
    if std::fs::read_to_string(&complete).is_ok_and(|listed| listed == PACKAGES.join("\n")) {
        return Ok(());
    }
    let by_hand = format!(
        "`python3 -m venv` and `pip install {}` make it",
        PACKAGES.join(" ")
    );
    let refused = |error: String| format!("{error}; {by_hand}");
    runner::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(home)).map_err(refused)?;
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary=:all:",
    ]);
    runner::run(pip.args(PACKAGES)).map_err(refused)?;
    std::fs::write(&complete, PACKAGES.join("\n")).map_err(|error| format!("{}: {error}", complete.display()))
}
