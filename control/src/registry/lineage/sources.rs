//! Market data a piece was made from: a node for each instrument and series, every month of it hashed again.

use contracts::hash::ArtifactHash;

use super::{Checked, Draft, Kind, holds, readable};
use crate::market::{self, MarketName, SourceList, SourcePartition};
use crate::store::StoreError;

/// Broken months that are told one by one; the rest is counted.
const TOLD_MAX: usize = 3;

/// Adds a node for each name among the partitions; their ids. A node that another piece was made from too is not added twice.
pub(super) async fn add(
    draft: &mut Draft<'_>,
    mut partitions: Vec<SourcePartition>,
) -> Result<Vec<String>, StoreError> {
    partitions.sort();
    let mut ids = Vec::new();
    for of_name in partitions.chunk_by(|first, second| first.name == second.name) {
        let hash = market::digest(of_name);
        let id = id(&of_name[0].name, &hash.short(12));
        if !draft.nodes.iter().any(|node| node.id == id) {
            let checked = check(draft, of_name).await?;
            draft.add(Kind::SourceData, &id, Some(hash.to_hex()), checked, &[]);
        }
        ids.push(id);
    }
    Ok(ids)
}

/// The same of a list that lies in the artifact store.
pub(super) async fn add_list(draft: &mut Draft<'_>, list: ArtifactHash) -> Result<Vec<String>, StoreError> {
    let read = draft.file(list).await.and_then(|bytes| SourceList::parse(&bytes));
    match read {
        Ok(list) => add(draft, list.partitions).await,
        Err(what) => {
            let id = format!("source:{}", list.short(12));
            Ok(vec![draft.add(
                Kind::SourceData,
                &id,
                Some(list.to_hex()),
                Err(what),
                &[],
            )])
        }
    }
}

fn id(name: &MarketName, hash: &str) -> String {
    format!("source:{}:{}:{hash}", name.kind().word(), name.as_str())
}

/// Each month is a row of an ingest, and its file has its bytes.
async fn check(draft: &Draft<'_>, partitions: &[SourcePartition]) -> Result<Checked, StoreError> {
    let unknown = match readable(market::unknown(&draft.app.store, partitions).await)? {
        Ok(unknown) => unknown,
        Err(what) => return Ok(Err(what)),
    };
    let mut broken: Vec<String> = unknown
        .iter()
        .map(|partition| format!("{partition} is in no ingest with that file"))
        .collect();
    for partition in partitions {
        if let Err(what) = draft.file(partition.sha256).await {
            broken.push(format!("{partition}: {what}"));
        }
    }
    let more = broken.len().saturating_sub(TOLD_MAX);
    broken.truncate(TOLD_MAX);
    let mut told = broken.join("; ");
    if more > 0 {
        told.push_str(&format!("; and {more} more"));
    }
    Ok(holds(broken.is_empty(), &told))
}
