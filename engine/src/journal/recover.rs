//! Opening a journal: judge the tail, find the snapshots, know the numbers. Starting and recovering from a crash are the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::carry::Carry;
use super::cursor::Cursor;
use super::disk::{Disk, DiskFile, read_full};
use super::error::{JournalError, ReadError};
use super::frames::{Frames, Step, highest_synced_from, read_head};
use super::marks::{Mark, Marks};
use super::options::JournalOptions;
use super::segment::{SegmentHead, parse_segment_name, segment_name};
use super::shared::{JournalReader, Segment, Shared};
use crate::core::record::{Header, Kind, Record};
use crate::limits::JOURNAL_READ_BYTES;

/// One core's newest snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Which core.
    pub shard: u16,
    /// Of how many.
    pub shards: u16,
    /// Its place: the core's state before every later record.
    pub lsn: u64,
    /// The core's state.
    pub state: Vec<u8>,
}

/// A torn end that was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The segment.
    pub file: String,
    /// Where it ends now.
    pub offset: u64,
    /// How many bytes were cut.
    pub bytes: u64,
    /// True when the file ended inside a record, as after a write that was cut short; else bytes were lost or changed.
    pub cut_short: bool,
}

/// What a journal knows of the runs before.
#[derive(Debug, Clone)]
pub struct Recovered {
    /// One per core, or none when everything since the first record is kept.
    pub snapshots: Vec<Snapshot>,
    /// The first record that may lie behind a snapshot; see [`Recovered::records`].
    pub records_from: u64,
    /// The next record's number.
    pub next_lsn: u64,
    /// The next message's number.
    pub next_seq: u64,
    /// Highest generation and directive, latches, epochs, last close times.
    pub carry: Carry,
    /// What was cut.
    pub torn: Option<TornTail>,
    reader: JournalReader,
}

impl Recovered {
    /// The records from the oldest snapshot on. For a core only those behind its own snapshot count.
    ///
    /// # Errors
    /// [`ReadError`] when a file cannot be read.
    pub fn records(&self) -> Result<Cursor, ReadError> {
        self.reader.from_lsn(self.records_from)
    }

    /// Reads all that is kept.
    #[must_use]
    pub const fn reader(&self) -> &JournalReader {
        &self.reader
    }
}

/// A journal whose end is known, before this run has written to it.
pub struct Opened {
    /// What is known of the runs before.
    pub recovered: Recovered,
    pub(super) shared: Arc<Shared>,
    pub(super) options: JournalOptions,
    /// The last segment, where appending goes on.
    pub(super) last: Option<(Arc<Segment>, Arc<dyn DiskFile>)>,
    /// Cores whose snapshot the last segment holds, and how many cores there are by the newest snapshot.
    pub(super) seen: Vec<u16>,
    pub(super) shards: u16,
    /// First record of the newest segment that recovery can begin with.
    pub(super) complete_from: u64,
}

/// One segment, walked to its end.
struct Walked {
    carry: Carry,
    next_lsn: u64,
    next_seq: u64,
    synced_lsn: u64,
    /// Newest snapshot of every `(shards, shard)`: its record and where its frame begins.
    snapshots: BTreeMap<(u16, u16), (u64, u64)>,
    marks: Marks,
    /// Where the unsynced records may begin.
    unsynced_from: u64,
    end: u64,
    bad: Option<bool>,
}

