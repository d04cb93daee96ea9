//! The one writer: numbers, one `write(2)` per batch, segments.
//!
//! ```text
//! append  headers filled in, one write; records are in the file
//! commit  `process`: nothing more; `disk`: sync. What was appended may be published, and readers see it
//! ```
//! Any error ends it for good: nothing is tried twice, because after a failed sync nobody knows what the disk holds.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use contracts::time::UnixNanos;

use super::carry::Carry;
use super::disk::{DiskFile, write_all};
use super::error::JournalError;
use super::marks::{Mark, Marks};
use super::options::JournalOptions;
use super::recover::Opened;
use super::segment::{SegmentHead, segment_name};
use super::shared::{JournalReader, Segment, Shared};
use super::sync::{SyncMeter, SyncRequest};
use crate::clock::SharedClock;
use crate::core::record::{BootId, Durability, HEADER_BYTES, Header, Kind, Record, Records, StartRecord};
use crate::metrics::Metrics;

/// What a run says of itself at its beginning.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// Now.
    pub time: UnixNanos,
    /// The machine's boot; see [`super::boot_id`].
    pub boot: BootId,
    /// The engine's version.
    pub engine_version: &'a str,
    /// How many cores.
    pub shards: u16,
    /// The slot's instruments in the order of their dense indices.
    pub instruments: &'a [&'a str],
}

/// The numbers a batch got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Its records.
    pub lsns: Range<u64>,
    /// Its messages.
    pub seqs: Range<u64>,
}

/// Appends to a journal; see the module's header.
pub struct Writer {
    shared: Arc<Shared>,
    options: JournalOptions,
    segment: Arc<Segment>,
    file: Arc<dyn DiskFile>,
    offset: u64,
    next_lsn: u64,
    next_seq: u64,
    carry: Carry,
    failed: bool,
    /// Cores whose snapshot this segment holds.
    seen: Vec<bool>,
    /// True when recovery can begin with this segment.
    complete: bool,
    /// True when another segment must begin though this one is not full: the number of cores has changed.
    must_rotate: bool,
    pub(super) complete_from: u64,
}

impl Opened {
    /// Begins a run: raises the epoch when published messages may have been lost, and writes and syncs the `start` record.
    ///
    /// # Errors
    /// [`JournalError::Io`] when that cannot be written.
    pub fn start(self, start: &Start<'_>) -> Result<Writer, JournalError> {
        let Self {
            recovered,
            shared,
            options,
            last,
            seen,
            shards,
            complete_from,
        } = self;
        let (next_lsn, next_seq, mut carry) = (recovered.next_lsn, recovered.next_seq, recovered.carry);
        let lost_bytes = recovered.torn.as_ref().is_some_and(|torn| !torn.cut_short);
        let may_be_lost = match carry.run {
            Some((boot, Durability::Process)) => !carry.stopped && (boot != start.boot || lost_bytes),
            Some((_, Durability::Disk)) | None => false,
        };
        let epoch = carry.epoch() + u32::from(may_be_lost);
        let first_seq = match carry.epochs.last() {
            Some(running) if !may_be_lost => running.first_seq,
            _ => next_seq,
        };
        let (segment, file) = match last {
            Some(last) => last,
            None => create(&shared, &options, next_lsn, next_seq, start.time, &carry)?,
        };
        // The number of the start record itself tells the epoch; the carry learns it when the record is appended.
        carry.stopped = false;
        let offset = segment.bytes.load(Ordering::Relaxed);
        let mut writer = Writer {
            shared,
            options,
            complete: complete_from == segment.first_lsn,
            segment,
            file,
            offset,
            next_lsn,
            next_seq,
            carry,
            failed: false,
            seen: (0..start.shards)
                .map(|shard| shards == start.shards && seen.contains(&shard))
                .collect(),
            must_rotate: shards != 0 && shards != start.shards,
            complete_from,
        };
        let mut records = Records::default();
        records.push_start(&StartRecord {
            time: start.time,
            boot: start.boot,
            engine_version: start.engine_version,
            epoch,
            first_seq,
            durability: options.durability,
            shards: start.shards,
            instruments: start.instruments,
        });
        let entry = records.entries()[0];
        writer
            .carry
            .apply(Kind::Start, records.payload(entry))
            .expect("a start record just encoded decodes");
        writer.append(&mut records, start.time)?;
        writer.sync()?;
        writer.commit()?;
        Ok(writer)
    }
}

