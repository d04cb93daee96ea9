//! What every segment carries over from all before it, so that deleting old segments forgets nothing that must stay known.

use std::collections::BTreeMap;

use contracts::hash::ContractDigest;
use contracts::reason::Latch;
use contracts::time::UtcMillis;

use crate::core::record::{BootId, Durability, Kind, Malformed, Record, bar_key};

/// The first message of an epoch: what older epochs sent from there on is void.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: u32,
    /// Its first `seq`.
    pub first_seq: u64,
}

/// Facts about everything written so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Carry {
    /// Boot and durability of the newest run.
    pub run: Option<(BootId, Durability)>,
    /// True when the newest run stopped in order and no other has begun.
    pub stopped: bool,
    /// Every epoch there was, ascending.
    pub epochs: Vec<EpochStart>,
    /// The highest generation ever accepted, and its contract.
    pub generation: Option<(u64, ContractDigest)>,
    /// The highest directive number ever accepted; 0 before the first.
    pub directive: u64,
    /// The `control` latch.
    pub control_latch: bool,
    /// The `local` latch.
    pub local_latch: bool,
    /// The newest accepted close time of every instrument.
    pub last_close: BTreeMap<Box<str>, UtcMillis>,
}

impl Carry {
    /// The running epoch; 1 before the first start.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epochs.last().map_or(1, |last| last.epoch)
    }

    /// Takes one record into account.
    ///
    /// # Errors
    /// [`Malformed`] when the payload is no such record.
    pub fn apply(&mut self, kind: Kind, payload: &[u8]) -> Result<(), Malformed> {
        if kind == Kind::Bar {
            // The one frequent kind; no allocation but for an instrument's first bar.
            let (instrument, close_time) = bar_key(payload)?;
            match self.last_close.get_mut(instrument) {
                Some(last) => *last = (*last).max(close_time),
                None => {
                    self.last_close.insert(instrument.into(), close_time);
                }
            }
            return Ok(());
        }
        match Record::decode(kind, payload)? {
            Record::Contract(contract)
                if self.generation.is_none_or(|(held, _)| contract.generation > held) =>
            {
                self.generation = Some((contract.generation, contract.digest));
            }
            Record::Directive(directive) => {
                self.directive = self.directive.max(directive.number);
                self.control_latch |= directive.halted;
            }
            Record::Halt(halt) => *self.latch(halt.latch) = true,
            Record::Resume(resume) => *self.latch(resume.latch) = false,
            Record::Start(start) => {
                self.run = Some((start.boot, start.durability));
                self.stopped = false;
                if self.epochs.last().is_none_or(|last| start.epoch > last.epoch) {
                    self.epochs.push(EpochStart {
                        epoch: start.epoch,
                        first_seq: start.first_seq,
                    });
                }
            }
            Record::Stop(_) => self.stopped = true,
            _ => {}
        }
        Ok(())
    }

    /// The first `seq` that a client of `epoch` must forget, when newer epochs voided some.
    #[must_use]
    pub fn rewound_from(&self, epoch: u32) -> Option<u64> {
        self.epochs
            .iter()
            .filter(|start| start.epoch > epoch)
            .map(|start| start.first_seq)
            .min()
    }

    const fn latch(&mut self, latch: Latch) -> &mut bool {
        match latch {
            Latch::Control => &mut self.control_latch,
            Latch::Local => &mut self.local_latch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::Records;

    fn applied(fill: impl FnOnce(&mut Records)) -> Carry {
        let mut records = Records::default();
        fill(&mut records);
        let mut carry = Carry::default();
        for entry in records.entries() {
            carry.apply(entry.kind, records.payload(*entry)).unwrap();
        }
        carry
    }

    #[test]
    fn latches_follow_halt_directive_and_resume() {
        let t = UtcMillis(1);
        assert!(applied(|r| r.push_halt(Latch::Local, t, true)).local_latch);
        let carry = applied(|r| {
            r.push_directive(4, true, [false, false], t, t);
            r.push_directive(3, false, [false, false], t, t);
            r.push_halt(Latch::Local, t, true);
            r.push_resume(Latch::Local, t);
        });
        assert_eq!(
            (carry.control_latch, carry.local_latch, carry.directive),
            (true, false, 4)
        );
    }

    #[test]
    fn a_client_forgets_from_the_lowest_seq_any_newer_epoch_voided() {
        let at = |epoch, first_seq| EpochStart { epoch, first_seq };
        let carry = Carry {
            epochs: vec![at(1, 1), at(2, 90), at(3, 70)],
            ..Carry::default()
        };
        assert_eq!(carry.rewound_from(1), Some(70));
        assert_eq!(carry.rewound_from(2), Some(70));
        assert_eq!(carry.rewound_from(3), None);
        assert_eq!(carry.epoch(), 3);
    }
}
