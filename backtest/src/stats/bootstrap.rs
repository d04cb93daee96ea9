//! The stationary bootstrap of Politis and Romano (1994), reproducible bit for bit.
//!
//! The exact rule, for whoever recomputes an interval: the generator is ChaCha8 with the eight seed bytes followed by 24 zero bytes as
//! its key and a stream number as its nonce; each row takes one 64-bit word w. Its upper half gives a row, ⌊(w ≫ 32)·n/2³²⌋, its lower
//! half u = (w mod 2³²)/2³². Row 0 of a resample is the row given; row i > 0 is the one after row i − 1 (the last is followed by the
//! first) if u > p = 1/b, else the row given. Words are taken in order, for all rows of all resamples.
//!
//! Rows are resampled, never columns: whatever belongs to one session stays together.

use contracts::evidence::Fingerprint;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// The first eight bytes of a run's fingerprint: what seeds its bootstrap.
pub type Seed = [u8; 8];

/// Streams of one seed, one per purpose, so that no two of them share their randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Stream {
    /// A run's own figures.
    Own = 0,
    /// A run paired with its baseline.
    Paired = 1,
}

/// The seed of a run.
#[must_use]
pub fn seed(fingerprint: &Fingerprint) -> Seed {
    let mut seed = [0; 8];
    seed.copy_from_slice(&fingerprint.as_bytes()[..8]);
    seed
}

/// Draws resamples of `rows` row numbers.
#[derive(Debug, Clone)]
pub struct Resampler {
    rng: ChaCha8Rng,
    rows: u32,
    /// A lower half above this goes on to the next row: ⌊p·2³²⌋.
    restart: u64,
}

impl Resampler {
    /// For `rows` rows in blocks of `mean_block` on average (below 1 counts as 1: independent draws).
    ///
    /// # Panics
    /// Without rows, or with more than 2³²: the callers' series are sessions.
    #[must_use]
    pub fn new(seed: Seed, stream: Stream, rows: usize, mean_block: f64) -> Self {
        assert!(rows > 0, "there is something to resample");
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed);
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(stream as u64);
        Self {
            rng,
            rows: u32::try_from(rows).expect("fewer than 2³² sessions"),
            restart: (4_294_967_296.0 / mean_block.max(1.0)) as u64,
        }
    }

    /// The next resample, row by row.
    #[inline]
    pub fn resample(&mut self, mut take: impl FnMut(usize)) {
        let rows = u64::from(self.rows);
        let mut row = 0;
        for i in 0..self.rows {
            let word = self.rng.next_u64();
            row = if i > 0 && word & 0xffff_ffff > self.restart {
                if row + 1 == rows { 0 } else { row + 1 }
            } else {
                ((word >> 32) * rows) >> 32
            };
            take(row as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(resampler: &mut Resampler) -> Vec<usize> {
        let mut rows = Vec::new();
        resampler.resample(|row| rows.push(row));
        rows
    }

    #[test]
    fn the_rule_word_by_word() {
        let seed = *b"\x01\x02\x03\x04\x05\x06\x07\x08";
        let (n, block) = (37_u64, 4.0);
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed);
        let mut words = ChaCha8Rng::from_seed(key);
        words.set_stream(1);
        let mut resampler = Resampler::new(seed, Stream::Paired, n as usize, block);
        for _ in 0..3 {
            let mut expected: Vec<usize> = Vec::new();
            for i in 0..n {
                let word = words.next_u64();
                let (index, u) = (((word >> 32) * n) >> 32, (word as u32) as f64 / 4_294_967_296.0);
                let row = match expected.last() {
                    Some(before) if i > 0 && u > 1.0 / block => (before + 1) % n as usize,
                    _ => index as usize,
                };
                expected.push(row);
            }
            assert_eq!(draw(&mut resampler), expected);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bits_for_ever() {
        let first = draw(&mut Resampler::new([7; 8], Stream::Own, 20, 3.0));
        assert_eq!(first, draw(&mut Resampler::new([7; 8], Stream::Own, 20, 3.0)));
        assert_ne!(first, draw(&mut Resampler::new([8; 8], Stream::Own, 20, 3.0)));
        assert_ne!(first, draw(&mut Resampler::new([7; 8], Stream::Paired, 20, 3.0)));
        assert_eq!(first, COMMITTED);
    }

    /// What another machine, another year or another version of the generator must also draw; recomputed from the rule above with
    /// ChaCha8 written out in another language.
    const COMMITTED: [usize; 20] = [5, 2, 3, 4, 6, 7, 8, 14, 6, 7, 8, 9, 10, 2, 3, 17, 18, 3, 4, 5];

    #[test]
    fn blocks_are_as_long_as_asked_and_rows_equally_frequent() {
        let (rows, block) = (100, 5.0);
        let mut resampler = Resampler::new([3; 8], Stream::Own, rows, block);
        let (mut restarts, mut counts, rounds) = (0_u32, vec![0_u32; rows], 4_000);
        for _ in 0..rounds {
            let drawn = draw(&mut resampler);
            restarts += drawn.windows(2).filter(|w| w[1] != (w[0] + 1) % rows).count() as u32;
            for row in drawn {
                counts[row] += 1;
            }
        }
        // A restart hits the following row by chance once in a hundred.
        let mean_block = f64::from(rounds) * 99.0 / f64::from(restarts) * 0.99;
        assert!((mean_block - block).abs() < 0.05, "{mean_block}");
        let (low, high) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(*low > 3_500 && *high < 4_500, "{low} {high}");
    }

    #[test]
    fn a_block_of_one_draws_independently() {
        let mut resampler = Resampler::new([5; 8], Stream::Own, 50, 0.2);
        let drawn: Vec<usize> = (0..200).flat_map(|_| draw(&mut resampler)).collect();
        let follows = drawn.windows(2).filter(|w| w[1] == (w[0] + 1) % 50).count();
        assert!(follows < 300, "{follows} of 10,000, 200 are expected by chance");
    }
}
