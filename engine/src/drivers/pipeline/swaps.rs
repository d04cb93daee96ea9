//! When the last core has adopted a model.

use crate::core::Records;
use crate::core::record::{Kind, Record};

/// What each core runs, as its `swap` records said. With one core the core says `swapped` itself.
pub(super) struct Swaps {
    running: Vec<u64>,
    /// The generation that was said, and its model.
    said: Option<(u64, String)>,
}

impl Swaps {
    pub fn new(shards: usize) -> Self {
        Self {
            running: vec![0; shards],
            said: None,
        }
    }

    /// Notes the adoptions of a batch; adds `swapped` to `out` when with it every core runs the same new generation.
    pub fn note(&mut self, batch: &Records, out: &mut Records) {
        if self.running.len() < 2 {
            return;
        }
        for entry in batch.entries().iter().filter(|entry| entry.kind == Kind::Swap) {
            let Ok(Record::Swap(swap)) = Record::decode(entry.kind, batch.payload(*entry)) else {
                continue;
            };
            let generation = swap.generation;
            self.running[usize::from(swap.shard)] = generation;
            let said = self.said.as_ref();
            if self.running.iter().all(|runs| *runs == generation)
                && said.is_none_or(|(said, _)| *said != generation)
            {
                // A core may have passed over a model; what ran before is what everybody ran.
                let previous = said.map_or(swap.previous_model_id, |(_, model)| model.as_str());
                let previous = (!previous.is_empty()).then_some(previous);
                out.push_swapped(generation, swap.digest, swap.model_id, previous);
                self.said = Some((generation, swap.model_id.to_owned()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use contracts::hash::ContractDigest;

    use super::*;

    fn said(swaps: &mut Swaps, shard: u16, generation: u64) -> Option<(u64, String)> {
        let mut batch = Records::default();
        let before = (generation > 1).then_some("before");
        batch.push_swap(
            shard,
            generation,
            ContractDigest::of(b"x"),
            &format!("m{generation}"),
            before,
        );
        let mut out = Records::default();
        swaps.note(&batch, &mut out);
        let said = out.iter().next()?;
        match said.unwrap() {
            Record::Swapped(swapped) => Some((swapped.generation, swapped.previous_model_id.to_owned())),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_last_core_is_waited_for_and_said_once() {
        let mut swaps = Swaps::new(2);
        assert_eq!(said(&mut swaps, 0, 1), None);
        assert_eq!(said(&mut swaps, 1, 1), Some((1, String::new())));
        assert_eq!(
            said(&mut swaps, 0, 1),
            None,
            "adopted again after a second warm-up"
        );
        assert_eq!(said(&mut swaps, 0, 2), None);
        assert_eq!(said(&mut swaps, 1, 3), None, "this core passed over 2");
        assert_eq!(said(&mut swaps, 0, 3), Some((3, "m1".to_owned())));
    }

    #[test]
    fn a_single_core_says_it_itself() {
        assert_eq!(said(&mut Swaps::new(1), 0, 1), None);
    }
}
