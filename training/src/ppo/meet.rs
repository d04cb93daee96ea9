//! Two threads that hand each other a number, round after round.
//!
//! A gradient's norm is that of actor and critic together, and a gradient step takes some ten microseconds: too short to let a thread sleep and be
//! woken. Each side looks at the other's counter for a moment, then offers its core to others between looks, so that a busy machine loses
//! nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::limits::SPINS;

/// Where both sides leave their numbers; two slots a side, because one side may be a round ahead.
#[derive(Debug, Default)]
pub struct Meeting {
    slots: [[AtomicU64; 2]; 2],
    rounds: [AtomicU64; 2],
}

/// One of the two; leaving it lets the other side go on for ever.
#[derive(Debug)]
pub struct Side<'a> {
    meeting: &'a Meeting,
    me: usize,
    round: u64,
}

impl Meeting {
    /// Both sides.
    #[must_use]
    pub fn sides(&self) -> [Side<'_>; 2] {
        [0, 1].map(|me| Side {
            meeting: self,
            me,
            round: 0,
        })
    }
}

impl Side<'_> {
    /// Hands over a number and takes the other side's of the same round.
    pub fn exchange(&mut self, value: f64) -> f64 {
        let Meeting { slots, rounds } = self.meeting;
        let slot = (self.round % 2) as usize;
        self.round += 1;
        slots[self.me][slot].store(value.to_bits(), Ordering::Relaxed);
        // Release: who sees the round sees the number. The other side reads it before it can come here again.
        rounds[self.me].store(self.round, Ordering::Release);
        let other = 1 - self.me;
        let mut looks = 0;
        while rounds[other].load(Ordering::Acquire) < self.round {
            if looks < SPINS {
                looks += 1;
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
        f64::from_bits(slots[other][slot].load(Ordering::Relaxed))
    }
}

impl Drop for Side<'_> {
    /// A side that ends early (a panic) must not leave the other waiting; the panic is then the scope's to hand on.
    fn drop(&mut self) {
        self.meeting.rounds[self.me].store(u64::MAX, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_see_each_others_numbers_in_order() {
        let meeting = Meeting::default();
        std::thread::scope(|scope| {
            for (me, mut side) in (0_u32..).zip(meeting.sides()) {
                scope.spawn(move || {
                    for round in 0..20_000 {
                        let mine = f64::from(round * 2 + me);
                        assert_eq!(side.exchange(mine), f64::from(round * 2 + 1 - me));
                    }
                });
            }
        });
    }

    #[test]
    fn nobody_waits_for_a_side_that_is_gone() {
        let meeting = Meeting::default();
        let [mut one, other] = meeting.sides();
        drop(other);
        one.exchange(1.0);
        one.exchange(2.0);
    }
}
