//! Deleting old segments, whole ones only.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use contracts::time::UnixNanos;

use super::error::JournalError;
use super::options::JournalOptions;
use super::shared::{Segment, Shared};

const DAY_NS: i64 = 86_400 * 1_000_000_000;

/// Deletes from the oldest on; how many were deleted.
pub(super) fn retain(
    shared: &Shared,
    options: &JournalOptions,
    complete_from: u64,
    now: UnixNanos,
) -> Result<u32, JournalError> {
    let segments = shared.segments.load_full();
    let mut total: u64 = segments
        .iter()
        .map(|segment| segment.bytes.load(Ordering::Relaxed))
        .sum();
    let mut kept: &[Arc<Segment>] = &segments;
    while let [oldest, next, ..] = kept {
        // A segment ends where the next one begins.
        let age_ns = now.0.saturating_sub(next.created_at.0);
        let too_old = age_ns > i64::from(options.retention_days).saturating_mul(DAY_NS);
        if next.first_lsn > complete_from || !(too_old || total > options.retention_bytes) {
            break;
        }
        total -= oldest.bytes.load(Ordering::Relaxed);
        kept = &kept[1..];
    }
    let deleted = segments.len() - kept.len();
    if deleted == 0 {
        return Ok(0);
    }
    // Readers lose sight of them first; one that has a file open reads on.
    shared.segments.store(Arc::new(kept.to_vec()));
    for segment in &segments[..deleted] {
        // One by one, oldest first: whenever the power fails, what is left has no hole.
        let removed = shared
            .disk
            .remove(&segment.name)
            .and_then(|()| shared.disk.sync_dir());
        removed.map_err(|source| JournalError::Io {
            file: segment.name.clone(),
            what: "delete",
            source,
        })?;
    }
    Ok(u32::try_from(deleted).unwrap_or(u32::MAX))
}
