//! PostgreSQL's server programs, which the control plane's tests start for themselves.
//!
//! Installed only where the machine's own package manager does it without a question: on Debian, as root. Elsewhere the tests
//! say what they skipped, and this says what to install.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::runner;

/// Debian keeps each version's server programs here, off the path.
const DEBIAN: &str = "/usr/lib/postgresql";
const PACKAGE: &str = "postgresql";

/// Sees to the programs; says where they are, or what is skipped without them.
pub fn run() {
    if let Some(folder) = programs() {
        eprintln!("PostgreSQL's server programs: {}", folder.display());
        return;
    }
    let installed = installer().map(|mut install| runner::run(&mut install));
    match (installed, programs()) {
        (_, Some(folder)) => eprintln!("PostgreSQL's server programs: {}", folder.display()),
        (Some(Err(why)), None) => {
            eprintln!("no PostgreSQL, the control plane's tests on it are skipped: {why}");
        }
        (_, None) => eprintln!(
            "no PostgreSQL, the control plane's tests on it are skipped: install the package {PACKAGE} (its server programs initdb and postgres)"
        ),
    }
}

/// The folder of `initdb`.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions
        .map(|version| version.path().join("bin"))
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("initdb").is_file())
}

/// What installs the package without asking; `None` where nothing does.
fn installer() -> Option<Command> {
    let is_root = Command::new("id").arg("-u").output().ok()?.stdout == b"0\n";
    let debian = Path::new("/usr/bin/apt-get").is_file();
    (is_root && debian).then(|| {
        let mut install = Command::new("apt-get");
        install.env("DEBIAN_FRONTEND", "noninteractive").args([
            "install",
            "--yes",
            "--no-install-recommends",
            PACKAGE,
        ]);
        install
    })
}
