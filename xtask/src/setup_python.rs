//! The one Python package the tests need: `websockets`, for the client in `clients/python/`.
//!
//! The pure-Python wheel, pinned by SHA-256, unpacked into the user's cache folder: nothing is installed into the machine's Python.

use std::path::PathBuf;

use crate::setup;
use crate::wheel::{self, Wheel};

const WHEEL: Wheel = Wheel {
    package: "websockets",
    version: "17.4",
    python: None,
    implementation: "py",
    abi: "none",
    platform: "any",
    sha256: "c6bd2c9781915592b209160d0f017d4c7c82ad53075e6b0c24d2a89299e7f9e9",
};

/// The folder for `PYTHONPATH`, filled if it was not.
pub fn run() -> Result<PathBuf, String> {
    let folder = setup::user_cache()?.join("python");
    let metadata = folder.join(format!("{}-{}.dist-info", WHEEL.package, WHEEL.version));
    if metadata.is_dir() {
        return Ok(folder);
    }
    let work = folder.with_file_name(format!("python-{}", std::process::id()));
    wheel::in_folder(&work, |work| {
        let unpacked = WHEEL.fetch(work)?;
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .map_err(|error| format!("cannot replace {}: {error}", folder.display()))?;
        }
        wheel::place(&unpacked, &folder)
    })?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_asks_for_the_version_that_is_pinned() {
        let asked = include_str!("../../clients/python/requirements.txt");
        assert_eq!(asked.trim(), format!("{}=={}", WHEEL.package, WHEEL.version));
        assert_eq!(WHEEL.sha256.len(), 64);
    }
}
