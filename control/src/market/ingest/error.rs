//! Why an ingest is refused.

use contracts::hash::ArtifactHash;
use contracts::ids::IngestId;
use contracts::jcs::JcsError;

use crate::artifacts::ArtifactError;
use crate::audit::AppendError;
use crate::limits::{INGEST_PARTITIONS_MAX, NOTES_BYTES_MAX, SOURCE_BYTES_MAX};
use crate::market::label::Vendor;
use crate::market::merge::Lost;
use crate::market::name::{MarketName, Month};
use crate::market::partition::PartitionError;
use crate::store::StoreError;

/// A place, for messages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub(super) MarketName, pub(super) Month);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.0, self.1)
    }
}

/// Why nothing was registered; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The role or the token's scope does not carry it.
    #[error("this needs the role researcher, and of a token the scope research:write")]
    Forbidden,
    /// No month, or too many.
    #[error("{0} partitions: an ingest has 1 to {INGEST_PARTITIONS_MAX}")]
    Number(usize),
    /// A month twice.
    #[error("{0} is named twice")]
    Twice(Place),
    /// The source's text and its hash do not belong together, or the text is too long.
    #[error("the source's text has {bytes} bytes (at most {SOURCE_BYTES_MAX}) and the hash {found}")]
    Source {
        /// How long it is.
        bytes: usize,
        /// Its hash.
        found: ArtifactHash,
    },
    /// The note is too long.
    #[error("the note has {0} bytes, at most {NOTES_BYTES_MAX} are kept")]
    Note(usize),
    /// Another vendor's data, or another instrument of the vendor, under one name.
    #[error(
        "{name} is {known}, not {asked}: one name never mixes two sources; give the other a name of its own"
    )]
    OtherVendorId {
        /// Which name.
        name: MarketName,
        /// What it is made of.
        known: Vendor,
        /// What came.
        asked: Vendor,
    },
    /// Somebody made another revision meanwhile.
    #[error(
        "{place} was made from another revision than the current one ({current}): fetch it and merge again"
    )]
    Changed {
        /// Which month.
        place: Place,
        /// The current revision's file, or that there is none.
        current: String,
    },
    /// The file is not there.
    #[error("{place}: artifact {hash} is not in the store with its bytes: upload it first")]
    NotThere {
        /// Which month.
        place: Place,
        /// Its file.
        hash: ArtifactHash,
    },
    /// The file is no partition.
    #[error("{place}: artifact {hash} is no partition: {fault}")]
    Malformed {
        /// Which month.
        place: Place,
        /// Its file.
        hash: ArtifactHash,
        /// Why.
        fault: PartitionError,
    },
    /// A row of the revision before is not in it.
    #[error("{place}: {lost}")]
    Lost {
        /// Which month.
        place: Place,
        /// Which row.
        lost: Lost,
    },
    /// The current revision's file is not what it was.
    #[error(
        "{place}: the current revision's file {hash} is missing or was altered: upload it again, or restore it"
    )]
    Altered {
        /// Which month.
        place: Place,
        /// Its file.
        hash: ArtifactHash,
    },
    /// The name is another ingest's.
    #[error("there is an ingest {0} already")]
    Taken(IngestId),
    /// The artifact store.
    #[error("the artifact store cannot be used")]
    Artifacts(#[source] ArtifactError),
    /// The list has no canonical form.
    #[error("the list of partitions has no canonical form")]
    Jcs(#[from] JcsError),
    /// The audit event was not stored.
    #[error("the ingest was not audited")]
    Audit(#[from] AppendError),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

impl IngestError {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::Number(_) => "partition_count",
            Self::Twice(_) => "partition_twice",
            Self::Source { .. } => "source_hash_mismatch",
            Self::Note(_) => "note_too_long",
            Self::OtherVendorId { .. } => "other_vendor_id",
            Self::Changed { .. } => "market_changed",
            Self::NotThere { .. } => "artifact_not_found",
            Self::Malformed { .. } => "partition_malformed",
            Self::Lost { .. } => "rows_lost",
            Self::Altered { .. } => "market_altered",
            Self::Taken(_) => "ingest_id_taken",
            Self::Artifacts(_) | Self::Jcs(_) | Self::Audit(_) | Self::Store(_) => "internal",
        }
    }
}
