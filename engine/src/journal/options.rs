//! What a journal is told once.

use crate::core::record::Durability;
use crate::limits::{JOURNAL_RETENTION_BYTES, JOURNAL_RETENTION_DAYS, JOURNAL_SEGMENT_BYTES};

/// Options of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalOptions {
    /// What a published message has survived.
    pub durability: Durability,
    /// Size after which a segment is followed by another, in bytes.
    pub segment_bytes: u64,
    /// Segments that ended longer ago than this are deleted, in days.
    pub retention_days: u32,
    /// The oldest segments are deleted while all together are larger than this, in bytes.
    pub retention_bytes: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            durability: Durability::Process,
            segment_bytes: JOURNAL_SEGMENT_BYTES,
            retention_days: JOURNAL_RETENTION_DAYS,
            retention_bytes: JOURNAL_RETENTION_BYTES,
        }
    }
}
