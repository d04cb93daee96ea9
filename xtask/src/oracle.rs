//! The reference features computed anew by TA-Lib and pandas, and compared: with the committed files, and with every row of
//! `engine features` on the real bars. Then backtests of the real bars, derived anew from their decisions, and a dataset's rows, norm
//! stats and hashes, by numpy and pandas.
//! In a virtual environment of its own, with pinned packages.

use std::path::Path;
use std::process::Command;

use crate::{runner, venv};

const PACKAGES: [&str; 5] = [
    "TA-Lib==0.8.2",
    "numpy==2.4.6",
    "pandas==3.1.1",
    "pyarrow==26.0.1",
    "PyYAML==6.0.3",
];

/// Runs the comparison; without Python packages it is a skipped test, named with the command that would install them.
pub fn run(read: &mut dyn FnMut(&str)) -> Result<(), String> {
    let python = match venv::programs("oracle", &PACKAGES) {
        Ok(programs) => programs.join("python"),
        Err(why) => {
            for what in [
                "live comparison with TA-Lib and pandas",
                "backtests of the real bars against numpy and pandas",
                "a dataset of the real bars against numpy and pandas",
            ] {
                runner::skip(what, &why, read);
            }
            return Ok(());
        }
    };
    let features = runner::root().join("strategy/tests/oracle/regenerate.py");
    let backtests = runner::root().join("tests/oracle/metrics.py");
    let datasets = runner::root().join("tests/oracle/dataset.py");
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
        compare(&backtests, &[Path::new("--programs"), &programs])?;
        return compare(&datasets, &[Path::new("--programs"), &programs]);
    }
    for what in [
        "every row of `engine features` against TA-Lib and pandas",
        "backtests of the real bars against numpy and pandas",
        "a dataset of the real bars against numpy and pandas",
    ] {
        runner::skip(what, "../shared/data not found", read);
    }
    Ok(())
}
