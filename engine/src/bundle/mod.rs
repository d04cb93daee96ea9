//! A bundle: contract terms, features, scaler and model as one unit, so that model and scaler cannot tear.
//!
//! The builder publishes bundles through one [`BundleCell`]; every core looks there once per batch through its [`Holder`].
//! What needs `&mut` (a policy's buffers) waits in the bundle's seat of that core. The builder keeps a clone of every published
//! bundle until it is the last to hold it: nothing is freed on a core, and a rollback finds its policies back in their seats.

pub mod build;
pub mod holder;
pub mod keeper;
pub mod make;
mod refused;
mod selftest;
pub mod terms;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod warm;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use arc_swap::ArcSwapOption;
use crossbeam::queue::ArrayQueue;
use strategy::policy::{Head, PolicyExec};
use strategy::strategy::Strategy;

pub use build::{Accepted, ArtifactSource, BuildOptions, Serves, Verified};
pub use holder::Holder;
pub use keeper::{Keeper, LoadedKey};
pub use refused::{FetchError, RefusedReason};
pub use terms::{OnSwap, Terms};
pub use warm::WarmState;

/// What was loaded and tested: shared by bundles that differ only in their contract.
pub struct Loaded {
    /// Feature plan, scaler and action rule.
    pub strategy: Arc<Strategy>,
    /// Shape of the policy's output.
    pub head: Head,
    /// One seat per core, each for the policy that core runs.
    pub seats: Box<[ArrayQueue<Box<PolicyExec>>]>,
}

impl Loaded {
    /// Seats one policy per core.
    #[must_use]
    pub fn new(strategy: Arc<Strategy>, head: Head, policies: Vec<Box<PolicyExec>>) -> Self {
        let seats = policies.into_iter().map(|policy| {
            let seat = ArrayQueue::new(1);
            // The queue is new and holds one: the push cannot be refused.
            let _refused = seat.push(policy);
            seat
        });
        Self {
            strategy,
            head,
            seats: seats.collect(),
        }
    }
}

/// A contract and what it runs.
pub struct Bundle {
    /// The contract's terms.
    pub terms: Terms,
    /// Strategy and policies.
    pub loaded: Arc<Loaded>,
    /// Per core: warmed operators, when the feature contract is another than the one running.
    pub warm: Box<[ArrayQueue<Box<WarmState>>]>,
    adopted_by: AtomicU16,
    behind: AtomicBool,
}

impl Bundle {
    /// A bundle; `warm` is empty, or one state per core.
    #[must_use]
    pub fn new(terms: Terms, loaded: Arc<Loaded>, warm: Vec<Box<WarmState>>) -> Self {
        let warm = warm.into_iter().map(|state| {
            let seat = ArrayQueue::new(1);
            let _refused = seat.push(state);
            seat
        });
        Self {
            terms,
            loaded,
            warm: warm.collect(),
            adopted_by: AtomicU16::new(0),
            behind: AtomicBool::new(false),
        }
    }

    /// Counts one core's adoption; returns how many have adopted it now.
    pub fn note_adopted(&self) -> u16 {
        self.adopted_by.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// How many cores have adopted it.
    #[must_use]
    pub fn adopted_by(&self) -> u16 {
        self.adopted_by.load(Ordering::Acquire)
    }

    /// A core says that its memory does not reach back to the warm-up: the builder must warm again.
    pub fn note_behind(&self) {
        self.behind.store(true, Ordering::Release);
    }

    /// True when a core could not catch up.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Acquire)
    }
}

/// Where the newest bundle is published.
#[derive(Default)]
pub struct BundleCell(ArcSwapOption<Bundle>);

impl BundleCell {
    /// Publishes `bundle` as the one to run.
    pub fn publish(&self, bundle: Arc<Bundle>) {
        self.0.store(Some(bundle));
    }

    /// The newest published bundle.
    #[must_use]
    pub fn newest(&self) -> Option<Arc<Bundle>> {
        self.0.load_full()
    }
}
