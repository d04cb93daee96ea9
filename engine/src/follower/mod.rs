//! Follows the desired state of the slot: fetches contracts and directives, verifies them, has them built and adopted.
//!
//! A reconciler: [`Follower`] compares at each look what the source wants with what was published and does the next thing. Start-up,
//! recovery and normal operation are the same code. The last good contract, its artifacts and the newest directive are
//! cached, so that an engine starts and runs with its source gone.
//!
//! Two threads look: [`Directives`] takes directives and waits for nothing but the source's word; [`Follower`] fetches, builds and warms
//! up, which may take a minute, and asks once more what is wanted before it publishes.
//!
//! What fails for a passing reason is tried again at the next look; a contract that is bad is refused once, by its bytes. A contract
//! whose artifacts were still being fetched when a newer one came is superseded by it.

pub mod bell;
pub mod control;
pub mod directives;
pub mod gate;
pub mod receipt;
pub mod source;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use contracts::hash::{ArtifactHash, ContractDigest};
use contracts::production::{ContractOrigin, ProductionContract};

pub use self::bell::{Bell, Looks, spawn};
pub use self::directives::{DirectiveParts, Directives};
pub use self::gate::{Desired, DirectiveGate};
pub use self::receipt::{LogReceipts, Receipt, ReceiptSink};
use self::source::Through;
pub use self::source::{ContractSource, DirectiveSource, Directory};
use crate::bundle::build::{load, verify};
use crate::bundle::{
    Accepted, ArtifactSource, BuildOptions, Bundle, FetchError, Keeper, Loaded, LoadedKey, RefusedReason,
    Terms, Verified, WarmState,
};
use crate::limits::WARM_TRIES_MAX;

/// What the follower needs of the rest of the engine.
pub trait Engine: Send {
    /// Operators for every core, warmed up under this contract; empty when the cores can go on with their own.
    ///
    /// # Errors
    /// Why they cannot be warmed up, for the receipt.
    fn warm(&mut self, contract: &ProductionContract, loaded: &Loaded)
    -> Result<Vec<Box<WarmState>>, String>;

    /// A contract passed every check and is about to be published: the highest generation from now on. To be journaled; not
    /// called for one that the journal knows. `artifacts` still has what it names.
    fn accepted(&mut self, verified: &Verified, json: &[u8], artifacts: &mut dyn ArtifactSource);

    /// A contract is about to be published, whether the journal knows it or not. To be remembered.
    fn publishing(&mut self, verified: &Verified);

    /// The seq of the `model_swapped` message of this generation, once it is published.
    fn swapped(&mut self, generation: u64) -> Option<u64>;
}

/// Everything a follower is made of.
pub struct FollowerParts {
    /// Where desired state comes from.
    pub source: Box<dyn ContractSource>,
    /// Where the last good state is kept.
    pub cache: Option<Directory>,
    /// What the engine serves and trusts.
    pub options: BuildOptions,
    /// The highest generation in the journal.
    pub accepted: Option<Accepted>,
    /// Knows what the newest directive wants.
    pub gate: Arc<Mutex<DirectiveGate>>,
    /// Where receipts go.
    pub receipts: Box<dyn ReceiptSink>,
    /// Publishes and frees bundles.
    pub keeper: Keeper,
    /// The rest of the engine.
    pub engine: Box<dyn Engine>,
}

struct Published {
    json_hash: ArtifactHash,
    verified: Verified,
    key: Option<LoadedKey>,
    bundle: Arc<Bundle>,
    warm_tries: u32,
    /// A core decides under it: the others must follow, however often it takes.
    adopted_somewhere: bool,
    /// A receipt has been given.
    settled: bool,
}

/// The reconciler; see the module.
pub struct Follower {
    parts: FollowerParts,
    published: Option<Published>,
    /// Bytes that will not become acceptable.
    refused: Option<ArtifactHash>,
    /// The last passing failure, so that it is told once and not at every look.
    failing: Option<(ArtifactHash, &'static str)>,
}

impl Follower {
    /// A follower that has looked at nothing yet.
    #[must_use]
    pub const fn new(parts: FollowerParts) -> Self {
        Self {
            parts,
            published: None,
            refused: None,
            failing: None,
        }
    }

