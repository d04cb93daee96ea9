//! Seeded mutations of texts and bytes: what breaks parsers, more often than chance would have it.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Pieces that parsers of numbers, strings and nesting trip over.
const PIECES: [&[u8]; 20] = [
    b"1e308",
    b"-1e309",
    b"NaN",
    b"null",
    b"-0.0",
    b"1e-320",
    b"9223372036854775808",
    b"-9223372036854775809",
    b"18446744073709551616",
    b"0.1e-9999999",
    b"\"\"",
    b"[]",
    b"{}",
    b"[[[[[[[[",
    b"\\ud800",
    b"\xff\xfe",
    b"\0",
    b"253402300800000",
    b"-62135596801",
    b"\xe2\x80\xae",
];

/// Longest mutated input in bytes: parsers are bounded elsewhere, time is here.
const BYTES_MAX: usize = 1 << 16;

/// A stream of mutations; the same seed gives the same stream.
#[derive(Debug)]
pub struct Mutator {
    rng: ChaCha8Rng,
}

impl Mutator {
    /// A stream of its own.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// One of `seeds` with one to four mutations.
    ///
    /// # Panics
    /// When `seeds` is empty.
    pub fn next(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.rng.random_range(0..seeds.len())].clone();
        for _ in 0..self.rng.random_range(1..=4) {
            self.mutate(&mut bytes, seeds);
        }
        bytes.truncate(BYTES_MAX);
        bytes
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let (from, to) = self.range(bytes.len());
        match self.rng.random_range(0..8) {
            0 if !bytes.is_empty() => {
                let at = self.rng.random_range(0..bytes.len());
                bytes[at] ^= 1 << self.rng.random_range(0..8);
            }
            1 if !bytes.is_empty() => {
                let at = self.rng.random_range(0..bytes.len());
                bytes[at] = self.rng.random();
            }
            2 => drop(bytes.drain(from..to)),
            3 => {
                let copy = bytes[from..to].to_vec();
                drop(bytes.splice(to..to, copy));
            }
            4 => bytes.truncate(to),
            5 => {
                let (start, end) = number_at(bytes, from);
                let piece = PIECES[self.rng.random_range(0..PIECES.len())];
                drop(bytes.splice(start..end, piece.iter().copied()));
            }
            6 => {
                let other = &seeds[self.rng.random_range(0..seeds.len())];
                let (a, b) = self.range(other.len());
                drop(bytes.splice(from..to, other[a..b].iter().copied()));
            }
            _ => {
                let piece = PIECES[self.rng.random_range(0..PIECES.len())];
                drop(bytes.splice(from..from, piece.iter().copied()));
            }
        }
    }

    /// A random range inside `0..len`, mostly short.
    fn range(&mut self, len: usize) -> (usize, usize) {
        let from = self.rng.random_range(0..=len);
        let longest = (len - from).min(if self.rng.random_ratio(1, 8) { len } else { 16 });
        (from, from + self.rng.random_range(0..=longest))
    }
}

/// The first number at or after `from`; an empty range at `from` when there is none.
fn number_at(bytes: &[u8], from: usize) -> (usize, usize) {
    let Some(start) = (from..bytes.len()).find(|at| bytes[*at].is_ascii_digit()) else {
        return (from, from);
    };
    let part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'-' | b'+');
    let end = (start..bytes.len())
        .find(|at| !part(bytes[*at]))
        .unwrap_or(bytes.len());
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_stream() {
        let seeds = vec![br#"{"price":1.5}"#.to_vec(), b"xyz".to_vec()];
        let draw = |seed| {
            let mut mutator = Mutator::new(seed);
            (0..200).map(|_| mutator.next(&seeds)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let distinct: std::collections::BTreeSet<_> = draw(1).into_iter().collect();
        assert!(distinct.len() > 150, "{}", distinct.len());
    }

    #[test]
    fn a_number_is_found_whole() {
        assert_eq!(number_at(b"{\"a\":-1.5e3}", 0), (6, 11));
        assert_eq!(number_at(b"abc", 1), (1, 1));
    }

    #[test]
    fn an_empty_seed_is_no_obstacle() {
        let mut mutator = Mutator::new(3);
        for _ in 0..500 {
            mutator.next(&[Vec::new()]);
        }
    }
}
