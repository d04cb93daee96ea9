//! `cargo xtask setup`: ONNX Runtime's shared library from its pinned wheel, into the user's cache folder; then the other two things
//! tests need, Python packages and PostgreSQL's server programs.
//!
//! The wheel and the library in it are pinned by SHA-256; the library lands under its final name only after its hash
//! agrees, so a half-finished set-up is never found by the engine. A set-up that is complete needs no network.

use std::path::PathBuf;
use std::process::Command;

use crate::runner;
use crate::wheel::{self, Wheel};

const PACKAGE: &str = "onnxruntime";
const VERSION: &str = "1.32.0";
/// The file inside the wheel and its name in the cache folder.
const LIBRARY: &str = "libonnxruntime.so.1.32.0";

/// One wheel we trust, and the library in it.
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

impl Pin {
    const fn wheel(&self) -> Wheel {
        Wheel {
            package: PACKAGE,
            version: VERSION,
            python: Some("311"),
            implementation: "cp",
            abi: "cp311",
            platform: self.platform,
            sha256: self.wheel_sha256,
        }
    }
}

/// Arguments of `setup`.
#[derive(clap::Args)]
pub struct Args {
    /// Without PostgreSQL, which only the control plane's tests start.
    #[arg(long)]
    runtime_only: bool,
}

/// Carries `setup` out.
pub fn verb(args: &Args) -> Result<(), String> {
    if args.runtime_only { run() } else { for_tests() }
}

/// What running takes.
pub fn run() -> Result<(), String> {
    let library = onnx_runtime()?;
    eprintln!("ONNX Runtime {VERSION}: {}", library.display());
    let packages = crate::setup_python::run()?;
    eprintln!("Python packages of the tests: {}", packages.display());
    Ok(())
}

/// The same, and PostgreSQL's server programs, which only tests start.
pub fn for_tests() -> Result<(), String> {
    run()?;
    crate::postgres::run();
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
    if library.is_file() && wheel::sha256(&library)? == pin.library_sha256 {
        return Ok(library);
    }
    wheel::in_folder(&folder.join(format!("fetch-{}", std::process::id())), |work| {
        let fetched = pin.wheel().fetch(work)?.join(PACKAGE).join("capi").join(LIBRARY);
        wheel::agree(&fetched, pin.library_sha256)?;
        wheel::place(&fetched, &library)
    })?;
    Ok(library)
}

/// Sets up in a folder that holds nothing yet, as on a fresh machine, and removes it again. Needs the network.
pub fn from_nothing() -> Result<(), String> {
    let folder = runner::target().join(format!("setup-{}", std::process::id()));
    wheel::in_folder(&folder, |cache| {
        let this = std::env::current_exe().map_err(|error| format!("this program has no path: {error}"))?;
        for _ in ["fetched", "found"] {
            runner::run(Command::new(&this).arg("setup").env("XDG_CACHE_HOME", cache))?;
        }
        Ok(())
    })
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
}
