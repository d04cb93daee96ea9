//! What the writer and all readers of a journal share: the list of segments, and how far it is public.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use contracts::time::UnixNanos;

use super::cursor::Cursor;
use super::disk::{Disk, DiskFile};
use super::error::ReadError;
use super::frames::{Frames, Step, highest_synced_from, read_head};
use super::marks::{Mark, Marks};
use super::segment::{SegmentHead, parse_segment_name, segment_name};
use super::sync::SyncMeter;

/// One segment, as readers know it.
pub(super) struct Segment {
    pub name: String,
    pub first_lsn: u64,
    pub first_seq: u64,
    pub created_at: UnixNanos,
    pub head_bytes: u64,
    pub bytes: AtomicU64,
    /// True once the directory's entry is known to be on disk.
    pub entry_synced: AtomicBool,
    pub marks: OnceLock<Marks>,
}

impl Segment {
    pub fn new(head: &SegmentHead, head_bytes: u64, bytes: u64) -> Self {
        Self {
            name: segment_name(head.first_lsn),
            first_lsn: head.first_lsn,
            first_seq: head.first_seq,
            created_at: head.created_at,
            head_bytes,
            bytes: AtomicU64::new(bytes),
            entry_synced: AtomicBool::new(false),
            marks: OnceLock::new(),
        }
    }

    pub fn open(&self, disk: &dyn Disk) -> Result<Arc<dyn DiskFile>, ReadError> {
        disk.open(&self.name).map_err(|source| match source.kind() {
            // Retention has deleted it since the list was read.
            std::io::ErrorKind::NotFound => ReadError::Gone {
                asked: self.first_lsn,
                oldest: self.first_lsn + 1,
            },
            _ => ReadError::Io {
                file: self.name.clone(),
                source,
            },
        })
    }

    pub fn io(&self, source: std::io::Error) -> ReadError {
        ReadError::Io {
            file: self.name.clone(),
            source,
        }
    }

    /// Its index, made by walking it when nobody has needed it before.
    fn marks(&self, disk: &dyn Disk) -> Result<&Marks, ReadError> {
        if let Some(marks) = self.marks.get() {
            return Ok(marks);
        }
        let file = self.open(disk)?;
        let marks = Marks::new(self.bytes.load(Ordering::Relaxed));
        let mut frames = Frames::new(file, self.head_bytes);
        let (mut lsn, mut seq) = (self.first_lsn, self.first_seq);
        loop {
            marks.note(Mark {
                lsn,
                seq,
                offset: frames.offset(),
            });
            // Where the walk ends early a reader that gets there says why.
            let Step::Frame(header) = frames.next(lsn).map_err(|error| self.io(error))? else {
                break;
            };
            lsn += 1;
            seq = seq.max(header.seq + 1);
        }
        Ok(self.marks.get_or_init(|| marks))
    }
}

/// Shared between the writer and its readers.
pub(super) struct Shared {
    pub disk: Arc<dyn Disk>,
    pub segments: ArcSwap<Vec<Arc<Segment>>>,
    /// Readers go no further.
    pub committed_lsn: AtomicU64,
    pub committed_next_seq: AtomicU64,
    pub synced_lsn: AtomicU64,
    pub sync_failed: AtomicBool,
    pub sync_meter: OnceLock<SyncMeter>,
    /// False for a reader of files that may end in a torn record.
    pub has_writer: bool,
}

impl Shared {
    pub fn new(disk: Arc<dyn Disk>, segments: Vec<Arc<Segment>>, has_writer: bool) -> Self {
        Self {
            disk,
            segments: ArcSwap::from_pointee(segments),
            committed_lsn: AtomicU64::new(0),
            committed_next_seq: AtomicU64::new(1),
            synced_lsn: AtomicU64::new(0),
            sync_failed: AtomicBool::new(false),
            sync_meter: OnceLock::new(),
            has_writer,
        }
    }
}

/// What `engine journal ls` says of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// File name.
    pub name: String,
    /// First record.
    pub first_lsn: u64,
    /// First message in it or behind it.
    pub first_seq: u64,
    /// When it was begun.
    pub created_at: UnixNanos,
    /// Its size.
    pub bytes: u64,
}

/// Reads a journal; cheap to clone, may be sent to any thread.
#[derive(Clone)]
pub struct JournalReader(pub(super) Arc<Shared>);

