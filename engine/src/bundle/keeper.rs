//! The builder's side of publication: it keeps every bundle until it is the last to hold it, so that cores never free one.

use std::sync::Arc;

use contracts::hash::Digest;
use contracts::jcs;
use contracts::production::ProductionContract;

use super::{Bundle, BundleCell, Loaded};
use crate::limits::RETIRED_BUNDLES_KEPT;

enum OfLoaded {}

/// Names what is loaded: two contracts with the same key run the same objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadedKey(Digest<OfLoaded>);

impl LoadedKey {
    /// Of a parsed contract; `None` never occurs for one, its numbers are finite.
    #[must_use]
    pub fn of(contract: &ProductionContract) -> Option<Self> {
        let parts = (
            &contract.hashes,
            &contract.artifacts,
            &contract.action,
            &contract.numerics,
            &contract.golden_limits,
        );
        jcs::digest(&parts).ok().map(Self)
    }
}

struct Kept {
    key: Option<LoadedKey>,
    bundle: Arc<Bundle>,
}

/// Publishes bundles and frees those nobody holds any more, on the builder's thread.
pub struct Keeper {
    cell: Arc<BundleCell>,
    kept: Vec<Kept>,
}

impl Keeper {
    /// Publishes through `cell`.
    #[must_use]
    pub const fn new(cell: Arc<BundleCell>) -> Self {
        Self {
            cell,
            kept: Vec::new(),
        }
    }

    /// The cell the cores look into.
    #[must_use]
    pub const fn cell(&self) -> &Arc<BundleCell> {
        &self.cell
    }

    /// What was loaded under this key and is still here: its policies are back in their seats or with the cores.
    #[must_use]
    pub fn loaded(&self, key: LoadedKey) -> Option<Arc<Loaded>> {
        self.kept
            .iter()
            .find(|kept| kept.key == Some(key))
            .map(|kept| Arc::clone(&kept.bundle.loaded))
    }

    /// Publishes a bundle for the cores to adopt.
    pub fn publish(&mut self, key: Option<LoadedKey>, bundle: Arc<Bundle>) {
        self.kept.push(Kept {
            key,
            bundle: Arc::clone(&bundle),
        });
        self.cell.publish(bundle);
        self.sweep();
    }

    /// Frees bundles that only the keeper holds, but for the last few, which a rollback may want back. Returns how many.
    pub fn sweep(&mut self) -> usize {
        let before = self.kept.len();
        let mut spared = 0;
        let mut n = self.kept.len();
        // From the newest: those kept for a rollback are the most recent.
        while n > 0 {
            n -= 1;
            if Arc::strong_count(&self.kept[n].bundle) > 1 {
                continue;
            }
            spared += 1;
            if spared > RETIRED_BUNDLES_KEPT {
                self.kept.remove(n);
            }
        }
        before - self.kept.len()
    }

    /// Bundles in memory.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.kept.len()
    }

    /// True when nothing was ever published, or all of it is gone.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}