/// Opens the journal in `disk`: cuts a torn tail, refuses corruption.
///
/// # Errors
/// [`JournalError`]: corruption with file and offset, no usable snapshot, or a file that cannot be read or cut.
pub fn open(disk: Arc<dyn Disk>, options: JournalOptions) -> Result<Opened, JournalError> {
    let mut segments = list(&*disk)?;
    let mut torn = None;
    let mut floor = 0;
    // A segment whose head never reached the disk holds nothing that was ever known to be there.
    let mut heads = Vec::new();
    while let Some(first) = segments.last().copied() {
        let (file, len) = open_file(&*disk, first)?;
        if let Some((head, head_bytes)) = read_head(&*file)
            .map_err(|e| read_io(first, e))?
            .filter(|(h, _)| h.first_lsn == first)
        {
            heads.push((Arc::new(Segment::new(&head, head_bytes, len)), head.carry, file));
            break;
        }
        if torn.is_some() || highest_synced_from(&*file, 0, first).map_err(|e| read_io(first, e))? >= first {
            return Err(ReadError::Corrupt {
                file: segment_name(first),
                offset: 0,
            }
            .into());
        }
        let name = segment_name(first);
        let failed = |what| {
            let file = name.clone();
            move |source| JournalError::Io { file, what, source }
        };
        disk.remove(&name).map_err(failed("remove"))?;
        disk.sync_dir().map_err(failed("sync the directory of"))?;
        torn = Some(TornTail {
            file: name.clone(),
            offset: 0,
            bytes: len,
            cut_short: head_cut_short(&*file, len).map_err(|e| read_io(first, e))?,
        });
        floor = first - 1;
        segments.pop();
    }
    for first in segments.iter().rev().skip(1) {
        let (file, len) = open_file(&*disk, *first)?;
        let head = read_head(&*file)
            .map_err(|e| read_io(*first, e))?
            .filter(|(h, _)| h.first_lsn == *first);
        let (head, head_bytes) = head.ok_or_else(|| ReadError::Corrupt {
            file: segment_name(*first),
            offset: 0,
        })?;
        heads.push((Arc::new(Segment::new(&head, head_bytes, len)), head.carry, file));
    }
    // Newest first.
    let listed = heads
        .iter()
        .rev()
        .map(|(segment, ..)| Arc::clone(segment))
        .collect();
    let shared = Arc::new(Shared::new(disk, listed, true));
    let reader = JournalReader(Arc::clone(&shared));
    let Some((segment, carry, file)) = heads.first() else {
        let recovered = Recovered {
            snapshots: Vec::new(),
            records_from: 1,
            next_lsn: 1,
            next_seq: 1,
            carry: Carry::default(),
            torn,
            reader,
        };
        return Ok(Opened {
            recovered,
            shared,
            options,
            last: None,
            seen: Vec::new(),
            shards: 0,
            complete_from: 1,
        });
    };
    let walked = walk(segment, file, carry.clone())?;
    let floor = floor.max(segment.first_lsn - 1).max(walked.synced_lsn);
    if let Some(cut_short) = walked.bad {
        let behind = highest_synced_from(&**file, walked.end, walked.next_lsn).map_err(|e| segment.io(e))?;
        if walked.next_lsn <= floor.max(behind) {
            return Err(ReadError::Corrupt {
                file: segment.name.clone(),
                offset: walked.end,
            }
            .into());
        }
        let len = file.size().map_err(|e| segment.io(e))?;
        cut(segment, &**file, walked.end)?;
        // A second tear can only be the removed head of a segment begun after this one's end; both count as one.
        let bytes = len - walked.end + torn.as_ref().map_or(0, |t: &TornTail| t.bytes);
        torn = Some(TornTail {
            file: segment.name.clone(),
            offset: walked.end,
            bytes,
            cut_short,
        });
    } else if walked.next_lsn <= floor {
        return Err(ReadError::Missing { lsn: walked.next_lsn }.into());
    }
    rewrite_unsynced(segment, &**file, walked.unsynced_from, walked.end)?;
    segment.bytes.store(walked.end, Ordering::Relaxed);
    shared.committed_lsn.store(walked.next_lsn - 1, Ordering::Release);
    shared
        .committed_next_seq
        .store(walked.next_seq, Ordering::Release);
    shared.synced_lsn.store(segment.first_lsn - 1, Ordering::Release);
    let found = find_snapshots(&heads, &walked)?;
    let _marks_are_set_once = segment.marks.set(walked.marks);
    let last = Some((Arc::clone(segment), Arc::clone(file)));
    let recovered = Recovered {
        records_from: found.snapshots.iter().map(|s| s.lsn + 1).min().unwrap_or(1),
        snapshots: found.snapshots,
        next_lsn: walked.next_lsn,
        next_seq: walked.next_seq,
        carry: walked.carry,
        torn,
        reader,
    };
    let (seen, shards, complete_from) = (found.seen, found.shards, found.complete_from);
    Ok(Opened {
        recovered,
        shared,
        options,
        last,
        seen,
        shards,
        complete_from,
    })
}

