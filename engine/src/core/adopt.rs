//! Adoption: between two batches, the core takes the newest bundle.
//!
//! With the same feature contract the operators go on as they are. With another, the bundle brings operators that the builder
//! has warmed up to some bar; the core applies the bars since then from its own memory. Where that memory does not reach back
//! far enough the bundle is left alone and marked, and the builder warms again.

use std::sync::Arc;

use contracts::reason::{FlattenCause, Position};

use super::record::Records;
use super::slot::InstrumentSlot;
use super::step::Core;
use crate::bundle::{Bundle, OnSwap, WarmState};

impl Core {
    /// Width of an observation under the running contract; 0 without one.
    pub(super) fn width(&self) -> usize {
        self.holder.bundle().map_or(0, |b| b.loaded.strategy.width())
    }

    /// Takes the newest bundle, if one waits; only between batches.
    pub(super) fn adopt(&mut self, out: &mut Records) {
        let Some(next) = self.holder.waiting().cloned() else {
            return;
        };
        let held = self.holder.held();
        let needs_warm = self.needs_warm(&next);
        let warm = if needs_warm {
            let shard = usize::from(self.options.shard);
            let Some(warm) = next.warm.get(shard).and_then(|seat| seat.pop()) else {
                return next.note_behind();
            };
            if !self.can_catch_up(&warm) {
                let _refused = next.warm[shard].push(warm);
                return next.note_behind();
            }
            Some(warm)
        } else {
            None
        };
        if !self.holder.take() {
            return next.note_behind();
        }
        let warmed = warm.is_some();
        if let Some(warm) = warm {
            self.take_warm(&next, warm);
        }
        self.counters.swaps += 1;
        let terms = &next.terms;
        let previous = held.as_ref().map(|held| held.terms.model_id.as_str());
        out.push_swap(
            self.options.shard,
            terms.generation,
            terms.digest,
            terms.model_id.as_str(),
            previous,
        );
        let adopted_by = next.note_adopted();
        if adopted_by == self.options.shards && self.options.shards == 1 {
            out.push_swapped(terms.generation, terms.digest, terms.model_id.as_str(), previous);
        }
        if warmed {
            // Operators that came from elsewhere are in no record: from here on recovery and verification start.
            self.on_snapshot(out);
        }
        // A restart and a warm-up that is repeated bring the model back under which the positions are: no swap.
        if terms.on_swap == OnSwap::Flatten && self.ran != terms.generation {
            self.flatten_all(FlattenCause::Swap, out);
        }
        self.ran = terms.generation;
        self.say_slot_state(out);
    }

    /// True when the operators of this core are not those of `next`'s features.
    pub(crate) fn needs_warm(&self, next: &Bundle) -> bool {
        self.holder
            .bundle()
            .is_none_or(|held| held.terms.feature_contract_hash != next.terms.feature_contract_hash)
            && self.features_of != Some(next.terms.feature_contract_hash)
    }

    /// True when every bar after the warm-up is still in this core's memory.
    fn can_catch_up(&self, warm: &WarmState) -> bool {
        self.slots
            .iter()
            .zip(&warm.through)
            .all(|(slot, through)| slot.recent.reaches_back_to(*through))
    }

    /// Exchanges the operators and applies the bars since the warm-up; the old ones leave in the same box.
    fn take_warm(&mut self, next: &Arc<Bundle>, mut warm: Box<WarmState>) {
        let strategy = &next.loaded.strategy;
        if let Some(macros) = warm.macros.take() {
            warm.macros = self
                .macros
                .replace(macros, &self.options.series, strategy.series());
        }
        self.macros.catch_up();
        self.features_of = Some(next.terms.feature_contract_hash);
        let Self {
            slots, macros, batch, ..
        } = self;
        batch.begin(strategy.width());
        let Some(macros) = macros.state_mut() else { return };
        for (local, (slot, state)) in slots.iter_mut().zip(&mut warm.instruments).enumerate() {
            let through = warm.through[local];
            // What the operators have seen is accepted no more: a feed that sends it again is not observed twice.
            let newest = slot.recent.last().map(|bar| bar.close_time);
            if let Some(last) =
                warm.last[local].filter(|last| newest.is_none_or(|newest| newest < last.close_time))
            {
                slot.recent.push(last);
            }
            std::mem::swap(&mut slot.features, state);
            let InstrumentSlot {
                recent,
                features: Some(features),
                ..
            } = slot
            else {
                continue;
            };
            let (raw, observation) = batch.scratch();
            for bar in recent
                .iter()
                .filter(|bar| through.is_none_or(|through| bar.close_time > through))
            {
                strategy.observe(features, macros, bar, Position::Flat, raw, observation);
            }
        }
        // The emptied box goes home: freeing it is the builder's work.
        let _refused = next.warm[usize::from(self.options.shard)].push(warm);
    }
}
