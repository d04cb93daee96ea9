//! A sparse index of one segment: every so many bytes, which record and message come next.
//!
//! The writer adds to it while readers search; the places are made once, so neither waits for the other.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::limits::JOURNAL_MARKS_MAX;

/// One known place in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The record that begins there.
    pub lsn: u64,
    /// The first message at or behind it.
    pub seq: u64,
    /// Where it begins in the file.
    pub offset: u64,
}

/// Known places, ascending; one writer.
#[derive(Debug)]
pub struct Marks {
    stride: u64,
    len: AtomicUsize,
    places: Box<[[AtomicU64; 3]]>,
}

impl Marks {
    /// For a segment of about `segment_bytes`.
    #[must_use]
    pub fn new(segment_bytes: u64) -> Self {
        Self {
            stride: (segment_bytes / JOURNAL_MARKS_MAX as u64).max(1),
            len: AtomicUsize::new(0),
            places: (0..JOURNAL_MARKS_MAX)
                .map(|_| [const { AtomicU64::new(0) }; 3])
                .collect(),
        }
    }

    /// Notes a place when it is far enough behind the last one noted; by the one writer only.
    pub fn note(&self, mark: Mark) {
        let len = self.len.load(Ordering::Relaxed);
        let far_enough = len == 0 || mark.offset - self.get(len - 1).offset >= self.stride;
        if far_enough && len < self.places.len() {
            for (place, value) in self.places[len].iter().zip([mark.lsn, mark.seq, mark.offset]) {
                place.store(value, Ordering::Relaxed);
            }
            // Readers that see the new length see the place behind it.
            self.len.store(len + 1, Ordering::Release);
        }
    }

    /// The last known place at or before record `lsn`.
    #[must_use]
    pub fn before_lsn(&self, lsn: u64) -> Option<Mark> {
        self.last(|mark| mark.lsn <= lsn)
    }

    /// The last known place with no message before it that is `seq` or newer.
    #[must_use]
    pub fn before_seq(&self, seq: u64) -> Option<Mark> {
        self.last(|mark| mark.seq <= seq)
    }

    fn last(&self, holds: impl Fn(Mark) -> bool) -> Option<Mark> {
        (0..self.len.load(Ordering::Acquire))
            .rev()
            .map(|i| self.get(i))
            .find(|mark| holds(*mark))
    }

    fn get(&self, i: usize) -> Mark {
        let [lsn, seq, offset] = &self.places[i];
        Mark {
            lsn: lsn.load(Ordering::Relaxed),
            seq: seq.load(Ordering::Relaxed),
            offset: offset.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_finds_the_last_place_that_is_not_too_far() {
        let marks = Marks::new(100 * JOURNAL_MARKS_MAX as u64);
        for lsn in 1..=50_u64 {
            marks.note(Mark {
                lsn,
                seq: lsn / 2,
                offset: lsn * 30,
            });
        }
        assert_eq!(
            marks.before_lsn(1),
            Some(Mark {
                lsn: 1,
                seq: 0,
                offset: 30
            })
        );
        assert_eq!(
            marks.before_lsn(6),
            Some(Mark {
                lsn: 5,
                seq: 2,
                offset: 150
            })
        );
        assert_eq!(marks.before_lsn(0), None);
        assert_eq!(
            marks.before_seq(2),
            Some(Mark {
                lsn: 5,
                seq: 2,
                offset: 150
            })
        );
    }

    #[test]
    fn a_full_index_forgets_new_places_only() {
        let marks = Marks::new(1);
        for lsn in 1..=2 * JOURNAL_MARKS_MAX as u64 {
            marks.note(Mark {
                lsn,
                seq: lsn,
                offset: lsn,
            });
        }
        assert_eq!(
            marks.before_lsn(u64::MAX).map(|mark| mark.lsn),
            Some(JOURNAL_MARKS_MAX as u64)
        );
    }
}
