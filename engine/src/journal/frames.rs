//! Walks the frames of one segment file and judges each.

use std::io;
use std::sync::Arc;

use super::disk::{DiskFile, read_full};
use super::segment::SegmentHead;
use crate::core::record::{HEADER_BYTES, Header};
use crate::limits::JOURNAL_READ_BYTES;

/// What comes next in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A frame that holds its checksum.
    Frame(Header),
    /// The file ends between two frames.
    End,
    /// The bytes are not the next record.
    Bad {
        /// True when the file merely ends inside the frame, as after a write that was cut short.
        cut_short: bool,
        /// The number of a whole record that lies there and is not the next.
        found: Option<u64>,
    },
}

const CUT_SHORT: Step = Step::Bad {
    cut_short: true,
    found: None,
};
const DAMAGED: Step = Step::Bad {
    cut_short: false,
    found: None,
};

/// A walk through one segment.
pub(super) struct Frames {
    file: Arc<dyn DiskFile>,
    /// Bytes of the file from `buffer_at` on; those before `pos` are consumed.
    buffer: Vec<u8>,
    buffer_at: u64,
    pos: usize,
    /// Where the last frame's payload lies in the buffer.
    payload: std::ops::Range<usize>,
}

/// Reads a segment's head and its length; `None` when it does not hold.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn read_head(file: &dyn DiskFile) -> io::Result<Option<(SegmentHead, u64)>> {
    let mut prefix = [0; 16];
    let read = read_full(file, &mut prefix, 0)?;
    let Some(len) = SegmentHead::len_of(&prefix[..read]) else {
        return Ok(None);
    };
    if len as u64 > file.size()? {
        return Ok(None);
    }
    let mut bytes = vec![0; len];
    let read = read_full(file, &mut bytes, 0)?;
    Ok(SegmentHead::decode(&bytes[..read]).map(|head| (head, len as u64)))
}

impl Frames {
    /// A walk from `offset`, where a frame begins or the file ends.
    pub fn new(file: Arc<dyn DiskFile>, offset: u64) -> Self {
        Self {
            file,
            buffer: Vec::new(),
            buffer_at: offset,
            pos: 0,
            payload: 0..0,
        }
    }

    /// Where the next frame begins.
    pub const fn offset(&self) -> u64 {
        self.buffer_at + self.pos as u64
    }

    /// Forgets what was read ahead: the writer may have written there since.
    pub fn forget_ahead(&mut self) {
        self.buffer_at = self.offset();
        self.buffer.clear();
        self.pos = 0;
    }

    /// The payload of the last [`Step::Frame`].
    pub fn payload(&self) -> &[u8] {
        &self.buffer[self.payload.clone()]
    }

    /// The next frame, which must be record `lsn`.
    pub fn next(&mut self, lsn: u64) -> io::Result<Step> {
        let got = self.ensure(HEADER_BYTES)?;
        if got == 0 {
            return Ok(Step::End);
        }
        if got < HEADER_BYTES {
            return Ok(CUT_SHORT);
        }
        let Ok(header) = Header::parse(&self.buffer[self.pos..]) else {
            return Ok(DAMAGED);
        };
        let frame = HEADER_BYTES + header.len as usize;
        let buffered = self.buffer.len() - self.pos;
        // A length that is not backed by the file must not size the buffer.
        if buffered < frame
            && (self.offset() + frame as u64 > self.file.size()? || self.ensure(frame)? < frame)
        {
            return Ok(if header.lsn == lsn { CUT_SHORT } else { DAMAGED });
        }
        let bytes = &self.buffer[self.pos..self.pos + frame];
        if !Header::matches(bytes) {
            return Ok(DAMAGED);
        }
        if header.lsn != lsn {
            return Ok(Step::Bad {
                cut_short: false,
                found: Some(header.lsn),
            });
        }
        self.payload = self.pos + HEADER_BYTES..self.pos + frame;
        self.pos += frame;
        Ok(Step::Frame(header))
    }

    /// Has `wanted` bytes from `pos` on in the buffer if the file has them; how many there are.
    fn ensure(&mut self, wanted: usize) -> io::Result<usize> {
        let held = self.buffer.len() - self.pos;
        if held >= wanted {
            return Ok(held);
        }
        self.buffer.drain(..self.pos);
        self.buffer_at += self.pos as u64;
        self.pos = 0;
        self.buffer.resize(wanted.max(JOURNAL_READ_BYTES), 0);
        let read = read_full(
            &*self.file,
            &mut self.buffer[held..],
            self.buffer_at + held as u64,
        )?;
        self.buffer.truncate(held + read);
        Ok(self.buffer.len())
    }
}

/// The highest `synced_lsn` that any whole frame at or behind `offset` claims; 0 when there is none.
///
/// Behind a bad record nobody knows where the next one begins, so every byte is tried; a checksum decides.
pub(super) fn highest_synced_from(file: &dyn DiskFile, offset: u64, after_lsn: u64) -> io::Result<u64> {
    let len = file.size()?.saturating_sub(offset);
    let mut bytes = vec![0; usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?];
    let read = read_full(file, &mut bytes, offset)?;
    let bytes = &bytes[..read];
    let lsn_max = after_lsn.saturating_add(1 + (read / HEADER_BYTES) as u64);
    let (mut at, mut highest) = (0, 0);
    while at + HEADER_BYTES <= bytes.len() {
        let whole = Header::parse(&bytes[at..]).ok().and_then(|header| {
            let frame = bytes.get(at..at + HEADER_BYTES + header.len as usize)?;
            (header.lsn >= after_lsn && header.lsn <= lsn_max && Header::matches(frame))
                .then_some((header, frame.len()))
        });
        match whole {
            Some((header, frame)) => {
                highest = highest.max(header.synced_lsn);
                at += frame;
            }
            None => at += 1,
        }
    }
    Ok(highest)
}
