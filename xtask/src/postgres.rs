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
    let installed = is_ours_to_install().then(install);
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

/// True where the machine's package manager does it without asking anybody.
fn is_ours_to_install() -> bool {
    let is_root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|said| said.stdout == b"0\n");
    is_root && Path::new("/usr/bin/apt-get").is_file()
}

/// Installs the package; where the lists of packages are old or missing, after they are fetched.
fn install() -> Result<(), String> {
    let install = || runner::run(apt_get().args(["install", "--yes", "--no-install-recommends", PACKAGE]));
    install().or_else(|_| {
        runner::run(apt_get().arg("update"))?;
        install()
    })
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
