//! Partitions as others name them: the manifest of a dataset, the evidence of a proposal.

use std::collections::BTreeSet;

use contracts::hash::{ArtifactHash, Digest};
use contracts::ids::ParseIdError;
use contracts::jcs::{self, JcsError};
use serde::{Deserialize, Serialize};

use super::name::{MarketKind, MarketName, Month};
use crate::store::{RevisionFilter, RevisionRow, Store, StoreError};

/// One revision of one month that was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct SourcePartition {
    /// Of what.
    pub name: MarketName,
    /// Which month.
    pub month: Month,
    /// Which of its revisions.
    pub revision: u64,
    /// Its file.
    pub sha256: ArtifactHash,
}

/// As it is written.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    kind: MarketKind,
    name: String,
    month: Month,
    revision: u64,
    sha256: ArtifactHash,
}

impl TryFrom<Wire> for SourcePartition {
    type Error = ParseIdError;

    fn try_from(wire: Wire) -> Result<Self, ParseIdError> {
        Ok(Self {
            name: MarketName::parse(wire.kind, &wire.name)?,
            month: wire.month,
            revision: wire.revision,
            sha256: wire.sha256,
        })
    }
}

impl From<SourcePartition> for Wire {
    fn from(source: SourcePartition) -> Self {
        Self {
            kind: source.name.kind(),
            name: source.name.as_str().to_owned(),
            month: source.month,
            revision: source.revision,
            sha256: source.sha256,
        }
    }
}

impl From<&RevisionRow> for SourcePartition {
    fn from(row: &RevisionRow) -> Self {
        Self {
            name: row.name.clone(),
            month: row.month,
            revision: row.revision,
            sha256: row.artifact,
        }
    }
}

impl std::fmt::Display for SourcePartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} revision {}", self.name, self.month, self.revision)
    }
}

/// Those of the partitions that no ingest made, or not with that file.
///
/// # Errors
/// [`StoreError`].
pub async fn unknown(
    store: &Store,
    partitions: &[SourcePartition],
) -> Result<Vec<SourcePartition>, StoreError> {
    let names: BTreeSet<&MarketName> = partitions.iter().map(|partition| &partition.name).collect();
    let all = RevisionFilter {
        all: true,
        ..RevisionFilter::current()
    };
    let mut known = BTreeSet::new();
    for name in names {
        let rows = store.revisions(name, all, None, None).await?;
        known.extend(rows.iter().map(SourcePartition::from));
    }
    let unknown = partitions.iter().filter(|partition| !known.contains(partition));
    Ok(unknown.cloned().collect())
}

/// What the list of a run's partitions says it is.
const SCHEMA: &str = "twovote/market-sources/v1";

/// All partitions a run read, as a file in the artifact store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceList {
    schema_version: String,
    /// In order.
    pub partitions: Vec<SourcePartition>,
}

impl SourceList {
    /// A list.
    #[must_use]
    pub fn new(mut partitions: Vec<SourcePartition>) -> Self {
        partitions.sort();
        Self {
            schema_version: SCHEMA.to_owned(),
            partitions,
        }
    }

    /// Its file.
    ///
    /// # Errors
    /// [`JcsError`] for a revision beyond 53 bits.
    pub fn to_bytes(&self) -> Result<Vec<u8>, JcsError> {
        jcs::to_canonical(self).map(String::into_bytes)
    }

    /// A list out of its file.
    ///
    /// # Errors
    /// In words, when it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let list: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if list.schema_version == SCHEMA {
            Ok(list)
        } else {
            Err(format!("it is no {SCHEMA}"))
        }
    }
}

/// The same partitions in the same order have the same.
pub(crate) fn digest(partitions: &[SourcePartition]) -> Digest<()> {
    let text: String = partitions
        .iter()
        .map(|one| format!("{one} {}\n", one.sha256))
        .collect();
    Digest::of(text.as_bytes())
}
