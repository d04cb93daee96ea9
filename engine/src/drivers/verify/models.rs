//! Where the models of a journal come from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use contracts::numerics::{Executor, NumericsError};
use strategy::policy::library;

use crate::bundle::build::{load, verify};
use crate::bundle::{BuildOptions, Loaded, RefusedReason, Terms};
use crate::drivers::load::{ARTIFACTS_DIR, ArtifactDir, CONTRACTS_DIR};

/// A contract's terms and what it runs.
#[derive(Clone)]
pub struct Model {
    /// The terms.
    pub terms: Terms,
    /// One policy per core.
    pub loaded: Arc<Loaded>,
    /// Why this machine's bits are not the contract's, where they are not.
    pub other_numerics: Option<String>,
}

/// Why a contract cannot be run again.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The contract was not kept. Fetch it from the control plane into this file.
    #[error("its contract is missing: {path} does not exist")]
    Missing {
        /// Where it should be.
        path: String,
    },
    /// The file cannot be read.
    #[error("its contract {path} cannot be read")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The contract or an artifact of it is refused.
    #[error("its contract {path} is refused")]
    Refused {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: Box<RefusedReason>,
    },
}

/// Gives the models of a journal by generation.
pub trait Models {
    /// The model of `generation` with a policy for each of `cores`.
    ///
    /// # Errors
    /// [`ModelError`].
    fn model(&mut self, generation: u64, cores: u16) -> Result<Model, ModelError>;
}

/// Contracts and artifacts as an engine keeps them beside its journal: `contracts/<generation>.json`, `artifacts/<sha256>`.
#[derive(Debug)]
pub struct ContractStore {
    contracts: PathBuf,
    artifacts: PathBuf,
    build: BuildOptions,
}

impl ContractStore {
    /// Reads below `dir`; `build` says which keys count and which clock times the self-test.
    #[must_use]
    pub fn new(dir: &Path, build: BuildOptions) -> Self {
        Self {
            contracts: dir.join(CONTRACTS_DIR),
            artifacts: dir.join(ARTIFACTS_DIR),
            build,
        }
    }
}

impl Models for ContractStore {
    fn model(&mut self, generation: u64, cores: u16) -> Result<Model, ModelError> {
        let file = self.contracts.join(format!("{generation}.json"));
        let path = || file.display().to_string();
        let json = std::fs::read(&file).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => ModelError::Missing { path: path() },
            _ => ModelError::Unreadable { path: path(), source },
        })?;
        let refused = |source| ModelError::Refused {
            path: path(),
            source: Box::new(source),
        };
        let build = BuildOptions {
            cores,
            ..self.build.clone()
        };
        let verified = verify(&json, &build, None).map_err(refused)?;
        let terms = Terms::of(&verified.contract, verified.digest);
        let mut contract = verified.contract;
        let mut other_numerics = (!contract.numerics.same_bits_here())
            .then(|| format!("generation {generation} ran on another instruction set"));
        if contract.numerics.executor == Executor::Ort
            && let Ok(runtime) = library::runtime()
            && let Err(error @ NumericsError::OtherRuntime { .. }) =
                contract.numerics.provided_with(Some(runtime.sha256()))
        {
            other_numerics = Some(format!("generation {generation}: {error}"));
            contract.numerics.ort_sha256 = Some(runtime.sha256());
        }
        let mut artifacts = ArtifactDir::new(&self.artifacts);
        let loaded = load(&contract, &build, &mut artifacts).map_err(refused)?;
        Ok(Model {
            terms,
            loaded: Arc::new(loaded),
            other_numerics,
        })
    }
}