fn list(disk: &dyn Disk) -> Result<Vec<u64>, JournalError> {
    let names = disk.list().map_err(|source| JournalError::Directory {
        dir: disk.place(),
        what: "the directory cannot be listed",
        source,
    })?;
    let mut firsts: Vec<u64> = names.iter().filter_map(|name| parse_segment_name(name)).collect();
    firsts.sort_unstable();
    Ok(firsts)
}

fn read_io(first: u64, source: std::io::Error) -> ReadError {
    ReadError::Io {
        file: segment_name(first),
        source,
    }
}

fn open_file(disk: &dyn Disk, first: u64) -> Result<(Arc<dyn DiskFile>, u64), ReadError> {
    let file = disk.open(&segment_name(first)).map_err(|e| read_io(first, e))?;
    let len = file.size().map_err(|e| read_io(first, e))?;
    Ok((file, len))
}

/// True when the file merely ends inside its head.
fn head_cut_short(file: &dyn DiskFile, len: u64) -> std::io::Result<bool> {
    let mut prefix = [0; 16];
    let read = read_full(file, &mut prefix, 0)?;
    Ok(read < prefix.len() || SegmentHead::len_of(&prefix).is_some_and(|head| head as u64 > len))
}

fn walk(segment: &Segment, file: &Arc<dyn DiskFile>, carry: Carry) -> Result<Walked, ReadError> {
    let mut frames = Frames::new(Arc::clone(file), segment.head_bytes);
    let mut walked = Walked {
        carry,
        next_lsn: segment.first_lsn,
        next_seq: segment.first_seq,
        synced_lsn: 0,
        snapshots: BTreeMap::new(),
        marks: Marks::new(segment.bytes.load(Ordering::Relaxed)),
        unsynced_from: segment.head_bytes,
        end: segment.head_bytes,
        bad: None,
    };
    // Where each record that is not known to be synced begins: those above the highest claim are written again.
    let mut begins = std::collections::VecDeque::new();
    loop {
        walked.end = frames.offset();
        match frames.next(walked.next_lsn).map_err(|e| segment.io(e))? {
            Step::End => break,
            Step::Bad { cut_short, .. } => {
                walked.bad = Some(cut_short);
                break;
            }
            Step::Frame(header) => {
                let offset = walked.end;
                let unknown = |source| ReadError::Unknown {
                    file: segment.name.clone(),
                    offset,
                    source,
                };
                walked
                    .carry
                    .apply(header.kind, frames.payload())
                    .map_err(unknown)?;
                walked.note(header, frames.payload(), offset).map_err(unknown)?;
                begins.push_back((header.lsn, offset));
                while begins.front().is_some_and(|(lsn, _)| *lsn <= walked.synced_lsn) {
                    begins.pop_front();
                }
            }
        }
    }
    walked.unsynced_from = begins.front().map_or(walked.end, |(_, offset)| *offset);
    Ok(walked)
}

impl Walked {
    fn note(
        &mut self,
        header: Header,
        payload: &[u8],
        offset: u64,
    ) -> Result<(), crate::core::record::Malformed> {
        self.marks.note(Mark {
            lsn: header.lsn,
            seq: self.next_seq,
            offset,
        });
        self.next_lsn = header.lsn + 1;
        self.next_seq = self.next_seq.max(header.seq + 1);
        self.synced_lsn = self.synced_lsn.max(header.synced_lsn);
        if header.kind == Kind::Snapshot
            && let Record::Snapshot(snapshot) = Record::decode(header.kind, payload)?
        {
            self.snapshots
                .insert((snapshot.shards, snapshot.shard), (header.lsn, offset));
        }
        Ok(())
    }
}

fn cut(segment: &Segment, file: &dyn DiskFile, at: u64) -> Result<(), JournalError> {
    file.truncate(at).map_err(|source| JournalError::Io {
        file: segment.name.clone(),
        what: "cut the torn end of",
        source,
    })
}

