//! A counter or gauge with one label whose values are known from the start.

use std::sync::atomic::{AtomicU64, Ordering};

/// One number per word.
#[derive(Debug)]
pub struct Family {
    cells: Box<[(&'static str, AtomicU64)]>,
}

impl Family {
    /// All zero.
    #[must_use]
    pub fn new(words: impl Iterator<Item = &'static str>) -> Self {
        Self {
            cells: words.map(|word| (word, AtomicU64::new(0))).collect(),
        }
    }

    /// The cell of a word.
    ///
    /// # Panics
    /// When the family was made without the word: words come from closed sets of this crate.
    #[must_use]
    pub fn of(&self, word: &str) -> &AtomicU64 {
        match self.cells.iter().find(|(known, _)| *known == word) {
            Some((_, cell)) => cell,
            None => panic!("`{word}` is no word of this metric"),
        }
    }

    /// Adds `n` to a word.
    ///
    /// # Panics
    /// As [`Self::of`].
    pub fn add(&self, word: &str, n: u64) {
        self.of(word).fetch_add(n, Ordering::Relaxed);
    }

    /// Sets a word, for gauges.
    ///
    /// # Panics
    /// As [`Self::of`].
    pub fn set(&self, word: &str, value: u64) {
        self.of(word).store(value, Ordering::Relaxed);
    }

    /// Words and values, in the order given at the start.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.cells
            .iter()
            .map(|(word, cell)| (*word, cell.load(Ordering::Relaxed)))
    }
}
