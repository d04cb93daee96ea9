//! Probabilistic Sharpe ratio, version "LLZ2025", with the null in the variance and AR(1) correlation: shown, never a gate.
//!
//! López de Prado, Lipton and Zoonekynd (2025), *Sharpe Ratio Inference: A New Standard for Reporting and Decision-Making*.

use super::normal;

/// Name of the formula, for records of it.
pub const VERSION: &str = "LLZ2025";

/// What the variance of a Sharpe ratio depends on besides the ratio itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Periods T.
    pub n: usize,
    /// γ3.
    pub skewness: f64,
    /// γ4, not excess.
    pub kurtosis: f64,
    /// AR(1) coefficient ρ, between −1 and 1.
    pub correlation: f64,
    /// Var[max of K standard normals] when only the best of K is seen ([`super::expected_maximum::variance`]); 1 otherwise.
    pub selection: f64,
}

impl Sample {
    /// V(SR) = [a − b·γ3·SR + c·(γ4 − 1)/4·SR²]/T with a = (1+ρ)/(1−ρ), b = 1 + ρ/(1−ρ) + ρ²/(1−ρ²), c = (1+ρ²)/(1−ρ²).
    #[must_use]
    pub fn variance(&self, sharpe: f64) -> f64 {
        let r = self.correlation;
        let r2 = r * r;
        let a = (1.0 + r) / (1.0 - r);
        let b = 1.0 + r / (1.0 - r) + r2 / (1.0 - r2);
        let c = (1.0 + r2) / (1.0 - r2);
        self.selection * (a - b * self.skewness * sharpe + c * (self.kurtosis - 1.0) / 4.0 * sharpe * sharpe)
            / self.n as f64
    }

    /// PSR = Φ((SR − SR0)/√V(SR0)).
    #[must_use]
    pub fn psr(&self, sharpe: f64, benchmark: f64) -> f64 {
        normal::cdf((sharpe - benchmark) / self.variance(benchmark).sqrt())
    }

    /// MinTRL = T·V(SR0)·(Φ⁻¹(1−α)/(SR − SR0))²; `None` when SR ≤ SR0.
    #[must_use]
    pub fn min_track_record(&self, sharpe: f64, benchmark: f64, alpha: f64) -> Option<f64> {
        (sharpe > benchmark).then(|| {
            let z = -normal::quantile(alpha) / (sharpe - benchmark);
            self.n as f64 * self.variance(benchmark) * z * z
        })
    }

    /// Power against SR1 of the test of SR0 at level α: 1 − Φ((SR_c − SR1)/√V(SR1)), SR_c = SR0 + Φ⁻¹(1−α)·√V(SR0).
    #[must_use]
    pub fn power(&self, benchmark: f64, alternative: f64, alpha: f64) -> f64 {
        let critical = benchmark - normal::quantile(alpha) * self.variance(benchmark).sqrt();
        normal::survival((critical - alternative) / self.variance(alternative).sqrt())
    }

    /// Observed false discovery rate: the posterior probability that the edge is false, with P(H1) = `prior`.
    ///
    /// oFDR = p0·P(H0)/(p0·P(H0) + p1·P(H1)), p_i = 1 − PSR(SR_i).
    #[must_use]
    pub fn observed_fdr(&self, sharpe: f64, benchmark: f64, alternative: f64, prior: f64) -> f64 {
        let p0 = 1.0 - self.psr(sharpe, benchmark);
        let p1 = 1.0 - self.psr(sharpe, alternative);
        let (h0, h1) = (p0 * (1.0 - prior), p1 * prior);
        h0 / (h0 + h1)
    }
}

/// Planned false discovery rate: α·P(H0)/(α·P(H0) + (1 − β)·P(H1)), β the chance to miss a true edge.
#[must_use]
pub fn planned_fdr(alpha: f64, beta: f64, prior: f64) -> f64 {
    let false_finds = alpha * (1.0 - prior);
    false_finds / (false_finds + (1.0 - beta) * prior)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARPE: f64 = 0.036 / 0.079;

    fn sample(skewness: f64, kurtosis: f64) -> Sample {
        Sample {
            n: 24,
            skewness,
            kurtosis,
            correlation: 0.0,
            selection: 1.0,
        }
    }

    #[test]
    fn golden_standard_deviations() {
        assert!((sample(-2.448, 10.164).variance(SHARPE).sqrt() - 0.329).abs() < 5e-4);
        assert!((sample(0.0, 3.0).variance(SHARPE).sqrt() - 0.214).abs() < 5e-4);
    }

    #[test]
    fn golden_probabilities_and_length() {
        let s = sample(-2.448, 10.164);
        assert!((s.psr(SHARPE, 0.0) - 0.987).abs() < 5e-4);
        assert!((s.psr(SHARPE, 0.1) - 0.939).abs() < 5e-4);
        assert!((s.min_track_record(SHARPE, 0.0, 0.05).unwrap() - 13.029).abs() < 5e-4);
        assert_eq!(s.min_track_record(0.1, 0.1, 0.05), None);
    }

    #[test]
    fn golden_false_discovery_rates() {
        assert!((planned_fdr(0.05, 0.315, 0.05) - 0.581).abs() < 5e-4);
        let s = sample(-2.448, 10.164);
        assert!((s.observed_fdr(SHARPE, 0.0, 0.5, 0.05) - 0.306).abs() < 5e-4);
        // The β of the golden row is one minus the power against 0.5.
        assert!((s.power(0.0, 0.5, 0.05) - (1.0 - 0.315)).abs() < 5e-4);
    }

    #[test]
    fn correlation_weakens_the_evidence() {
        let rows = [
            (0.0, 0.9873),
            (0.1, 0.9784),
            (0.2, 0.9661),
            (0.3, 0.9496),
            (-0.2, 0.9969),
        ];
        for (correlation, expected) in rows {
            let s = Sample {
                n: 500,
                correlation,
                ..sample(0.0, 3.0)
            };
            assert!((s.psr(0.1, 0.0) - expected).abs() < 5e-5, "{correlation}");
        }
    }

    #[test]
    fn selection_scales_the_variance() {
        let s = sample(0.0, 3.0);
        // The best of K scatters less than one: the same distance from the benchmark then says more.
        let best = Sample { selection: 0.5, ..s };
        assert!(best.psr(0.3, 0.1) > s.psr(0.3, 0.1));
        assert!((best.variance(0.1) / s.variance(0.1) - 0.5).abs() < 1e-15);
    }
}
