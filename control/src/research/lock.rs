//! One process at a time works in a training's folder.

use std::fs::File;
use std::path::Path;

use crate::cli::{CliError, Exit, OrExit as _};

/// Name of the file that is locked; it stays, empty.
const LOCK: &str = ".lock";

/// Held until it is dropped, or the process ends however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Takes the folder, made where it is not there.
///
/// # Errors
/// [`Exit::Refused`] when another process works in it, [`Exit::Io`] when it cannot be written.
pub fn take(folder: &Path) -> Result<Lock, CliError> {
    let place = folder.display();
    let remedy = "check the directory, its rights and its room";
    std::fs::create_dir_all(folder).or_exit(Exit::Io, format!("cannot make {place}"), remedy)?;
    let file =
        File::create(folder.join(LOCK)).or_exit(Exit::Io, format!("cannot write to {place}"), remedy)?;
    file.try_lock().or_exit(
        Exit::Refused,
        format!("another process trains in {place}"),
        "wait for its end, or name another folder",
    )?;
    Ok(Lock { _file: file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_once_and_free_again() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("training");
        let held = take(&folder).unwrap();
        assert_eq!(take(&folder).unwrap_err().exit(), Exit::Refused);
        drop(held);
        take(&folder).unwrap();
    }
}
