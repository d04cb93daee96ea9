//! From a contract on disk to a bundle with fresh operators: what every start does before anything is warmed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use contracts::hash::ArtifactHash;
use contracts::ids::{InstrumentId, SeriesId};
use contracts::production::{Instruments, ProductionContract};

use crate::bundle::build::load;
use crate::bundle::{
    ArtifactSource, BuildOptions, Bundle, FetchError, Loaded, RefusedReason, Terms, Verified, WarmState,
};
use crate::core::CoreOptions;

/// Artifacts in a directory, one file per digest.
#[derive(Debug, Clone)]
pub struct ArtifactDir(PathBuf);

impl ArtifactDir {
    /// Reads from `dir`.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self(dir.to_owned())
    }
}

impl ArtifactSource for ArtifactDir {
    fn artifact(&mut self, hash: ArtifactHash, bytes_max: usize) -> Result<Vec<u8>, FetchError> {
        let path = self.0.join(hash.to_hex());
        let refused = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => FetchError::Missing,
            _ => FetchError::Unavailable(error),
        };
        let bytes = std::fs::metadata(&path).map_err(refused)?.len();
        if bytes > bytes_max as u64 {
            return Err(FetchError::TooLarge { bytes, bytes_max });
        }
        std::fs::read(&path).map_err(refused)
    }
}

/// The instruments a contract lists; `None` for one that binds any.
#[must_use]
pub fn listed(contract: &ProductionContract) -> Option<&[InstrumentId]> {
    match &contract.instruments {
        Instruments::Listed(names) => Some(names),
        Instruments::Any(_) => None,
    }
}

/// The series a contract's features need, as [`CoreOptions::series`] for an engine that serves it alone.
#[must_use]
pub fn series_of(contract: &ProductionContract) -> Arc<[SeriesId]> {
    contract.feature_contract.macro_rules.keys().cloned().collect()
}

/// Operators that have seen nothing, for one core.
#[must_use]
pub fn fresh(loaded: &Loaded, options: &CoreOptions) -> WarmState {
    let instruments: Vec<_> = options
        .owned()
        .map(|name| Some(loaded.strategy.new_instrument(name)))
        .collect();
    WarmState {
        through: vec![None; instruments.len()],
        last: vec![None; instruments.len()],
        instruments,
        macros: Some(loaded.strategy.new_macros()),
    }
}

/// Loads a verified contract and gives every core fresh operators.
///
/// # Errors
/// [`RefusedReason`].
pub fn fresh_bundle(
    verified: &Verified,
    build: &BuildOptions,
    artifacts: &mut dyn ArtifactSource,
    cores: &[CoreOptions],
) -> Result<Arc<Bundle>, RefusedReason> {
    let loaded = Arc::new(load(&verified.contract, build, artifacts)?);
    let warm = cores
        .iter()
        .map(|options| Box::new(fresh(&loaded, options)))
        .collect();
    let terms = Terms::of(&verified.contract, verified.digest);
    Ok(Arc::new(Bundle::new(terms, loaded, warm)))
}

/// Where a journal keeps the contracts it ran under.
pub const CONTRACTS_DIR: &str = "contracts";
/// Where a journal keeps their artifacts.
pub const ARTIFACTS_DIR: &str = "artifacts";

/// Keeps a contract and its artifacts beside the journal in `dir`, so that the journal can be verified without its source:
/// `contracts/<generation>.json` and `artifacts/<sha256>`.
///
/// # Errors
/// When they cannot be written, or the source no longer has them.
pub fn keep(
    dir: &Path,
    verified: &Verified,
    json: &[u8],
    artifacts: &mut dyn ArtifactSource,
) -> std::io::Result<()> {
    let (contracts, kept) = (dir.join(CONTRACTS_DIR), dir.join(ARTIFACTS_DIR));
    std::fs::create_dir_all(&contracts)?;
    std::fs::create_dir_all(&kept)?;
    let names = &verified.contract.artifacts;
    for hash in [
        Some(names.model),
        names.exec,
        Some(names.norm_stats),
        Some(names.golden),
    ]
    .into_iter()
    .flatten()
    {
        let bytes = artifacts
            .artifact(hash, contracts::limits::MODEL_BYTES_MAX)
            .map_err(std::io::Error::other)?;
        std::fs::write(kept.join(hash.to_hex()), bytes)?;
    }
    std::fs::write(
        contracts.join(format!("{}.json", verified.contract.generation)),
        json,
    )
}
