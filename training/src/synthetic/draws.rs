//! Seeded draws through `libm` alone, so that a seed means the same bits on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

/// A stream of random numbers; streams of one seed are independent.
#[derive(Debug)]
pub(super) struct Draws(ChaCha8Rng);

impl Draws {
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// Uniform in (0, 1): 53 bits and a half, so that its logarithm is finite.
    pub fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0
    }

    /// True `n` times in a thousand.
    pub fn per_mille(&mut self, n: u32) -> bool {
        self.uniform() * 1_000.0 < f64::from(n)
    }

    /// Up or down.
    pub fn coin(&mut self) -> f64 {
        if self.0.next_u64() >> 63 == 0 { -1.0 } else { 1.0 }
    }

    /// Standard normal (Box–Muller, one of the pair).
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(self.uniform()));
        radius * libm::cos(2.0 * std::f64::consts::PI * self.uniform())
    }

    /// Student t with 5 degrees of freedom, scaled to unit variance: kurtosis 9.
    pub fn student(&mut self) -> f64 {
        const FREEDOM: u8 = 5;
        let numerator = self.normal();
        let chi_squared: f64 = (0..FREEDOM).map(|_| self.normal()).map(|z| z * z).sum();
        let freedom = f64::from(FREEDOM);
        numerator / libm::sqrt(chi_squared / freedom) * libm::sqrt((freedom - 2.0) / freedom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(draws: &[f64]) -> (f64, f64) {
        let n = draws.len() as f64;
        let mean = draws.iter().sum::<f64>() / n;
        (
            mean,
            draws.iter().map(|z| (z - mean) * (z - mean)).sum::<f64>() / n,
        )
    }

    #[test]
    fn normal_and_student_have_zero_mean_and_unit_variance_and_student_has_the_tails() {
        let mut draws = Draws::new(11, 0);
        let normal: Vec<f64> = (0..40_000).map(|_| draws.normal()).collect();
        let student: Vec<f64> = (0..40_000).map(|_| draws.student()).collect();
        for sample in [&normal, &student] {
            let (mean, variance) = moments(sample);
            assert!(
                mean.abs() < 0.02 && (variance - 1.0).abs() < 0.06,
                "{mean} {variance}"
            );
        }
        let beyond = |sample: &[f64]| sample.iter().filter(|z| z.abs() > 4.0).count();
        assert!(beyond(&student) > 20 * (beyond(&normal) + 1) / 2);
    }

    #[test]
    fn streams_and_seeds_differ_and_repeat() {
        let first = |seed, stream| Draws::new(seed, stream).uniform().to_bits();
        assert_eq!(first(1, 0), first(1, 0));
        assert_ne!(first(1, 0), first(1, 1));
        assert_ne!(first(1, 0), first(2, 0));
        let mut draws = Draws::new(3, 0);
        let ups = (0..10_000).filter(|_| draws.coin() > 0.0).count();
        assert!((4_800..5_200).contains(&ups), "{ups}");
    }
}
