//! What the contract follower needs of a live engine: warm-up, the journal's note of an accepted contract, the adoption's number.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use contracts::hash::FeatureContractHash;
use contracts::production::ProductionContract;
use contracts::reason::OriginReason;

use crate::bundle::{ArtifactSource, Loaded, Verified, WarmState};
use crate::clock::SharedClock;
use crate::core::CoreOptions;
use crate::drivers::hub_out::LastSwapped;
use crate::drivers::inbox::Inbox;
use crate::drivers::load::keep;
use crate::drivers::start::note_first_contract;
use crate::drivers::warm::{KnownHistory, warm};
use crate::follower::Engine;
use crate::journal::{JournalReader, Writer};

/// The journal's writer until the driver takes it: contracts accepted before that are noted directly.
pub type StartingWriter = Arc<Mutex<Option<Writer>>>;

/// Published contracts by generation, for what is said of them once they are adopted.
pub type Accepted = Arc<Mutex<HashMap<u64, Arc<Verified>>>>;

/// The live engine as its follower sees it.
pub struct LiveEngine {
    /// To the driver.
    pub inbox: Arc<Inbox>,
    /// Before there is a driver.
    pub starting: StartingWriter,
    /// All cores.
    pub cores: Vec<CoreOptions>,
    /// History files.
    pub history: Arc<KnownHistory>,
    /// The journal.
    pub reader: JournalReader,
    /// Its directory, where contracts are kept.
    pub dir: PathBuf,
    /// The newest adoption.
    pub swapped: Arc<LastSwapped>,
    /// What was accepted.
    pub accepted: Accepted,
    /// The feature contract of the recovered operators.
    pub recovered: Option<FeatureContractHash>,
    /// The highest generation in the journal, for heartbeats.
    pub generation: Arc<AtomicU64>,
    /// Wall time.
    pub clock: SharedClock,
}

impl LiveEngine {
    /// The feature contract of the operators the cores have now.
    fn features_of_cores(&self) -> Option<FeatureContractHash> {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        match accepted.get(&self.swapped.generation()) {
            Some(running) => Some(running.contract.hashes.feature_contract_hash),
            None => self.recovered,
        }
    }

    fn check_series(&self, contract: &ProductionContract) -> Result<(), String> {
        let known = &self.cores[0].series;
        match contract
            .feature_contract
            .macro_rules
            .keys()
            .find(|series| !known.contains(series))
        {
            Some(series) => Err(format!(
                "the feed of this engine has no series `{series}`; add it to [feed] series"
            )),
            None => Ok(()),
        }
    }
}

impl Engine for LiveEngine {
    fn warm(
        &mut self,
        contract: &ProductionContract,
        loaded: &Loaded,
    ) -> Result<Vec<Box<WarmState>>, String> {
        self.check_series(contract)?;
        let origin = match self.features_of_cores() {
            Some(running) if running == contract.hashes.feature_contract_hash => return Ok(Vec::new()),
            Some(_) => OriginReason::Swap,
            None => OriginReason::First,
        };
        warm(loaded, &self.cores, &self.history, Some(&self.reader), origin)
            .map_err(|error| error.to_string())
    }

    fn accepted(&mut self, verified: &Verified, json: &[u8], artifacts: &mut dyn ArtifactSource) {
        if let Err(error) = keep(&self.dir, verified, json, artifacts) {
            tracing::warn!(%error, "the contract cannot be kept beside the journal, which can then not be verified");
        }
        let mut starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = match starting.as_mut() {
            Some(writer) => note_first_contract(writer, verified, self.clock.now()).is_ok(),
            None => {
                drop(starting);
                self.inbox.note_contract(Arc::new(verified.clone()))
            }
        };
        if noted {
            self.generation
                .fetch_max(verified.contract.generation, Ordering::Relaxed);
        } else {
            tracing::error!("the journal did not take the accepted contract; the engine is ending");
        }
    }

    fn publishing(&mut self, verified: &Verified) {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        // What ran before the running one is asked for by nobody.
        let running = self.swapped.generation();
        accepted.retain(|generation, _| *generation >= running);
        accepted.insert(verified.contract.generation, Arc::new(verified.clone()));
    }

    fn swapped(&mut self, generation: u64) -> Option<u64> {
        self.swapped.seq_of(generation)
    }
}