impl Writer {
    /// The running epoch.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.carry.epoch()
    }

    /// What is known of everything written so far.
    #[must_use]
    pub const fn carry(&self) -> &Carry {
        &self.carry
    }

    /// The next message's number.
    #[must_use]
    pub const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The next record's number.
    #[must_use]
    pub const fn next_lsn(&self) -> u64 {
        self.next_lsn
    }

    /// Reads what is committed.
    #[must_use]
    pub fn reader(&self) -> JournalReader {
        JournalReader(Arc::clone(&self.shared))
    }

    /// Times every sync from here on, those in the background too.
    pub fn measure_syncs(&self, clock: SharedClock, metrics: Arc<Metrics>) {
        // A journal is measured by the one driver that has it.
        drop(self.shared.sync_meter.set(SyncMeter { clock, metrics }));
    }

    /// True when the next batch of core `shard` should begin with its snapshot: the segment is full, or lacks it.
    #[must_use]
    pub fn wants_snapshot(&self, shard: u16) -> bool {
        let missing = self.seen.get(usize::from(shard)).is_some_and(|seen| !seen);
        self.rotates_next() || (missing && !self.complete)
    }

    fn rotates_next(&self) -> bool {
        (self.offset >= self.options.segment_bytes && self.complete) || self.must_rotate
    }

    /// Numbers the records of a batch, fills in their headers and writes them with one `write(2)`.
    ///
    /// A batch that begins with a snapshot begins a new segment when the old one is full.
    ///
    /// # Errors
    /// [`JournalError`]; the journal takes nothing more then, and what this batch holds must not be published.
    ///
    /// # Panics
    /// Never; batches are as long as memory allows.
    pub fn append(&mut self, records: &mut Records, now: UnixNanos) -> Result<Appended, JournalError> {
        self.check()?;
        if records
            .entries()
            .first()
            .is_some_and(|entry| entry.kind == Kind::Snapshot)
            && self.rotates_next()
        {
            self.rotate(now)?;
        }
        let (first_lsn, first_seq) = (self.next_lsn, self.next_seq);
        let synced_lsn = self.shared.synced_lsn.load(Ordering::Acquire).min(first_lsn - 1);
        let (shard, simulated, epoch) = (records.shard(), records.is_simulated(), self.carry.epoch());
        let mut offset = self.offset;
        for i in 0..records.len() {
            let entry = records.entries()[i];
            self.segment
                .marks
                .get()
                .expect("set when the segment was opened")
                .note(Mark {
                    lsn: self.next_lsn,
                    seq: self.next_seq,
                    offset,
                });
            let payload = records.payload(entry);
            self.carry
                .apply(entry.kind, payload)
                .expect("a record just encoded decodes");
            if entry.kind == Kind::Snapshot
                && let Ok(Record::Snapshot(snapshot)) = Record::decode(entry.kind, payload)
            {
                self.note_snapshot(snapshot.shard);
            }
            let header = Header {
                lsn: self.next_lsn,
                seq: if entry.kind.is_published() {
                    self.next_seq
                } else {
                    0
                },
                synced_lsn,
                epoch,
                len: u32::try_from(payload.len()).expect("a record is far smaller than 4 GiB"),
                kind: entry.kind,
                shard,
                simulated,
            };
            header.fill(records.frame_mut(entry));
            offset += HEADER_BYTES as u64 + u64::from(header.len);
            self.next_lsn += 1;
            self.next_seq += u64::from(entry.kind.is_published());
        }
        if let Err(source) = write_all(&*self.file, records.bytes()) {
            return Err(self.fail("write to", source));
        }
        self.offset = offset;
        self.segment.bytes.store(offset, Ordering::Relaxed);
        Ok(Appended {
            lsns: first_lsn..self.next_lsn,
            seqs: first_seq..self.next_seq,
        })
    }

    /// Makes what was appended publishable; readers see it from here on.
    ///
    /// With [`Durability::Disk`] this syncs: append several batches and commit them together where more are waiting.
    ///
    /// # Errors
    /// [`JournalError`]; nothing since the last commit may be published then.
    pub fn commit(&mut self) -> Result<(), JournalError> {
        if self.options.durability == Durability::Disk {
            self.sync()?;
        }
        self.check()?;
        self.shared
            .committed_lsn
            .store(self.next_lsn - 1, Ordering::Release);
        self.shared
            .committed_next_seq
            .store(self.next_seq, Ordering::Release);
        Ok(())
    }

    /// Returns when everything appended is on disk, whatever the durability; a halt is acknowledged after it.
    ///
    /// # Errors
    /// [`JournalError`]
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.check()?;
        if let Some(request) = self.sync_request()
            && let Err(source) = request.run()
        {
            return Err(self.fail("sync", source));
        }
        Ok(())
    }

    /// What to sync in the background now; `None` when everything is on disk. Run it on another thread ([`super::Syncer`]).
    #[must_use]
    pub fn sync_request(&self) -> Option<SyncRequest> {
        let through = self.next_lsn - 1;
        (self.shared.synced_lsn.load(Ordering::Acquire) < through
            || !self.segment.entry_synced.load(Ordering::Acquire))
        .then(|| SyncRequest::new(&self.shared, &self.segment, &self.file, through))
    }

    /// Ends the run in order: a `stop` record, on disk.
    ///
    /// # Errors
    /// [`JournalError`] when that cannot be written; the next start then treats this run as one that died.
    pub fn stop(mut self, now: UnixNanos) -> Result<(), JournalError> {
        self.sync()?;
        let mut records = Records::default();
        records.push_stop(now);
        self.append(&mut records, now)?;
        self.sync()?;
        self.commit()
    }

    /// Deletes whole old segments: those beyond the retained time or size, never the last, never one recovery needs.
    ///
    /// # Errors
    /// [`JournalError::Io`] naming the file that cannot be deleted; the journal itself goes on.
    pub fn retain(&mut self, now: UnixNanos) -> Result<u32, JournalError> {
        super::retention::retain(&self.shared, &self.options, self.complete_from, now)
    }

    fn check(&self) -> Result<(), JournalError> {
        if self.failed || self.shared.sync_failed.load(Ordering::Acquire) {
            return Err(JournalError::Failed);
        }
        Ok(())
    }

    fn fail(&mut self, what: &'static str, source: std::io::Error) -> JournalError {
        self.failed = true;
        JournalError::Io {
            file: self.segment.name.clone(),
            what,
            source,
        }
    }

    fn note_snapshot(&mut self, shard: u16) {
        if let Some(seen) = self.seen.get_mut(usize::from(shard)) {
            *seen = true;
        }
        if self.seen.iter().all(|seen| *seen) {
            self.complete = true;
            self.complete_from = self.complete_from.max(self.segment.first_lsn);
        }
    }

    /// Begins a new segment. The old one is synced first, so that only the last segment can be torn.
    fn rotate(&mut self, now: UnixNanos) -> Result<(), JournalError> {
        self.sync()?;
        let created = create(
            &self.shared,
            &self.options,
            self.next_lsn,
            self.next_seq,
            now,
            &self.carry,
        );
        (self.segment, self.file) = created.inspect_err(|_| self.failed = true)?;
        self.offset = self.segment.head_bytes;
        self.seen.fill(false);
        self.complete = false;
        self.must_rotate = false;
        Ok(())
    }
}

fn create(
    shared: &Arc<Shared>,
    options: &JournalOptions,
    first_lsn: u64,
    first_seq: u64,
    created_at: UnixNanos,
    carry: &Carry,
) -> Result<(Arc<Segment>, Arc<dyn DiskFile>), JournalError> {
    let head = SegmentHead {
        first_lsn,
        first_seq,
        created_at,
        carry: carry.clone(),
    };
    let name = segment_name(first_lsn);
    let io = |what| {
        let file = name.clone();
        move |source| JournalError::Io { file, what, source }
    };
    let file = shared.disk.create(&name).map_err(io("create"))?;
    let bytes = head.encode();
    write_all(&*file, &bytes).map_err(io("write the head of"))?;
    let segment = Arc::new(Segment::new(&head, bytes.len() as u64, bytes.len() as u64));
    segment.marks.get_or_init(|| Marks::new(options.segment_bytes));
    let mut segments = Vec::clone(&shared.segments.load());
    segments.push(Arc::clone(&segment));
    shared.segments.store(Arc::new(segments));
    Ok((segment, file))
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("segment", &self.segment.name)
            .field("next_lsn", &self.next_lsn)
            .field("next_seq", &self.next_seq)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