    /// The generation that was published last.
    #[must_use]
    pub fn published_generation(&self) -> Option<u64> {
        self.published
            .as_ref()
            .map(|published| published.verified.contract.generation)
    }

    fn desired(&self) -> Desired {
        let gate = self.parts.gate.lock().unwrap_or_else(PoisonError::into_inner);
        gate.desired()
    }

    fn follow_contract(&mut self) {
        let json = match self.parts.source.contract() {
            Ok(json) => json,
            Err(error) => {
                tracing::debug!(%error, "the source cannot be read");
                // Only a source that is gone is stood in for: one that says there is no contract is to be believed.
                match (&self.published, &mut self.parts.cache) {
                    (None, Some(cache)) => cache.contract().ok().flatten(),
                    _ => None,
                }
            }
        };
        let Some(json) = json else { return };
        let hash = ArtifactHash::of(&json);
        let is_published = self
            .published
            .as_ref()
            .is_some_and(|published| published.json_hash == hash);
        if is_published || self.refused == Some(hash) {
            return;
        }
        if let Err(reason) = self.adopt(&json, hash) {
            self.refuse(&json, hash, &reason);
        }
    }

    /// Builds and publishes a contract. `Ok` also when it must wait for its directive.
    fn adopt(&mut self, json: &[u8], json_hash: ArtifactHash) -> Result<(), RefusedReason> {
        let options = &self.parts.options;
        let verified = verify(json, options, self.parts.accepted.as_ref())?;
        if !self.wants(&verified) {
            return Ok(());
        }
        let contract = &verified.contract;
        let key = LoadedKey::of(contract);
        let known = key.and_then(|key| self.parts.keeper.loaded(key));
        let loaded = match known {
            Some(loaded) => loaded,
            None => {
                let mut artifacts = Through {
                    source: self.parts.source.as_mut(),
                    cache: self.parts.cache.as_mut(),
                };
                Arc::new(load(contract, options, &mut artifacts)?)
            }
        };
        let warm = self
            .parts
            .engine
            .warm(contract, &loaded)
            .map_err(|detail| RefusedReason::Warm { detail })?;
        // Directives were taken while it was fetched and built.
        if !self.wants(&verified) {
            return Ok(());
        }
        let bundle = Arc::new(Bundle::new(Terms::of(contract, verified.digest), loaded, warm));
        let accepted = Accepted {
            generation: contract.generation,
            digest: verified.digest,
        };
        if self.parts.accepted != Some(accepted) {
            let mut artifacts = Through {
                source: self.parts.source.as_mut(),
                cache: self.parts.cache.as_mut(),
            };
            self.parts.engine.accepted(&verified, json, &mut artifacts);
            self.parts.accepted = Some(accepted);
        }
        self.parts.engine.publishing(&verified);
        self.follow_adoption();
        self.supersede();
        self.parts.keeper.publish(key, Arc::clone(&bundle));
        self.cache_contract(json, contract);
        self.failing = None;
        self.published = Some(Published {
            json_hash,
            verified,
            key,
            bundle,
            warm_tries: 1,
            adopted_somewhere: false,
            settled: false,
        });
        Ok(())
    }

    fn wants(&self, verified: &Verified) -> bool {
        let wants = is_wanted(verified, self.desired());
        if !wants {
            let generation = verified.contract.generation;
            tracing::debug!(generation, "the newest directive wants another contract");
        }
        wants
    }

    fn cache_contract(&self, json: &[u8], contract: &ProductionContract) {
        let Some(cache) = &self.parts.cache else { return };
        let kept: Vec<ArtifactHash> = contract.artifacts.all().collect();
        let stored = cache
            .store_contract(json)
            .and_then(|()| cache.keep_artifacts(&kept));
        if let Err(error) = stored {
            tracing::warn!(%error, "cannot cache the contract: the engine runs, but could not start with its source gone");
        }
    }

