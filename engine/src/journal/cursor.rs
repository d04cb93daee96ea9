//! One reader for recovery, resume, `tail`, `--verify` and warm-up: records in order, across segments, following the writer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::error::ReadError;
use super::frames::{Frames, Step, highest_synced_from};
use super::marks::Mark;
use super::shared::{Segment, Shared};
use crate::core::record::{Header, Record};

/// A place in the journal that moves forward.
pub struct Cursor {
    shared: Arc<Shared>,
    walk: Option<(Arc<Segment>, Frames)>,
    next_lsn: u64,
    next_seq: u64,
    /// What was read ahead is as the writer left it up to this record.
    fresh_through: u64,
    /// The highest `synced_lsn` met.
    synced_lsn: u64,
}

/// One record as it was read.
#[derive(Debug, Clone, Copy)]
pub struct Read<'a> {
    /// Its header.
    pub header: Header,
    /// Its payload.
    pub payload: &'a [u8],
    /// The file it lies in.
    pub file: &'a str,
    /// Where its frame begins there.
    pub offset: u64,
}

impl<'a> Read<'a> {
    /// Decodes it.
    ///
    /// # Errors
    /// [`ReadError::Unknown`] for a record of another version.
    pub fn record(&self) -> Result<Record<'a>, ReadError> {
        Record::decode(self.header.kind, self.payload).map_err(|source| ReadError::Unknown {
            file: self.file.to_owned(),
            offset: self.offset,
            source,
        })
    }
}

impl Cursor {
    /// At `mark` of a segment, or at its beginning; with no segment at the beginning of a journal that is still empty.
    pub(super) fn new(
        shared: Arc<Shared>,
        segment: Option<Arc<Segment>>,
        mark: Option<Mark>,
    ) -> Result<Self, ReadError> {
        let Some(segment) = segment else {
            return Ok(Self {
                shared,
                walk: None,
                next_lsn: 1,
                next_seq: 1,
                fresh_through: 0,
                synced_lsn: 0,
            });
        };
        let mark = mark.unwrap_or(Mark {
            lsn: segment.first_lsn,
            seq: segment.first_seq,
            offset: segment.head_bytes,
        });
        let frames = Frames::new(segment.open(&*shared.disk)?, mark.offset);
        Ok(Self {
            shared,
            walk: Some((segment, frames)),
            next_lsn: mark.lsn,
            next_seq: mark.seq,
            fresh_through: 0,
            synced_lsn: 0,
        })
    }

    /// The record that comes next.
    #[must_use]
    pub const fn next_lsn(&self) -> u64 {
        self.next_lsn
    }

    /// The message that comes next.
    #[must_use]
    pub const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The next record; `None` when there is none yet. Call again when more has been committed.
    ///
    /// # Errors
    /// [`ReadError`]: corruption with file and offset, a segment that is gone, a file that cannot be read.
    pub fn read(&mut self) -> Result<Option<Read<'_>>, ReadError> {
        let Some(header) = self.advance()? else {
            return Ok(None);
        };
        let (segment, frames) = self.walk.as_ref().expect("a record was just read from it");
        let payload = frames.payload();
        let offset = frames.offset() - (crate::core::record::HEADER_BYTES + payload.len()) as u64;
        Ok(Some(Read {
            header,
            payload,
            file: &segment.name,
            offset,
        }))
    }

    /// Moves on until `reached(next_lsn, next_seq)` or the end.
    pub(super) fn skip_to(&mut self, reached: impl Fn(u64, u64) -> bool) -> Result<(), ReadError> {
        while !reached(self.next_lsn, self.next_seq) && self.advance()?.is_some() {}
        Ok(())
    }

    fn advance(&mut self) -> Result<Option<Header>, ReadError> {
        loop {
            let committed = self.shared.committed_lsn.load(Ordering::Acquire);
            if self.next_lsn > committed {
                return Ok(None);
            }
            let Some((segment, frames)) = self.walk.as_mut() else {
                if !self.enter_next()? {
                    return Ok(None);
                }
                continue;
            };
            if self.next_lsn > self.fresh_through {
                frames.forget_ahead();
                self.fresh_through = committed;
            }
            match frames.next(self.next_lsn).map_err(|error| segment.io(error))? {
                Step::Frame(header) => {
                    self.next_lsn += 1;
                    self.next_seq = self.next_seq.max(header.seq + 1);
                    self.synced_lsn = self.synced_lsn.max(header.synced_lsn);
                    return Ok(Some(header));
                }
                Step::End => {
                    if !self.enter_next()? {
                        return Ok(None);
                    }
                }
                Step::Bad { found, .. } => {
                    let (segment, offset) = (Arc::clone(segment), frames.offset());
                    if let Some(found) = found.filter(|found| *found > self.next_lsn) {
                        // Lost writes leave bytes that hold no checksum; a later record in this place was put there.
                        return Err(ReadError::Hole {
                            file: segment.name.clone(),
                            offset,
                            missing: self.next_lsn,
                            found,
                        });
                    }
                    return self.judge(&segment, offset).map(|()| None);
                }
            }
        }
    }

    /// Whether the bad bytes at `offset` are the torn end of files without a writer (fine) or corruption.
    fn judge(&self, segment: &Segment, offset: u64) -> Result<(), ReadError> {
        let corrupt = ReadError::Corrupt {
            file: segment.name.clone(),
            offset,
        };
        let is_last = self
            .shared
            .segments
            .load()
            .last()
            .is_some_and(|last| last.first_lsn == segment.first_lsn);
        if self.shared.has_writer || !is_last {
            return Err(corrupt);
        }
        let file = segment.open(&*self.shared.disk)?;
        let behind = highest_synced_from(&*file, offset, self.next_lsn).map_err(|error| segment.io(error))?;
        if self.next_lsn <= self.synced_lsn.max(behind) {
            Err(corrupt)
        } else {
            Ok(())
        }
    }

    /// Goes on in the segment that begins with the next record; false when there is none.
    fn enter_next(&mut self) -> Result<bool, ReadError> {
        let segments = self.shared.segments.load_full();
        let here = self.walk.as_ref().map(|(segment, _)| segment.first_lsn);
        let ahead =
            |segment: &&Arc<Segment>| segment.first_lsn >= self.next_lsn && Some(segment.first_lsn) != here;
        let Some(segment) = segments.iter().find(ahead) else {
            if self.shared.has_writer {
                return Err(ReadError::Missing { lsn: self.next_lsn });
            }
            return Ok(false);
        };
        if segment.first_lsn != self.next_lsn {
            return Err(ReadError::Missing { lsn: self.next_lsn });
        }
        let frames = Frames::new(segment.open(&*self.shared.disk)?, segment.head_bytes);
        self.walk = Some((Arc::clone(segment), frames));
        Ok(true)
    }
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor")
            .field("next_lsn", &self.next_lsn)
            .field("next_seq", &self.next_seq)
            .finish_non_exhaustive()
    }
}
