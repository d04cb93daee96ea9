//! One core's hold on the bundle it runs.
//!
//! [`Holder::waiting`] is the once-per-batch look: an `arc_swap::Cache`, so it is one atomic load while nothing has changed.
//! [`Holder::take`] moves over: the old policy goes back to its seat, the new one comes out of its own. Nothing is allocated;
//! nothing is freed as long as the builder keeps its clone of the old bundle.

use std::sync::Arc;

use arc_swap::{ArcSwapOption, Cache};
use strategy::policy::PolicyExec;

use super::{Bundle, BundleCell};

/// A cell shared with the builder.
#[derive(Clone)]
struct Shared(Arc<BundleCell>);

impl std::ops::Deref for Shared {
    type Target = ArcSwapOption<Bundle>;
    fn deref(&self) -> &Self::Target {
        &(self.0).0
    }
}

/// The bundle a core runs, and its policy.
pub struct Holder {
    newest: Cache<Shared, Option<Arc<Bundle>>>,
    current: Option<Arc<Bundle>>,
    policy: Option<Box<PolicyExec>>,
    shard: usize,
}

impl Holder {
    /// Core number `shard` begins with no bundle and finds the newest one at its first look.
    #[must_use]
    pub fn new(cell: Arc<BundleCell>, shard: usize) -> Self {
        Self {
            newest: Cache::new(Shared(cell)),
            current: None,
            policy: None,
            shard,
        }
    }

    /// The bundle this core runs.
    #[must_use]
    pub fn bundle(&self) -> Option<&Bundle> {
        self.current.as_deref()
    }

    /// The bundle this core runs, shared: cloning it moves a count, no memory.
    #[must_use]
    pub fn held(&self) -> Option<Arc<Bundle>> {
        self.current.clone()
    }

    /// The bundle with the policy to run it.
    pub fn current(&mut self) -> Option<(&Bundle, &mut PolicyExec)> {
        Some((self.current.as_deref()?, self.policy.as_deref_mut()?))
    }

    /// A published bundle that this core does not run yet.
    pub fn waiting(&mut self) -> Option<&Arc<Bundle>> {
        let newest = self.newest.load().as_ref()?;
        let same = self
            .current
            .as_ref()
            .is_some_and(|held| Arc::ptr_eq(held, newest));
        (!same && !newest.is_behind()).then_some(newest)
    }

    /// Moves over to the waiting bundle; false when none waits or its seat is empty (it was built for fewer cores).
    pub fn take(&mut self) -> bool {
        let shard = self.shard;
        let Some(next) = self.waiting().cloned() else {
            return false;
        };
        let same_loaded = self
            .current
            .as_ref()
            .is_some_and(|held| Arc::ptr_eq(&held.loaded, &next.loaded));
        if !same_loaded {
            let Some(policy) = next.loaded.seats.get(shard).and_then(|seat| seat.pop()) else {
                return false;
            };
            let old = self.policy.replace(policy);
            if let (Some(old), Some(held)) = (old, self.current.as_ref()) {
                // The seat is empty since this core popped it: the push cannot be refused.
                let _refused = held.loaded.seats[shard].push(old);
            }
        }
        self.current = Some(next);
        true
    }
}
