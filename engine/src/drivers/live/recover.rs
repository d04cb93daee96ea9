//! From an opened journal to cores in the state that died.

use std::path::Path;

use contracts::hash::FeatureContractHash;
use contracts::production::ProductionContract;
use strategy::plan::FeaturePlan;

use crate::core::Core;
use crate::core::bytes::BadBytes;
use crate::core::record::Record;
use crate::core::recovery::Recovery;
use crate::core::snapshot::CoreImage;
use crate::drivers::load::CONTRACTS_DIR;
use crate::journal::{ReadError, Recovered};

/// Why the state cannot be brought back. Nothing is signalled on a guess.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The journal cannot be read; it names file and offset.
    #[error("the journal cannot be read")]
    Read(#[from] ReadError),
    /// A snapshot of another build, or one that does not fit its feature contract.
    #[error(
        "a snapshot in the journal cannot be restored; start once with the build that wrote it, or set the journal aside"
    )]
    Snapshot(#[from] BadBytes),
}

/// The feature plan the journal's operators are of, from the contract kept beside it; `None` when it is not there, or is another.
fn plan_of(dir: &Path, image: &CoreImage) -> Option<(FeatureContractHash, FeaturePlan)> {
    let wanted = image.features_of?;
    let path = dir.join(CONTRACTS_DIR).join(format!("{}.json", image.generation));
    let contract = ProductionContract::parse(&std::fs::read(path).ok()?).ok()?;
    let features = &contract.feature_contract;
    (features.hash() == wanted).then_some(())?;
    Some((wanted, FeaturePlan::new(features).ok()?))
}

/// Restores every core and applies the records after its snapshot. Returns the feature contract whose operators the cores have
/// now; `None` when they must be warmed.
///
/// # Errors
/// [`RecoverError`].
pub fn recover(
    dir: &Path,
    recovered: &Recovered,
    cores: &mut [Core],
) -> Result<Option<FeatureContractHash>, RecoverError> {
    let mut images = Vec::new();
    for snapshot in &recovered.snapshots {
        images.push((snapshot.shard, snapshot.lsn, CoreImage::parse(&snapshot.state)?));
    }
    let same_features = images
        .windows(2)
        .all(|pair| pair[0].2.features_of == pair[1].2.features_of);
    let plan = images
        .first()
        .filter(|_| same_features)
        .and_then(|(_, _, image)| plan_of(dir, image));
    let plan = plan.as_ref().map(|(hash, plan)| (*hash, plan));
    for core in cores.iter_mut() {
        let (own, shards) = (core.options().shard, core.options().shards);
        // Every core records what it was told, so with an unchanged number of cores each reads only what is its own.
        let mut written_by_as_many = recovered.snapshots.first().is_none_or(|s| s.shards == shards);
        for (shard, _, image) in &images {
            if *shard == own || !written_by_as_many {
                core.restore(image, plan)?;
            }
        }
        let mut recovery = Recovery::new(core, plan.map(|(_, plan)| plan));
        let mut records = recovered.records()?;
        while let Some(read) = records.read()? {
            let record = read.record()?;
            if let Record::Start(start) = &record {
                written_by_as_many = start.shards == shards;
            }
            let shard = read.header.shard;
            let behind = images
                .iter()
                .find(|(of, ..)| *of == shard)
                .map_or(0, |(_, lsn, _)| *lsn);
            if read.header.lsn > behind && (shard == own || !written_by_as_many) {
                recovery.apply(&record);
            }
        }
    }
    Ok(plan.map(|(hash, _)| hash))
}
