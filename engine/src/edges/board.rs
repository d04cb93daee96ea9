//! Where every instrument stands, for the `snapshot` of a new client: atomics the publisher writes and clients read.
//!
//! Each cell carries the seq that set it, so a reader can tell whether all it read was true at one seq. The publisher writes the
//! cell first and makes the message visible second: having seen `next_seq`, a reader finds every cell at least that new.

use std::sync::atomic::{AtomicU64, Ordering};

use contracts::reason::Position;

use super::ring::Ring;
use crate::limits::SNAPSHOT_TRIES_MAX;

/// Positions and the halt flag.
#[derive(Debug)]
pub struct Board {
    positions: Box<[AtomicU64]>,
    halted: AtomicU64,
}

/// What a reader found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardView {
    /// Everything up to this seq is contained. Under a storm of messages something newer may be contained too; it follows again as
    /// a message and changes nothing then.
    pub through: u64,
    /// Whether a latch is set.
    pub halted: bool,
    /// By instrument index.
    pub positions: Vec<Position>,
}

const fn pack(seq: u64, low: u64) -> u64 {
    seq << 2 | low
}

const fn position_bits(position: Position) -> u64 {
    match position {
        Position::Short => 0,
        Position::Flat => 1,
        Position::Long => 2,
    }
}

const fn position_of(cell: u64) -> Position {
    match cell & 3 {
        0 => Position::Short,
        2 => Position::Long,
        _ => Position::Flat,
    }
}

impl Board {
    /// As recovered: everything true at `through`.
    #[must_use]
    pub fn new(positions: &[Position], halted: bool, through: u64) -> Self {
        Self {
            positions: positions
                .iter()
                .map(|p| AtomicU64::new(pack(through, position_bits(*p))))
                .collect(),
            halted: AtomicU64::new(pack(through, u64::from(halted))),
        }
    }

    /// Writer only. An index the board does not have is ignored.
    pub(super) fn set_position(&self, instrument: usize, position: Position, seq: u64) {
        if let Some(cell) = self.positions.get(instrument) {
            cell.store(pack(seq, position_bits(position)), Ordering::Release);
        }
    }

    /// Writer only.
    pub(super) fn set_halted(&self, halted: bool, seq: u64) {
        self.halted.store(pack(seq, u64::from(halted)), Ordering::Release);
    }

    /// Reads everything, again while the writer was faster, at most [`SNAPSHOT_TRIES_MAX`] times.
    #[must_use]
    pub fn view(&self, ring: &Ring) -> BoardView {
        for _ in 1..SNAPSHOT_TRIES_MAX {
            let (view, exact) = self.read(ring);
            if exact {
                return view;
            }
            std::hint::spin_loop();
        }
        self.read(ring).0
    }

    /// One reading, and whether all of it was true at `through`.
    fn read(&self, ring: &Ring) -> (BoardView, bool) {
        let through = ring.next_seq().saturating_sub(1);
        let halted = self.halted.load(Ordering::Acquire);
        let cells: Vec<u64> = self
            .positions
            .iter()
            .map(|cell| cell.load(Ordering::Acquire))
            .collect();
        let exact = cells.iter().chain([&halted]).all(|cell| cell >> 2 <= through);
        let view = BoardView {
            through,
            halted: halted & 1 == 1,
            positions: cells.into_iter().map(position_of).collect(),
        };
        (view, exact)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ring::Published;
    use super::*;

    #[test]
    fn a_view_is_true_at_one_seq() {
        let (ring, mut writer) = Ring::new(4, 1);
        let board = Board::new(&[Position::Long, Position::Flat], false, 0);
        assert_eq!(
            board.view(&ring),
            BoardView {
                through: 0,
                halted: false,
                positions: vec![Position::Long, Position::Flat]
            }
        );
        let total = 20_000_u64;
        // Message n sets instrument n % 2 to long when n / 2 is even, else to short: an exact view follows from `through` alone.
        let at = |n: u64| {
            if (n / 2).is_multiple_of(2) {
                Position::Long
            } else {
                Position::Short
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                loop {
                    let (view, exact) = board.read(&ring);
                    if exact && view.through >= 2 {
                        let (even, odd) = (view.through & !1, (view.through - 1) | 1);
                        assert_eq!(view.positions, [at(even), at(odd)], "through {}", view.through);
                    }
                    if view.through == total {
                        break;
                    }
                }
            });
            for seq in 1..=total {
                board.set_position(usize::from(seq % 2 == 1), at(seq), seq);
                writer.push(Published {
                    seq,
                    instrument: None,
                    received_at: None,
                    text: "".into(),
                });
                if seq % 64 == 0 {
                    std::thread::yield_now();
                }
            }
        });
        board.set_halted(true, total);
        assert!(board.view(&ring).halted);
    }
}
