//! Files that are there whole or not at all.

use std::io;
use std::path::Path;

/// Writes beside it, syncs, renames: another process sees all of it or nothing.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = beside(path, bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    std::fs::File::open(folder(path))?.sync_all()
}

/// The same without the sync, for what can be had again: after a crash of the machine it may be missing or cut off.
pub fn write_copy(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = beside(path, bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn beside(path: &Path, bytes: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    use std::io::Write as _;
    std::fs::create_dir_all(folder(path))?;
    let mut file = tempfile::NamedTempFile::new_in(folder(path))?;
    file.write_all(bytes)?;
    Ok(file)
}

fn folder(path: &Path) -> &Path {
    path.parent().expect("the path of a file in a folder")
}
