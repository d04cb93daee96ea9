//! A directory in memory whose power can fail, whose disk can fill up and whose syncs can fail: for tests.
//!
//! Bytes written are seen at once by every reader, as with a page cache, and survive the process ([`SimDisk`] is shared by
//! its clones). A sync makes the dirty pages durable. [`SimDisk::lose_power`] keeps of the pages that were dirty some, drops
//! others, tears a few, in any combination; files that were made since the directory's last sync may vanish, deleted ones may
//! come back.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::Rng;

use super::disk::{Disk, DiskFile};

/// Small, so that a record spans several and a tear hits often.
const PAGE_BYTES: usize = 128;

#[derive(Debug, Default)]
struct FileState {
    /// What readers see.
    seen: Vec<u8>,
    /// What is on disk.
    durable: Vec<u8>,
    /// Pages of `seen` that a sync would write.
    dirty: BTreeSet<usize>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Arc<Mutex<FileState>>>,
    /// The directory as it is on disk.
    durable_names: BTreeMap<String, Arc<Mutex<FileState>>>,
    room: Option<usize>,
    syncs_until_failure: Option<u32>,
    syncs: u64,
}

/// The directory; clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

struct SimFile {
    disk: SimDisk,
    state: Arc<Mutex<FileState>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FileState {
    fn touch(&mut self, from: usize, to: usize) {
        self.dirty.extend(from / PAGE_BYTES..to.div_ceil(PAGE_BYTES));
    }

    fn sync(&mut self) {
        self.durable.resize(self.seen.len(), 0);
        for page in std::mem::take(&mut self.dirty) {
            let to = ((page + 1) * PAGE_BYTES).min(self.seen.len());
            if let Some(from) = self.seen.get(page * PAGE_BYTES..to) {
                self.durable[page * PAGE_BYTES..to].copy_from_slice(from);
            }
        }
    }

    fn lose_power(&mut self, rng: &mut impl Rng) {
        // The length is metadata: it may be ahead of the pages, which then read as zeros.
        let (short, long) = (
            self.durable.len().min(self.seen.len()),
            self.durable.len().max(self.seen.len()),
        );
        let len = match rng.random_range(0..3) {
            0 => short,
            1 => long,
            _ => rng.random_range(short..=long),
        };
        self.durable.resize(len, 0);
        for page in std::mem::take(&mut self.dirty) {
            let from = page * PAGE_BYTES;
            let to = match rng.random_range(0..4) {
                0 => from,
                1 => from + rng.random_range(0..PAGE_BYTES),
                _ => from + PAGE_BYTES,
            };
            let to = to.min(len).min(self.seen.len());
            if from < to {
                self.durable[from..to].copy_from_slice(&self.seen[from..to]);
            }
        }
        self.seen.clone_from(&self.durable);
    }
}

impl SimDisk {
    /// Takes the power away and gives it back.
    pub fn lose_power(&self, rng: &mut impl Rng) {
        let mut state = lock(&self.0);
        let names: BTreeSet<String> = state
            .files
            .keys()
            .chain(state.durable_names.keys())
            .cloned()
            .collect();
        let mut after = BTreeMap::new();
        for name in names {
            let (now, then) = (state.files.get(&name), state.durable_names.get(&name));
            let file = match (now, then) {
                (Some(file), Some(_)) => Some(file),
                (one, other) => one.or(other).filter(|_| rng.random()),
            };
            if let Some(file) = file {
                lock(file).lose_power(rng);
                after.insert(name, Arc::clone(file));
            }
        }
        state.durable_names.clone_from(&after);
        state.files = after;
        state.room = None;
        state.syncs_until_failure = None;
    }

    /// What is on disk and nothing else, as a disk of its own: what the harshest power loss would leave.
    #[must_use]
    pub fn synced(&self) -> Self {
        let copy = Self::default();
        let state = lock(&self.0);
        for (name, file) in &state.durable_names {
            copy.put(name, &lock(file).durable);
        }
        drop(state);
        copy
    }

    /// From here on only so many more bytes fit.
    pub fn set_room(&self, bytes: Option<usize>) {
        lock(&self.0).room = bytes;
    }

    /// The sync after so many more fails, and the pages it should have written are forgotten, as kernels do.
    pub fn fail_sync_after(&self, syncs: Option<u32>) {
        lock(&self.0).syncs_until_failure = syncs;
    }

    /// Syncs so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        lock(&self.0).syncs
    }

    /// Flips a bit of a file, in memory and on disk.
    ///
    /// # Panics
    /// When there is no such file or byte.
    pub fn flip(&self, name: &str, at: usize, bit: u8) {
        let state = lock(&self.0);
        let mut file = lock(&state.files[name]);
        file.seen[at] ^= 1 << bit;
        if let Some(byte) = file.durable.get_mut(at) {
            *byte ^= 1 << bit;
        }
    }

    /// A file's bytes as readers see them.
    ///
    /// # Panics
    /// When there is no such file.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        lock(&lock(&self.0).files[name]).seen.clone()
    }

    /// Puts a file there, on disk.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = lock(&self.0);
        let file = FileState {
            seen: bytes.to_vec(),
            durable: bytes.to_vec(),
            dirty: BTreeSet::new(),
        };
        let file = Arc::new(Mutex::new(file));
        state.files.insert(name.to_owned(), Arc::clone(&file));
        state.durable_names.insert(name.to_owned(), file);
    }

    fn count_sync(&self) -> io::Result<()> {
        let mut state = lock(&self.0);
        state.syncs += 1;
        match &mut state.syncs_until_failure {
            Some(0) => {
                state.syncs_until_failure = None;
                Err(io::Error::from_raw_os_error(libc::EIO))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Disk for SimDisk {
    fn place(&self) -> String {
        "simulated disk".to_owned()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(lock(&self.0).files.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = lock(&self.0);
        if state.files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = Arc::<Mutex<FileState>>::default();
        state.files.insert(name.to_owned(), Arc::clone(&file));
        Ok(Arc::new(SimFile {
            disk: self.clone(),
            state: file,
        }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let state = lock(&self.0);
        let file = state.files.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile {
            disk: self.clone(),
            state: Arc::clone(file),
        }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        lock(&self.0)
            .files
            .remove(name)
            .map(|_| ())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.count_sync()?;
        let mut state = lock(&self.0);
        state.durable_names = state.files.clone();
        Ok(())
    }
}

impl DiskFile for SimFile {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = lock(&self.disk.0);
        let fits = state.room.unwrap_or(usize::MAX).min(bytes.len());
        if fits == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if let Some(room) = &mut state.room {
            *room -= fits;
        }
        let mut file = lock(&self.state);
        let from = file.seen.len();
        file.seen.extend_from_slice(&bytes[..fits]);
        file.touch(from, from + fits);
        Ok(fits)
    }

    fn rewrite(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = lock(&self.state);
        let from = usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        let to = from + bytes.len();
        file.seen
            .get_mut(from..to)
            .ok_or(io::ErrorKind::InvalidInput)?
            .copy_from_slice(bytes);
        file.touch(from, to);
        Ok(())
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let file = lock(&self.state);
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(file.seen.len());
        let read = into.len().min(file.seen.len() - from);
        into[..read].copy_from_slice(&file.seen[from..from + read]);
        Ok(read)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(lock(&self.state).seen.len() as u64)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut file = lock(&self.state);
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
        file.seen.truncate(len);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if let Err(error) = self.disk.count_sync() {
            lock(&self.state).dirty.clear();
            return Err(error);
        }
        lock(&self.state).sync();
        Ok(())
    }
}
