//! A pinned wheel from PyPI: fetched by pip, checked by SHA-256, unpacked. Nothing is installed into the machine's Python.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::runner;

/// One wheel we trust.
pub struct Wheel {
    pub package: &'static str,
    pub version: &'static str,
    /// What is asked for, whatever Python runs pip: tags of implementation, ABI and platform; `None` for the default of pure Python.
    pub python: Option<&'static str>,
    pub implementation: &'static str,
    pub abi: &'static str,
    pub platform: &'static str,
    pub sha256: &'static str,
}

impl Wheel {
    /// The name PyPI gives the file.
    fn file(&self) -> String {
        let python = self.python.unwrap_or("3");
        let Self {
            package,
            version,
            implementation,
            abi,
            platform,
            ..
        } = self;
        format!("{package}-{version}-{implementation}{python}-{abi}-{platform}.whl")
    }

    /// Fetches it into `work` and gives the folder it is unpacked in, below `work`.
    pub fn fetch(&self, work: &Path) -> Result<PathBuf, String> {
        self.fetch_from(work, &[])
    }

    /// The same with more arguments for pip.
    fn fetch_from(&self, work: &Path, more: &[&str]) -> Result<PathBuf, String> {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"])
            .args(["--no-deps", "--only-binary=:all:"])
            .args(["--platform", self.platform, "--abi", self.abi])
            .args(["--implementation", self.implementation])
            .args(
                self.python
                    .iter()
                    .flat_map(|version| ["--python-version", version]),
            )
            .arg("--dest")
            .arg(work)
            .args(more)
            .arg(format!("{}=={}", self.package, self.version));
        let by_hand = runner::shown(&pip);
        runner::run(&mut pip).map_err(|error| {
            format!(
                "{} could not be fetched: {error}. With python3, pip and a network this command does it: {by_hand}",
                self.package
            )
        })?;
        let wheel = work.join(self.file());
        agree(&wheel, self.sha256)?;
        let unpacked = work.join("unpacked");
        runner::run(
            Command::new("python3")
                .args(["-m", "zipfile", "-e"])
                .arg(&wheel)
                .arg(&unpacked),
        )?;
        Ok(unpacked)
    }
}

/// Makes `folder`, lets `make` fill it and removes it again, whatever came of it.
pub fn in_folder<T>(folder: &Path, make: impl FnOnce(&Path) -> Result<T, String>) -> Result<T, String> {
    std::fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let made = make(folder);
    // What is left is of no use to anybody. A leftover is no failure.
    drop(std::fs::remove_dir_all(folder));
    made
}

/// Moves a file or folder to its final place.
pub fn place(from: &Path, to: &Path) -> Result<(), String> {
    std::fs::rename(from, to).map_err(|error| format!("cannot move to {}: {error}", to.display()))
}

/// Refuses a file whose SHA-256 is not the pinned one.
pub fn agree(file: &Path, expected: &str) -> Result<(), String> {
    let found = sha256(file)?;
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "{} has SHA-256 {found}, pinned is {expected}: not used",
        file.display()
    ))
}

/// A file's SHA-256 in hex.
pub fn sha256(file: &Path) -> Result<String, String> {
    let bytes = std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    Ok(hex::encode(Sha256::digest(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBE: Wheel = Wheel {
        package: "twovote_probe",
        version: "1.0",
        python: None,
        implementation: "py",
        abi: "none",
        platform: "any",
        sha256: "",
    };

    /// A wheel of our own in a folder pip looks in; no network.
    fn wheel_in(folder: &Path) -> PathBuf {
        let info = folder.join("twovote_probe-1.0.dist-info");
        std::fs::create_dir_all(&info).expect("a folder of our own");
        let files = [
            (
                "METADATA",
                "Metadata-Version: 2.1\nName: twovote_probe\nVersion: 1.0\n",
            ),
            (
                "WHEEL",
                "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            ),
            ("RECORD", ""),
        ];
        for (name, text) in files {
            std::fs::write(info.join(name), text).expect("a folder of our own");
        }
        let wheel = folder.join(PROBE.file());
        let mut zip = Command::new("python3");
        zip.args(["-m", "zipfile", "-c"]).arg(&wheel).arg(&info);
        runner::run(&mut zip).expect("python3 is what set-up needs");
        wheel
    }

    #[test]
    fn a_wheel_is_fetched_checked_and_unpacked_and_no_other() {
        let folder = runner::target().join(format!("tmp-wheel-{}", std::process::id()));
        let outcome = in_folder(&folder, |folder| {
            let index = folder.join("index");
            std::fs::create_dir(&index).map_err(|error| error.to_string())?;
            let wheel = wheel_in(&index);
            let hash: &'static str = sha256(&wheel)?.leak();
            let from = ["--no-index", "--find-links", index.to_str().unwrap_or_default()];
            let work = folder.join("work");
            let unpacked = Wheel {
                sha256: hash,
                ..PROBE
            }
            .fetch_from(&work, &from)?;
            let metadata = unpacked.join("twovote_probe-1.0.dist-info").join("METADATA");
            assert!(metadata.is_file(), "{}", metadata.display());

            let other = Wheel {
                sha256: "00",
                ..PROBE
            };
            let refused = other.fetch_from(&folder.join("again"), &from);
            let refused = refused.expect_err("its hash is another");
            assert!(refused.contains("pinned is 00: not used"), "{refused}");
            assert!(!folder.join("again").join("unpacked").exists());

            let missing = Wheel {
                version: "2.0",
                ..PROBE
            }
            .fetch_from(&folder.join("missing"), &from);
            let missing = missing.expect_err("there is no such version");
            assert!(missing.contains("twovote_probe==2.0"), "{missing}");
            Ok(())
        });
        assert_eq!(outcome, Ok(()));
        assert!(!folder.exists());
    }
}