impl JournalReader {
    /// Reads the files of `disk` as they are, without a writer in this process; a torn end reads as the end.
    ///
    /// # Errors
    /// [`ReadError`] when a file cannot be read, or the head of a segment is corrupt.
    pub fn offline(disk: Arc<dyn Disk>) -> Result<Self, ReadError> {
        let place = disk.place();
        let names = disk
            .list()
            .map_err(|source| ReadError::Io { file: place, source })?;
        let mut firsts: Vec<u64> = names.iter().filter_map(|name| parse_segment_name(name)).collect();
        firsts.sort_unstable();
        let mut segments = Vec::new();
        for (i, first) in firsts.iter().enumerate() {
            let name = segment_name(*first);
            let io = |source| ReadError::Io {
                file: name.clone(),
                source,
            };
            let file = disk.open(&name).map_err(io)?;
            let bytes = file.size().map_err(io)?;
            match read_head(&*file).map_err(io)? {
                Some((head, head_bytes)) if head.first_lsn == *first => {
                    segments.push(Arc::new(Segment::new(&head, head_bytes, bytes)));
                }
                _ if i + 1 == firsts.len()
                    && highest_synced_from(&*file, 0, *first).map_err(io)? < *first => {}
                _ => {
                    return Err(ReadError::Corrupt {
                        file: name,
                        offset: 0,
                    });
                }
            }
        }
        let shared = Shared::new(disk, segments, false);
        shared.committed_lsn.store(u64::MAX, Ordering::Release);
        shared.committed_next_seq.store(u64::MAX, Ordering::Release);
        Ok(Self(Arc::new(shared)))
    }

    /// The segments, oldest first.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let info = |segment: &Arc<Segment>| SegmentInfo {
            name: segment.name.clone(),
            first_lsn: segment.first_lsn,
            first_seq: segment.first_seq,
            created_at: segment.created_at,
            bytes: segment.bytes.load(Ordering::Relaxed),
        };
        self.0.segments.load().iter().map(info).collect()
    }

    /// The oldest record there is.
    #[must_use]
    pub fn oldest_lsn(&self) -> u64 {
        self.0
            .segments
            .load()
            .first()
            .map_or(1, |segment| segment.first_lsn)
    }

    /// The oldest message there is or will be.
    #[must_use]
    pub fn oldest_seq(&self) -> u64 {
        self.0
            .segments
            .load()
            .first()
            .map_or(1, |segment| segment.first_seq)
    }

    /// The `seq` of the next message to become public; with [`JournalReader::offline`] unknown, `u64::MAX`.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.0.committed_next_seq.load(Ordering::Acquire)
    }

    /// A cursor whose first record is `lsn`.
    ///
    /// # Errors
    /// [`ReadError::Gone`] below the oldest record, or when a file cannot be read.
    pub fn from_lsn(&self, lsn: u64) -> Result<Cursor, ReadError> {
        let oldest = self.oldest_lsn();
        if lsn < oldest {
            return Err(ReadError::Gone { asked: lsn, oldest });
        }
        let segments = self.0.segments.load_full();
        let found = segments.iter().rev().find(|segment| segment.first_lsn <= lsn);
        let mark = match found {
            Some(segment) => segment.marks(&*self.0.disk)?.before_lsn(lsn),
            None => None,
        };
        let mut cursor = Cursor::new(Arc::clone(&self.0), found.cloned(), mark)?;
        cursor.skip_to(|next_lsn, _| next_lsn >= lsn)?;
        Ok(cursor)
    }

    /// A cursor whose first message is `seq`; unpublished records between messages come with it.
    ///
    /// # Errors
    /// [`ReadError::Gone`] below the oldest message, or when a file cannot be read.
    pub fn from_seq(&self, seq: u64) -> Result<Cursor, ReadError> {
        let oldest = self.oldest_seq();
        if seq < oldest {
            return Err(ReadError::Gone { asked: seq, oldest });
        }
        let segments = self.0.segments.load_full();
        let found = segments.iter().rev().find(|segment| segment.first_seq <= seq);
        let mark = match found {
            Some(segment) => segment.marks(&*self.0.disk)?.before_seq(seq),
            None => None,
        };
        let mut cursor = Cursor::new(Arc::clone(&self.0), found.cloned(), mark)?;
        cursor.skip_to(|_, next_seq| next_seq >= seq)?;
        Ok(cursor)
    }
}

impl std::fmt::Debug for JournalReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JournalReader")
            .field("segments", &self.segments())
            .finish_non_exhaustive()
    }
}
