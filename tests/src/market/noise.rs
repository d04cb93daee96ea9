//! Seeded noise through `libm` alone, so that a seed means the same bits on every machine.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A stream of random numbers; streams of one seed are independent.
pub(super) struct Noise {
    pub(super) rng: ChaCha8Rng,
}

impl Noise {
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self { rng }
    }

    /// Uniform in (0, 1]: never 0, so that its logarithm is finite.
    pub(super) fn uniform(&mut self) -> f64 {
        1.0 - self.rng.random::<f64>()
    }

    /// Standard normal (Box–Muller).
    pub(super) fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(self.uniform()));
        radius * libm::cos(2.0 * std::f64::consts::PI * self.uniform())
    }

    /// Student t with 4 degrees of freedom, scaled to unit variance.
    pub(super) fn student_t4(&mut self) -> f64 {
        let numerator = self.normal();
        let chi_squared: f64 = (0..4).map(|_| self.normal()).map(|z| z * z).sum();
        numerator / libm::sqrt(chi_squared / 4.0) / std::f64::consts::SQRT_2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_has_its_moments() {
        let mut noise = Noise::new(11, 0);
        let draws: Vec<f64> = (0..20_000).map(|_| noise.normal()).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|z| (z - mean) * (z - mean)).sum::<f64>() / 20_000.0;
        assert!(
            mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05,
            "{mean} {variance}"
        );
    }

    #[test]
    fn streams_of_one_seed_differ() {
        assert_ne!(
            Noise::new(1, 0).uniform().to_bits(),
            Noise::new(1, 1).uniform().to_bits()
        );
    }
}