    fn supersede(&mut self) {
        if let Some(before) = self.published.as_ref().filter(|before| !before.settled) {
            self.parts.receipts.receipt(&Receipt::Superseded {
                generation: before.verified.contract.generation,
                contract: before.verified.digest,
            });
        }
    }

    fn refuse(&mut self, json: &[u8], hash: ArtifactHash, reason: &RefusedReason) {
        // What it says of itself, also where that is what was refused.
        let claims = || {
            let contract = ProductionContract::parse(json).ok()?;
            Some((contract.generation, contract.digest().ok()?))
        };
        if let RefusedReason::Fetch {
            source: FetchError::Replaced,
            ..
        } = reason
        {
            if let Some((generation, contract)) = claims() {
                let receipt = Receipt::Superseded { generation, contract };
                self.parts.receipts.receipt(&receipt);
            }
            return;
        }
        let told = self.failing == Some((hash, reason.code()));
        if reason.is_passing() {
            self.failing = Some((hash, reason.code()));
        } else {
            self.refused = Some(hash);
        }
        if !told {
            self.tell_refused(claims(), reason);
        }
    }

    fn tell_refused(&mut self, claims: Option<(u64, ContractDigest)>, reason: &RefusedReason) {
        self.parts.receipts.receipt(&Receipt::Refused {
            generation: claims.map(|(generation, _)| generation),
            contract: claims.map(|(_, digest)| digest),
            code: reason.code().to_owned(),
            detail: reason.detail(),
        });
    }

    /// Gives the receipt once every core has adopted; warms again when a core could not catch up.
    fn follow_adoption(&mut self) {
        let Some(published) = self.published.as_mut().filter(|published| !published.settled) else {
            return;
        };
        let contract = &published.verified.contract;
        if published.bundle.adopted_by() >= self.parts.options.cores {
            if let Some(seq) = self.parts.engine.swapped(contract.generation) {
                published.settled = true;
                self.parts.receipts.receipt(&Receipt::Serving {
                    generation: contract.generation,
                    contract: published.verified.digest,
                    model_id: contract.model_id.clone(),
                    seq,
                });
            }
            return;
        }
        published.adopted_somewhere |= published.bundle.adopted_by() > 0;
        if !published.bundle.is_behind() {
            return;
        }
        let loaded = Arc::clone(&published.bundle.loaded);
        let warmed = if published.warm_tries < WARM_TRIES_MAX || published.adopted_somewhere {
            self.parts.engine.warm(contract, &loaded)
        } else {
            Err(format!(
                "a core could not catch up with {WARM_TRIES_MAX} warm-ups"
            ))
        };
        match warmed {
            Ok(warm) => {
                published.warm_tries = published.warm_tries.saturating_add(1);
                let terms = Terms::of(contract, published.verified.digest);
                published.bundle = Arc::new(Bundle::new(terms, loaded, warm));
                self.parts
                    .keeper
                    .publish(published.key, Arc::clone(&published.bundle));
            }
            Err(detail) if published.adopted_somewhere => {
                tracing::error!(%detail, "some cores cannot be warmed up for the contract that others run; tried again");
            }
            Err(detail) => {
                published.settled = true;
                let claims = (contract.generation, published.verified.digest);
                self.tell_refused(Some(claims), &RefusedReason::Warm { detail });
            }
        }
    }
}

impl Looks for Follower {
    const THREAD: &'static str = "contract-follower";

    /// Compares what is wanted with what was published, and does what is to be done.
    fn look(&mut self) {
        self.follow_contract();
        self.follow_adoption();
        self.parts.keeper.sweep();
    }
}

/// A voted contract is wanted when the newest directive names it, or while there has never been one; a local one always.
fn is_wanted(verified: &Verified, desired: Desired) -> bool {
    verified.contract.origin == ContractOrigin::Local || desired.allows(verified.digest)
}
