//! A market whose prices are a little off: a decision that hangs on the last digit of a price falls the other way.

use contracts::evidence::Fingerprint;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

use crate::limits::NOISE_SHARE;
use crate::market::Market;
use crate::stats::normal;

/// Moves all four prices of every bar by one factor 1 + ε, ε normal with a standard deviation of [`NOISE_SHARE`] of the bars' own
/// (that of their returns from close to close), drawn from the fingerprint. A bar stays possible. Gives the deviation too.
#[must_use]
pub fn noisy(market: &Market, seed: &Fingerprint) -> (Market, f64) {
    let returns: Vec<f64> = market
        .bars
        .windows(2)
        .map(|pair| pair[1].close / pair[0].close - 1.0)
        .filter(|value| value.is_finite())
        .collect();
    let squares: f64 = returns.iter().map(|value| value * value).sum();
    let deviation = NOISE_SHARE * (squares / returns.len().max(1) as f64).sqrt();
    let mut rng = ChaCha8Rng::from_seed(*seed.as_bytes());
    let mut other = market.clone();
    for bar in &mut other.bars {
        let uniform = ((rng.next_u64() >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0;
        // Five deviations at most: a price never turns negative, whatever the market.
        let factor = 1.0 + (deviation * normal::quantile(uniform).clamp(-5.0, 5.0)).max(-0.5);
        for price in [&mut bar.open, &mut bar.high, &mut bar.low, &mut bar.close] {
            *price *= factor;
        }
    }
    (other, deviation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::samples::{features, walk};

    #[test]
    fn every_bar_moves_stays_possible_and_the_same_seed_gives_the_same() {
        let market = walk(&features("technical_8"), "ANY", 3, "2025-01-05");
        let (other, deviation) = noisy(&market, &Fingerprint::of(b"seed"));
        assert!(deviation > 0.0);
        assert!(other.bars.iter().all(contracts::bar::Bar::is_possible));
        let moves: Vec<f64> = market
            .bars
            .iter()
            .zip(&other.bars)
            .map(|(a, b)| b.close / a.close - 1.0)
            .collect();
        assert!(moves.iter().all(|m| m.abs() <= 5.01 * deviation));
        let spread = (moves.iter().map(|m| m * m).sum::<f64>() / moves.len() as f64).sqrt();
        assert!((spread / deviation - 1.0).abs() < 0.1, "{spread} {deviation}");
        assert_eq!(noisy(&market, &Fingerprint::of(b"seed")).0, other);
        assert_ne!(noisy(&market, &Fingerprint::of(b"other")).0, other);
    }
}