/// Writes the records that are not known to be on disk over themselves: after a failed sync the kernel may hold them in memory
/// and believe them written, and only a new write makes it write them.
fn rewrite_unsynced(segment: &Segment, file: &dyn DiskFile, from: u64, to: u64) -> Result<(), JournalError> {
    let mut chunk = vec![0; JOURNAL_READ_BYTES];
    let mut at = from;
    while at < to {
        let want = usize::try_from(to - at).unwrap_or(usize::MAX).min(chunk.len());
        let read = read_full(file, &mut chunk[..want], at).map_err(|e| segment.io(e))?;
        if read == 0 {
            break;
        }
        file.rewrite(at, &chunk[..read])
            .map_err(|source| JournalError::Io {
                file: segment.name.clone(),
                what: "write again to",
                source,
            })?;
        at += read as u64;
    }
    Ok(())
}

type Head = (Arc<Segment>, Carry, Arc<dyn DiskFile>);

struct Found {
    snapshots: Vec<Snapshot>,
    seen: Vec<u16>,
    shards: u16,
    complete_from: u64,
}

/// The newest segment from which on every core has a snapshot; `heads` newest first, the first already walked.
fn find_snapshots(heads: &[Head], newest: &Walked) -> Result<Found, JournalError> {
    let mut places: BTreeMap<(u16, u16), (u64, u64, usize)> = BTreeMap::new();
    let (mut seen, mut shards) = (Vec::new(), 0);
    for (i, (segment, carry, file)) in heads.iter().enumerate() {
        let walked_before;
        let walked = if i == 0 {
            newest
        } else {
            walked_before = walk(segment, file, carry.clone())?;
            if walked_before.bad.is_some() {
                return Err(ReadError::Corrupt {
                    file: segment.name.clone(),
                    offset: walked_before.end,
                }
                .into());
            }
            let follows = heads[i - 1].0.first_lsn;
            if walked_before.next_lsn != follows {
                return Err(ReadError::Missing {
                    lsn: walked_before.next_lsn,
                }
                .into());
            }
            &walked_before
        };
        for (key, (lsn, offset)) in &walked.snapshots {
            places.entry(*key).or_insert((*lsn, *offset, i));
        }
        let newest_shards = places
            .iter()
            .max_by_key(|(_, (lsn, ..))| *lsn)
            .map_or(0, |((shards, _), _)| *shards);
        if i == 0 {
            shards = newest_shards;
            seen = walked
                .snapshots
                .keys()
                .filter(|(of, _)| *of == shards)
                .map(|(_, shard)| *shard)
                .collect();
        }
        // The newest number of cores that is complete.
        let mut counts: Vec<u16> = places.keys().map(|(shards, _)| *shards).collect();
        counts.dedup();
        let complete = counts
            .into_iter()
            .filter(|count| (0..*count).all(|shard| places.contains_key(&(*count, shard))))
            .max_by_key(|count| {
                places
                    .range((*count, 0)..=(*count, u16::MAX))
                    .map(|(_, (lsn, ..))| *lsn)
                    .max()
            });
        if let Some(count) = complete {
            let chosen = places.range((count, 0)..=(count, u16::MAX));
            let snapshots = chosen
                .map(|(_, place)| load(&heads[place.2], *place))
                .collect::<Result<_, _>>()?;
            return Ok(Found {
                snapshots,
                seen,
                shards: if shards == 0 { count } else { shards },
                complete_from: segment.first_lsn,
            });
        }
        if segment.first_lsn == 1 {
            return Ok(Found {
                snapshots: Vec::new(),
                seen,
                shards,
                complete_from: 1,
            });
        }
    }
    Err(JournalError::NoSnapshot)
}

fn load(head: &Head, (lsn, offset, _): (u64, u64, usize)) -> Result<Snapshot, JournalError> {
    let (segment, _, file) = head;
    let mut frames = Frames::new(Arc::clone(file), offset);
    let corrupt = || ReadError::Corrupt {
        file: segment.name.clone(),
        offset,
    };
    let Step::Frame(header) = frames.next(lsn).map_err(|e| segment.io(e))? else {
        return Err(corrupt().into());
    };
    match Record::decode(header.kind, frames.payload()) {
        Ok(Record::Snapshot(snapshot)) => Ok(Snapshot {
            shard: snapshot.shard,
            shards: snapshot.shards,
            lsn,
            state: snapshot.state.to_vec(),
        }),
        _ => Err(corrupt().into()),
    }
}
