//! The few things the journal asks of a file system, so that tests can take the power away.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory of segment files.
pub trait Disk: Send + Sync {
    /// What to call the directory in messages.
    fn place(&self) -> String;
    /// Names of the files in it, in any order.
    ///
    /// # Errors
    /// When the directory cannot be read.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes a file that does not exist yet.
    ///
    /// # Errors
    /// When it exists or cannot be made.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading and writing at its end.
    ///
    /// # Errors
    /// When it does not exist or cannot be opened.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Deletes a file.
    ///
    /// # Errors
    /// When that fails.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Returns when the directory's entries are on disk.
    ///
    /// # Errors
    /// When that fails.
    fn sync_dir(&self) -> io::Result<()>;
}

/// One file.
pub trait DiskFile: Send + Sync {
    /// Appends some of `bytes`: one `write(2)`.
    ///
    /// # Errors
    /// When nothing could be written.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Writes over what the file holds at `offset`; where appending goes on does not change.
    ///
    /// # Errors
    /// When that fails.
    fn rewrite(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Reads into `into` from `offset`; 0 at the end.
    ///
    /// # Errors
    /// When that fails.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Bytes in the file.
    ///
    /// # Errors
    /// When that fails.
    fn size(&self) -> io::Result<u64>;
    /// Cuts the file; appending goes on there.
    ///
    /// # Errors
    /// When that fails.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Returns when the file's bytes are on disk.
    ///
    /// # Errors
    /// When that fails; the bytes may be lost then even if a later call succeeds.
    fn sync(&self) -> io::Result<()>;
}

/// Writes all of `bytes`: one `write(2)` where the file system takes them in one.
pub(super) fn write_all(file: &dyn DiskFile, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Fills `into` from `offset` as far as the file goes; the bytes read.
pub(super) fn read_full(file: &dyn DiskFile, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match file.read_at(&mut into[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A directory of the machine's file system.
#[derive(Debug)]
pub struct RealDisk {
    dir: PathBuf,
    /// Held as long as this process writes the journal; the kernel lets go of it when the process dies.
    _lock: Option<File>,
}

impl RealDisk {
    /// For the one process that writes: makes the directory if needed and locks it.
    ///
    /// # Errors
    /// When the directory cannot be made; `WouldBlock` when another process holds it.
    pub fn locked(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                dir: dir.to_owned(),
                _lock: Some(lock),
            }),
            Err(std::fs::TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// For a process that only reads.
    #[must_use]
    pub fn unlocked(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            _lock: None,
        }
    }
}

impl Disk for RealDisk {
    fn place(&self) -> String {
        self.dir.display().to_string()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.dir.join(name);
        Ok(Arc::new(RealFile(
            OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(path)?,
        )))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.dir.join(name);
        // A reader may lack the right to write; it never does.
        let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(&path)?,
            opened => opened?,
        };
        file.seek(io::SeekFrom::End(0))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.dir.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (&self.0).write(bytes)
    }

    fn rewrite(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(into, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)?;
        (&self.0).seek(io::SeekFrom::Start(len))?;
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
