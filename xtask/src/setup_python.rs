//! The one Python package the tests need: `websockets`, for the client in `clients/python/`.
//!
//! The pure-Python wheel, pinned by SHA-256, unpacked into the user's cache folder: nothing is installed into the machine's Python.

use std::path::PathBuf;
use std::process::Command;

use crate::{runner, setup};

const PACKAGE: &str = "websockets";
const VERSION: &str = "17.4";
const WHEEL_SHA256: &str = "c6bd2c9781915592b209160d0f017d4c7c82ad53075e6b0c24d2a89299e7f9e9";

/// The folder for `PYTHONPATH`, filled if it was not.
pub fn run() -> Result<PathBuf, String> {
    let folder = setup::user_cache()?.join("python");
    let metadata = folder.join(format!("{PACKAGE}-{VERSION}.dist-info"));
    if metadata.is_dir() {
        return Ok(folder);
    }
    let work = folder.with_file_name(format!("python-{}", std::process::id()));
    std::fs::create_dir_all(&work).map_err(|error| format!("cannot make {}: {error}", work.display()))?;
    let fetched = fetch(&work).and_then(|unpacked| {
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .map_err(|error| format!("cannot replace {}: {error}", folder.display()))?;
        }
        std::fs::rename(&unpacked, &folder)
            .map_err(|error| format!("cannot move to {}: {error}", folder.display()))
    });
    // What is left is a wheel nobody needs. A leftover is no failure.
    drop(std::fs::remove_dir_all(&work));
    fetched.map(|()| folder)
}

fn fetch(work: &std::path::Path) -> Result<PathBuf, String> {
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ])
    .args([
        "--only-binary=:all:",
        "--platform",
        "any",
        "--implementation",
        "py",
    ])
    .arg("--dest")
    .arg(work)
    .arg(format!("{PACKAGE}=={VERSION}"));
    let by_hand = runner::shown(&pip);
    runner::run(&mut pip).map_err(|error| {
        format!("{PACKAGE} could not be fetched: {error}. With python3, pip and a network this command does it: {by_hand}")
    })?;
    let wheel = work.join(format!("{PACKAGE}-{VERSION}-py3-none-any.whl"));
    setup::agree(&wheel, WHEEL_SHA256)?;
    let unpacked = work.join("unpacked");
    runner::run(
        Command::new("python3")
            .args(["-m", "zipfile", "-e"])
            .arg(&wheel)
            .arg(&unpacked),
    )?;
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_asks_for_the_version_that_is_pinned() {
        let asked = include_str!("../../clients/python/requirements.txt");
        assert_eq!(asked.trim(), format!("{PACKAGE}=={VERSION}"));
        assert_eq!(WHEEL_SHA256.len(), 64);
    }
}
