//! The last N published messages, one writer, any number of readers.
//!
//! A slot is an `ArcSwapOption`: a reader takes its own reference without a lock and without ever holding the writer up, the
//! writer replaces a pointer. A mutex per slot could park the writer behind a reader that lost its processor; a seqlock cannot hold
//! an `Arc` without `unsafe`. What the writer replaces it also frees, after the core's step, never within it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use contracts::time::UnixNanos;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::core::input::InstrumentIndex;

/// A message as every client gets it: rendered once.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Its place in the sequence.
    pub seq: u64,
    /// Whose; `None` concerns the slot and goes to everybody.
    pub instrument: Option<InstrumentIndex>,
    /// When the bar behind it was received; `None` for a message without a bar.
    pub received_at: Option<UnixNanos>,
    /// One JSON object.
    pub text: Utf8Bytes,
}

/// What the ring says about a seq.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// Here it is.
    Here(Arc<Published>),
    /// It has been overwritten, or was published before this process started.
    Older,
    /// It has not been published.
    NotYet,
}

/// The ring. Readers share it; only its [`RingWriter`] writes.
#[derive(Debug)]
pub struct Ring {
    slots: Box<[ArcSwapOption<Published>]>,
    first_seq: u64,
    next_seq: AtomicU64,
}

/// The right to write, not clonable: one writer by construction.
#[derive(Debug)]
pub struct RingWriter {
    ring: Arc<Ring>,
}

impl Ring {
    /// An empty ring of `len` slots whose first message will be `next_seq`.
    ///
    /// # Panics
    /// When `len` is 0.
    #[must_use]
    pub fn new(len: usize, next_seq: u64) -> (Arc<Self>, RingWriter) {
        assert!(len > 0, "a ring without a slot cannot hold a message");
        let ring = Arc::new(Self {
            slots: (0..len).map(|_| ArcSwapOption::empty()).collect(),
            first_seq: next_seq,
            next_seq: AtomicU64::new(next_seq),
        });
        (Arc::clone(&ring), RingWriter { ring })
    }

    /// Slots.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.slots.len() as u64
    }

    /// True before the first message of this process.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next_seq() == self.first_seq
    }

    /// The seq of the next message; everything below it is published.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq.load(Ordering::Acquire)
    }

    /// The oldest seq still here, or [`Self::next_seq`] when empty. It may be overwritten before the caller asks for it.
    #[must_use]
    pub fn oldest_seq(&self) -> u64 {
        self.next_seq().saturating_sub(self.len()).max(self.first_seq)
    }

    /// Looks a seq up.
    #[must_use]
    pub fn get(&self, seq: u64) -> Lookup {
        if seq >= self.next_seq() {
            return Lookup::NotYet;
        }
        match self.slots[self.slot(seq)].load_full() {
            Some(message) if message.seq == seq => Lookup::Here(message),
            _ => Lookup::Older,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the remainder is below the number of slots, a usize"
    )]
    fn slot(&self, seq: u64) -> usize {
        (seq % self.len()) as usize
    }
}

impl RingWriter {
    /// Adds the next message.
    ///
    /// # Panics
    /// When `message.seq` is not [`Ring::next_seq`]: a hole or a repetition in the published sequence must not leave the process.
    pub fn push(&mut self, message: Published) {
        let seq = message.seq;
        assert_eq!(
            seq,
            self.ring.next_seq(),
            "the published sequence has no hole and no repetition"
        );
        self.ring.slots[self.ring.slot(seq)].store(Some(Arc::new(message)));
        self.ring.next_seq.store(seq + 1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(seq: u64) -> Published {
        Published {
            seq,
            instrument: None,
            received_at: None,
            text: seq.to_string().into(),
        }
    }

    #[test]
    fn holds_the_last_n_and_names_the_rest() {
        let (ring, mut writer) = Ring::new(4, 10);
        assert!(ring.is_empty());
        assert_eq!((ring.oldest_seq(), ring.next_seq()), (10, 10));
        assert_eq!((ring.get(9), ring.get(10)), (Lookup::Older, Lookup::NotYet));
        for seq in 10..17 {
            writer.push(message(seq));
        }
        assert_eq!((ring.oldest_seq(), ring.next_seq()), (13, 17));
        for seq in 0..13 {
            assert_eq!(ring.get(seq), Lookup::Older);
        }
        for seq in 13..17 {
            assert_eq!(ring.get(seq), Lookup::Here(Arc::new(message(seq))));
        }
        assert_eq!(ring.get(17), Lookup::NotYet);
    }

    #[test]
    #[should_panic(expected = "no hole")]
    fn a_hole_does_not_leave_the_process() {
        let (_, mut writer) = Ring::new(4, 10);
        writer.push(message(11));
    }

    #[test]
    fn readers_beside_the_writer_see_whole_messages_in_order() {
        let (ring, mut writer) = Ring::new(8, 1);
        let total = 20_000;
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut wanted = 1;
                    let mut seen = 0_u32;
                    while wanted <= total {
                        match ring.get(wanted) {
                            Lookup::Here(found) => {
                                assert_eq!(found.text.as_str(), wanted.to_string());
                                wanted += 1;
                                seen += 1;
                            }
                            Lookup::Older => wanted = wanted.max(ring.oldest_seq()),
                            Lookup::NotYet => std::thread::yield_now(),
                        }
                    }
                    assert!(seen > 0);
                });
            }
            for seq in 1..=total {
                writer.push(message(seq));
                if seq % 16 == 0 {
                    std::thread::yield_now();
                }
            }
        });
    }
}
