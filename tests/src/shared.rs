//! Real data beside the repository, used in place and never copied, and how a test says that it could not run.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The root of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies one folder below the root")
}

/// `../shared/data` relative to the repository, if it is there.
#[must_use]
pub fn shared_data() -> Option<PathBuf> {
    let folder = repository().parent()?.join("shared").join("data");
    folder.is_dir().then_some(folder)
}

/// A file of [`shared_data`]; when it is missing, says so for `test` and gives `None`.
#[must_use]
pub fn shared_file(test: &str, name: &str) -> Option<PathBuf> {
    let found = shared_data()
        .map(|folder| folder.join(name))
        .filter(|path| path.exists());
    if found.is_none() {
        skipped(test, &format!("../shared/data/{name} not found"));
    }
    found
}

/// Prints `SKIPPED: <test>: <why>` where the test runner's capture does not swallow it; `cargo xtask test` counts these
/// lines and `.ci/run` refuses them when the data is there.
pub fn skipped(test: &str, why: &str) {
    // The macros of std are captured by the test runner, the handle is not. Nobody to tell is no failure of the test.
    drop(writeln!(std::io::stderr(), "SKIPPED: {test}: {why}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_the_folder_with_the_workspace() {
        assert!(repository().join("Cargo.lock").is_file());
        assert!(repository().join("xtask").is_dir());
    }

    #[test]
    fn shared_data_is_beside_the_repository_or_absent() {
        match shared_data() {
            Some(folder) => assert!(folder.join("usdcop_5m.csv.gz").is_file(), "{}", folder.display()),
            None => assert!(!repository().join("../shared/data").exists()),
        }
    }
}
