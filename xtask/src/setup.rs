//! `cargo xtask setup`: ONNX Runtime's shared library from its pinned wheel, into the user's cache folder.
//!
//! The wheel and the library in it are pinned by SHA-256; the library lands under its final name only after its hash
//! agrees, so a half-finished set-up is never found by the engine. A set-up that is complete needs no network.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::runner;

const PACKAGE: &str = "onnxruntime";
const VERSION: &str = "1.32.0";
/// The file inside the wheel and its name in the cache folder.
const LIBRARY: &str = "libonnxruntime.so.1.32.0";

/// One wheel we trust.
struct Pin {
    platform: &'static str,
    wheel_sha256: &'static str,
    library_sha256: &'static str,
}

const PINS: [(&str, Pin); 2] = [
    (
        "x86_64",
        Pin {
            platform: "manylinux_2_28_x86_64",
            wheel_sha256: "5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d",
            library_sha256: "6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f",
        },
    ),
    (
        "aarch64",
        Pin {
            platform: "manylinux_2_28_aarch64",
            wheel_sha256: "2303372a85299b6757b0e11e1cbf13e410ddf7e10c37f4b37e99d1c90e7daf7c",
            library_sha256: "49852228a93995158b2a813d4df487d47a1b76b0eaa894507ef49e91b6d7954a",
        },
    ),
];

/// Carries the set-up out.
pub fn run() -> Result<(), String> {
    let library = onnx_runtime()?;
    eprintln!("ONNX Runtime {VERSION}: {}", library.display());
    let packages = crate::setup_python::run()?;
    eprintln!("Python packages of the tests: {}", packages.display());
    Ok(())
}

/// Where the library lies, fetched if it was not there.
fn onnx_runtime() -> Result<PathBuf, String> {
    let machine = std::env::consts::ARCH;
    let pin = PINS
        .iter()
        .find(|(arch, _)| *arch == machine && cfg!(target_os = "linux"))
        .map(|(_, pin)| pin);
    let Some(pin) = pin else {
        return Err(format!(
            "no ONNX Runtime is pinned for {machine} {}: install version {VERSION} and set ORT_DYLIB_PATH to its library",
            std::env::consts::OS
        ));
    };
    let folder = cache_folder()?;
    let library = folder.join(LIBRARY);
    if library.is_file() && sha256(&library)? == pin.library_sha256 {
        return Ok(library);
    }
    std::fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let work = folder.join(format!("fetch-{}", std::process::id()));
    let fetched = fetch(pin, &work).and_then(|fetched| {
        std::fs::rename(&fetched, &library)
            .map_err(|error| format!("cannot move to {}: {error}", library.display()))
    });
    // The library has been moved out; what is left is a wheel nobody needs. A leftover is no failure.
    drop(std::fs::remove_dir_all(&work));
    fetched.map(|()| library)
}

fn fetch(pin: &Pin, work: &Path) -> Result<PathBuf, String> {
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary=:all:",
    ])
    .args([
        "--platform",
        pin.platform,
        "--python-version",
        "311",
        "--implementation",
        "cp",
        "--abi",
        "cp311",
    ])
    .arg("--dest")
    .arg(work)
    .arg(format!("{PACKAGE}=={VERSION}"));
    let by_hand = runner::shown(&pip);
    runner::run(&mut pip).map_err(|error| {
        format!("ONNX Runtime could not be fetched: {error}. With python3, pip and a network this command does it: {by_hand}")
    })?;
    let wheel = work.join(format!("{PACKAGE}-{VERSION}-cp311-cp311-{}.whl", pin.platform));
    agree(&wheel, pin.wheel_sha256)?;
    runner::run(
        Command::new("python3")
            .args(["-m", "zipfile", "-e"])
            .arg(&wheel)
            .arg(work),
    )?;
    let library = work.join(PACKAGE).join("capi").join(LIBRARY);
    agree(&library, pin.library_sha256)?;
    Ok(library)
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

fn sha256(file: &Path) -> Result<String, String> {
    let bytes = std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    Ok(hex::encode(Sha256::digest(&bytes)))
}

/// `twovote/onnxruntime` in the user's cache folder: one of the places where the engine looks.
fn cache_folder() -> Result<PathBuf, String> {
    user_cache().map(|cache| cache.join("onnxruntime"))
}

/// `twovote` in the user's cache folder.
pub fn user_cache() -> Result<PathBuf, String> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    let cache = cache.ok_or(
        "neither XDG_CACHE_HOME nor HOME is set: there is no cache folder to put what is fetched in",
    )?;
    Ok(cache.join("twovote"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_whole_hashes() {
        for (arch, pin) in PINS {
            for hash in [pin.wheel_sha256, pin.library_sha256] {
                assert_eq!(hash.len(), 64, "{arch}");
                assert!(
                    hash.bytes()
                        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
                    "{arch}"
                );
            }
        }
    }

    #[test]
    fn a_file_with_another_hash_is_named_and_refused() {
        let this = Path::new(file!()).file_name().expect("a source file has a name");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(this);
        let refusal = agree(&path, PINS[0].1.wheel_sha256).expect_err("a source file is no wheel");
        assert!(
            refusal.contains("setup.rs") && refusal.contains("not used"),
            "{refusal}"
        );
        assert_eq!(agree(&path, &sha256(&path).expect("readable")), Ok(()));
    }
}
