//! What was uploaded, read again: the server counts for itself.

use super::error::{IngestError, Place};
use super::{NewIngest, NewPartition, Standing, fits};
use crate::artifacts::{ArtifactError, ArtifactStore};
use crate::market::file::decode;
use crate::market::merge::{Counts, compare};
use crate::market::partition::Rows;
use crate::store::RevisionRow;

/// What was read of a partition that is not the current one already.
pub(super) struct Read {
    pub rows: u64,
    pub counts: Counts,
    pub first: String,
    pub last: String,
}

/// Reads every file that is new; nothing for one that changes nothing. The source's text is stored with it.
pub(super) fn read_all(
    artifacts: &dyn ArtifactStore,
    new: &NewIngest,
    standing: &Standing,
) -> Result<Vec<Option<Read>>, IngestError> {
    let read: Result<Vec<Option<Read>>, IngestError> = new
        .partitions
        .iter()
        .map(|partition| {
            let current = fits(partition, standing)?;
            if current.is_some_and(|row| row.artifact == partition.artifact) {
                return Ok(None);
            }
            read_one(artifacts, partition, current)
        })
        .collect();
    let read = read?;
    if read.iter().any(Option::is_some) {
        let text = new.source.text.as_bytes();
        artifacts.put(text).map_err(IngestError::Artifacts)?;
    }
    Ok(read)
}

fn read_one(
    artifacts: &dyn ArtifactStore,
    partition: &NewPartition,
    current: Option<&RevisionRow>,
) -> Result<Option<Read>, IngestError> {
    let (place, hash) = (partition.place(), partition.artifact);
    let (kind, month) = (partition.name.kind(), partition.month);
    let bytes = match artifacts.get(hash) {
        Ok(bytes) => bytes,
        Err(error @ ArtifactError::Io(_)) => return Err(IngestError::Artifacts(error)),
        Err(_) => return Err(IngestError::NotThere { place, hash }),
    };
    let rows = decode(kind, month, &bytes).map_err(|fault| IngestError::Malformed {
        place: place.clone(),
        hash,
        fault,
    })?;
    let before = current
        .map(|row| current_rows(artifacts, row, &place))
        .transpose()?;
    let counts = compare(before.as_ref(), &rows).map_err(|lost| IngestError::Lost { place, lost })?;
    let Some((first, last)) = rows.span().filter(|_| !counts.is_nothing()) else {
        return Ok(None);
    };
    Ok(Some(Read {
        rows: rows.len() as u64,
        counts,
        first,
        last,
    }))
}

fn current_rows(
    artifacts: &dyn ArtifactStore,
    row: &RevisionRow,
    place: &Place,
) -> Result<Rows, IngestError> {
    let altered = || IngestError::Altered {
        place: place.clone(),
        hash: row.artifact,
    };
    let bytes = match artifacts.get(row.artifact) {
        Ok(bytes) => bytes,
        Err(error @ ArtifactError::Io(_)) => return Err(IngestError::Artifacts(error)),
        Err(_) => return Err(altered()),
    };
    decode(row.name.kind(), row.month, &bytes).map_err(|_| altered())
}
