//! ONNX Runtime's shared library: where it is looked for, and the one environment of this process.
//!
//! The library is loaded at run time, never linked. Searched in this order: the file or folder `ORT_DYLIB_PATH` names, the folder of the
//! running program, `.runtime/onnxruntime/` of the current directory and of each of its parents, and
//! `twovote/onnxruntime/` in the user's cache folder, which `cargo xtask setup` fills. `ORT_DYLIB_PATH` is exclusive: a
//! path that was named and does not work is an error, never a reason to look elsewhere.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use contracts::hash::LibraryHash;
use contracts::numerics::Executor;
use ort::environment::Environment;
use ort::logging::LogLevel;

/// The ONNX Runtime release this build is tested with; the PyPI wheel `onnxruntime` of this version carries it.
pub const RUNTIME_VERSION: &str = "1.32.0";

/// File names looked for in each folder, first match wins.
#[cfg(target_os = "linux")]
const FILE_NAMES: [&str; 3] = [
    "libonnxruntime.so.1.32.0",
    "libonnxruntime.so.1",
    "libonnxruntime.so",
];
/// File names looked for in each folder, first match wins.
#[cfg(target_os = "macos")]
const FILE_NAMES: [&str; 2] = ["libonnxruntime.1.32.0.dylib", "libonnxruntime.dylib"];
/// File names looked for in each folder, first match wins.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
const FILE_NAMES: [&str; 1] = ["onnxruntime.dll"];

/// Why ONNX Runtime is not available. Every variant is one line that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LibraryError {
    /// No library in any searched place.
    #[error(
        "ONNX Runtime's shared library ({}) was not found in {}; run `cargo xtask setup` or set ORT_DYLIB_PATH",
        FILE_NAMES[0],
        display(.searched)
    )]
    NotFound {
        /// Every folder or file that was looked at, in order.
        searched: Vec<PathBuf>,
    },
    /// The file could not be read.
    #[error("cannot read ONNX Runtime's shared library {}: {detail}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// The file is there but could not be used.
    #[error("cannot load ONNX Runtime from {}: {detail}; run `cargo xtask setup` to fetch {RUNTIME_VERSION}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the loader said.
        detail: String,
    },
}

fn display(paths: &[PathBuf]) -> String {
    let texts: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    texts.join(", ")
}

/// The loaded library and its environment; there is one per process.
#[derive(Debug)]
pub struct Runtime {
    path: PathBuf,
    sha256: LibraryHash,
    environment: Environment,
}

impl Runtime {
    /// The file that was loaded.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of that file.
    #[must_use]
    pub const fn sha256(&self) -> LibraryHash {
        self.sha256
    }

    /// The environment every session is made in.
    pub(crate) const fn environment(&self) -> &Environment {
        &self.environment
    }
}

/// Finds and loads ONNX Runtime, once per process; later calls give the same answer.
///
/// # Errors
/// [`LibraryError`].
pub fn runtime() -> Result<&'static Runtime, LibraryError> {
    static RUNTIME: OnceLock<Result<Runtime, LibraryError>> = OnceLock::new();
    RUNTIME
        .get_or_init(|| load(&find()?))
        .as_ref()
        .map_err(Clone::clone)
}

/// The loaded library of an executor, asked for only where it is needed; none where there is none.
#[must_use]
pub fn loaded(executor: Executor) -> Option<LibraryHash> {
    match executor {
        Executor::Dense => None,
        Executor::Ort => runtime().ok().map(Runtime::sha256),
    }
}

fn load(path: &Path) -> Result<Runtime, LibraryError> {
    let bytes = std::fs::read(path).map_err(|error| LibraryError::Unreadable {
        path: path.to_owned(),
        detail: error.to_string(),
    })?;
    let sha256 = LibraryHash::of(&bytes);
    drop(bytes);
    let unusable = |detail: String| LibraryError::Unusable {
        path: path.to_owned(),
        detail,
    };
    let builder = ort::init_from(path).map_err(|error| unusable(error.to_string()))?;
    let environment = builder
        .with_name("twovote")
        .with_telemetry(false)
        .build()
        .map_err(|error| unusable(error.to_string()))?;
    // Warnings about a model are ours to judge; ONNX Runtime would print them to stderr.
    environment.set_log_level(LogLevel::Fatal);
    Ok(Runtime {
        path: path.to_owned(),
        sha256,
        environment,
    })
}

/// The library file that [`runtime`] would load.
///
/// # Errors
/// [`LibraryError::NotFound`] naming every searched place.
pub fn find() -> Result<PathBuf, LibraryError> {
    let named = env::var_os("ORT_DYLIB_PATH")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    let places = match named {
        Some(path) => vec![path],
        None => folders(
            env::current_exe().ok().as_deref(),
            env::current_dir().ok().as_deref(),
            cache_folder().as_deref(),
        ),
    };
    find_in(places)
}

/// `twovote/onnxruntime` in the user's cache folder, where `cargo xtask setup` puts the library.
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    let set = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let cache = set("XDG_CACHE_HOME")
        .or_else(|| Some(set("HOME")?.join(".cache")))
        .or_else(|| set("LOCALAPPDATA"))?;
    Some(cache.join("twovote").join("onnxruntime"))
}

fn folders(program: Option<&Path>, current: Option<&Path>, cache: Option<&Path>) -> Vec<PathBuf> {
    let mut all = Vec::new();
    all.extend(program.and_then(Path::parent).map(Path::to_owned));
    for folder in current.into_iter().flat_map(Path::ancestors) {
        all.push(folder.join(".runtime").join("onnxruntime"));
    }
    all.extend(cache.map(Path::to_owned));
    all
}

fn find_in(places: Vec<PathBuf>) -> Result<PathBuf, LibraryError> {
    for place in &places {
        if place.is_file() {
            return Ok(place.clone());
        }
        if let Some(file) = FILE_NAMES
            .iter()
            .map(|name| place.join(name))
            .find(|p| p.is_file())
        {
            return Ok(file);
        }
    }
    Err(LibraryError::NotFound { searched: places })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_in_the_documented_order() {
        let found = folders(
            Some(Path::new("/opt/bin/engine")),
            Some(Path::new("/home/u")),
            Some(Path::new("/home/u/.cache/x")),
        );
        let expected = [
            "/opt/bin",
            "/home/u/.runtime/onnxruntime",
            "/home/.runtime/onnxruntime",
            "/.runtime/onnxruntime",
            "/home/u/.cache/x",
        ];
        assert_eq!(found, expected.map(PathBuf::from));
    }

    #[test]
    fn the_first_folder_that_has_it_wins() {
        let root = tempfile::tempdir().expect("temporary folder");
        let (a, b) = (root.path().join("a"), root.path().join("b"));
        std::fs::create_dir_all(&a).expect("created");
        std::fs::create_dir_all(&b).expect("created");
        let file = b.join(FILE_NAMES[0]);
        std::fs::write(&file, b"x").expect("written");
        assert_eq!(find_in(vec![a.clone(), b.clone()]), Ok(file.clone()));
        assert_eq!(find_in(vec![file.clone()]), Ok(file));
        let error = find_in(vec![a.clone()]).expect_err("nothing there");
        let text = error.to_string();
        assert!(
            text.contains("cargo xtask setup") && text.contains(&*a.to_string_lossy()),
            "{text}"
        );
        assert!(!text.contains('\n'));
    }
}
