//! What the hub asks of the journal: the past, by seq and by time.

use contracts::bar::Bar;
use contracts::time::UtcMillis;

/// A published message as the journal renders it: the same bytes as the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Its place in the sequence.
    pub seq: u64,
    /// Whose; `None` concerns the slot.
    pub instrument: Option<Box<str>>,
    /// One JSON object.
    pub text: String,
}

/// The journal could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the journal cannot be read back: {detail}")]
pub struct HistoryError {
    /// File, offset and what is wrong there.
    pub detail: String,
    /// The error behind it.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The journal, read by others than its writer. Calls block on files; callers are on a blocking thread.
pub trait History: Send + Sync + 'static {
    /// The oldest published seq that is kept; the next seq when none is. Cheap: asked at every `welcome`.
    fn oldest_seq(&self) -> u64;

    /// Appends at most `max` published messages from `from_seq` on, ascending. Where `from_seq` is no longer kept it starts with the
    /// oldest that is.
    ///
    /// # Errors
    /// [`HistoryError`] when a file cannot be read or holds a bad record.
    fn read(&self, from_seq: u64, max: usize, out: &mut Vec<HistoryEntry>) -> Result<(), HistoryError>;

    /// Appends at most `max` accepted bars of an instrument with from ≤ close_time ≤ to, ascending.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn bars(
        &self,
        instrument: &str,
        from: UtcMillis,
        to: UtcMillis,
        max: usize,
        out: &mut Vec<Bar>,
    ) -> Result<(), HistoryError>;
}
