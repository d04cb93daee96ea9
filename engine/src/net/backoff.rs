//! How long to wait before connecting again: doubling, capped, with seeded jitter so that many engines do not knock at once.

use std::time::Duration;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Waits between attempts; begins again after a connection that delivered something.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    max: Duration,
    attempt: u32,
    rng: ChaCha8Rng,
}

impl Backoff {
    pub(crate) fn new(first: Duration, max: Duration, seed: u64) -> Self {
        Self {
            first,
            max,
            attempt: 0,
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// The number of this attempt, from 1, and the wait before it: between half and all of `first · 2^(attempt − 1)`.
    pub(crate) fn next(&mut self) -> (u32, Duration) {
        let doubled = 1_u32.checked_shl(self.attempt).unwrap_or(u32::MAX);
        self.attempt = self.attempt.saturating_add(1);
        let whole = self.first.saturating_mul(doubled).min(self.max);
        (self.attempt, whole.mul_f64(self.rng.random_range(0.5..=1.0)))
    }

    pub(crate) fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_cap_and_the_seed_decides_the_jitter() {
        let waits = |seed| {
            let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2), seed);
            (0..80).map(|_| backoff.next()).collect::<Vec<_>>()
        };
        let one = waits(1);
        for (k, (attempt, wait)) in one.iter().enumerate() {
            let whole = Duration::from_millis(100 << k.min(10)).min(Duration::from_secs(2));
            assert_eq!(*attempt as usize, k + 1);
            assert!(*wait >= whole / 2 && *wait <= whole, "{k}: {wait:?}");
        }
        assert_eq!(one, waits(1));
        assert_ne!(one, waits(2));
    }

    #[test]
    fn begins_again_after_a_reset() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2), 1);
        for _ in 0..10 {
            backoff.next();
        }
        backoff.reset();
        let (attempt, wait) = backoff.next();
        assert!(attempt == 1 && wait <= Duration::from_millis(100));
    }
}
