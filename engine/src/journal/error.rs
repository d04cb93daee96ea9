//! What can go wrong, and what to do then.

/// Why a journal cannot be opened or written. The engine exits with 74 and publishes nothing more.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The directory cannot be made or listed, or another engine holds it.
    #[error("cannot open the journal in {dir}: {what}")]
    Directory {
        /// The directory.
        dir: String,
        /// What was tried.
        what: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Another process writes this journal.
    #[error(
        "the journal in {dir} is in use by another process; stop it, or give this engine a directory of its own"
    )]
    InUse {
        /// The directory.
        dir: String,
    },
    /// A write or a sync failed. It is never tried again: after a failed sync nobody knows what the disk holds.
    #[error(
        "the journal cannot {what} {file}; nothing more is published. Check the disk's free space and health, then restart"
    )]
    Io {
        /// The segment.
        file: String,
        /// What was tried.
        what: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// An earlier write or sync failed.
    #[error("the journal has failed before; nothing more is published until the engine is restarted")]
    Failed,
    /// Reading during recovery failed.
    #[error("recovery from the journal failed")]
    Read(#[from] ReadError),
    /// No retained segment holds a snapshot of every core.
    #[error(
        "no segment of the journal holds a snapshot of all cores; restore the deleted segments, or begin in an empty directory"
    )]
    NoSnapshot,
}

/// Why records cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A record that was on disk is damaged. The engine refuses to start; restore the file from a backup.
    #[error(
        "{file} is corrupt at byte {offset}: a record that was on disk no longer holds its checksum. Restore the file, or move the journal away to begin anew"
    )]
    Corrupt {
        /// The segment.
        file: String,
        /// Where the record begins.
        offset: u64,
    },
    /// The bytes hold their checksum but are no record of a version this engine knows.
    #[error("{file} holds at byte {offset} a record this version cannot read")]
    Unknown {
        /// The segment.
        file: String,
        /// Where the record begins.
        offset: u64,
        /// The field.
        #[source]
        source: crate::core::record::Malformed,
    },
    /// A later record lies where another belongs: somebody removed what was between.
    #[error("{file} has a hole at byte {offset}: record {missing} belongs there, and record {found} follows")]
    Hole {
        /// The segment.
        file: String,
        /// Where the missing record should begin.
        offset: u64,
        /// The first missing record.
        missing: u64,
        /// The one that lies there.
        found: u64,
    },
    /// A segment between others is gone.
    #[error(
        "the journal has no record {lsn}: a segment is missing, or the end of the one before it was cut off"
    )]
    Missing {
        /// The first missing record.
        lsn: u64,
    },
    /// The record asked for is older than what is retained.
    #[error("record or message {asked} is older than the journal's oldest, {oldest}")]
    Gone {
        /// What was asked for.
        asked: u64,
        /// The oldest there is.
        oldest: u64,
    },
    /// The file cannot be read.
    #[error("cannot read {file}")]
    Io {
        /// The segment.
        file: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}
