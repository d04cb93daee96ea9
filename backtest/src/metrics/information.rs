//! Figures that are shown beside the gates and decide nothing: the formulas of 2025, the correction for correlation, what the resamples used.

use contracts::evidence::{Measured, Undefined};
use serde::{Deserialize, Serialize};

use crate::limits::{EDGE_PRIOR, TEST_ALPHA};
use crate::outcome::Outcome;
use crate::stats::psr_2025::Sample;
use crate::stats::{annualise, autocorrelation, block_length, memmel, psr, psr_2025, sharpe};

/// Beside the gates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Information {
    /// Formula of the gate's PSR.
    pub psr_version: String,
    /// Formula of the figures below.
    pub psr_2025_version: String,
    /// P(true Sharpe ratio > 0) with AR(1) correlation.
    pub psr_2025: Measured,
    /// Sessions for 95 % confidence by the same formula.
    pub min_track_record_2025: Measured,
    /// Chance that a 5 % test of this length finds a true annual Sharpe ratio of `alternative`.
    pub power: Measured,
    /// Posterior probability that the edge is false, with a prior of [`EDGE_PRIOR`] that it is true and of size `alternative`.
    pub observed_fdr: Measured,
    /// The annual Sharpe ratio that the two figures above compare with 0.
    pub alternative: f64,
    /// Lag-1 autocorrelation of the session returns.
    pub lag_one: Measured,
    /// Annual Sharpe ratio corrected for it (Lo 2002).
    pub sharpe_annual_corrected: Measured,
    /// Mean block of the bootstrap, in sessions.
    pub bootstrap_block: f64,
    /// Memmel's z of the difference to the production model's Sharpe ratio: for independent normal returns only.
    pub memmel_z: Measured,
}

/// The figures of a run, beside the production model's where there is one; `alternative` is an annual Sharpe ratio worth finding, such as
/// the experiment's `min_sharpe`.
#[must_use]
pub fn information(outcome: &Outcome, baseline: Option<&Outcome>, alternative: f64) -> Information {
    let returns = returns(outcome);
    let moments = match outcome.ruined {
        Some(_) => Err(Undefined::Ruined),
        None => sharpe::moments(&returns),
    };
    let lag_one = autocorrelation::lag_one(&returns);
    let of = |figure: &dyn Fn(&Sample, f64) -> Result<f64, Undefined>| match &moments {
        Ok(m) => {
            let sample = Sample {
                n: m.n,
                skewness: m.skewness,
                kurtosis: m.kurtosis,
                correlation: lag_one.unwrap_or(0.0),
                selection: 1.0,
            };
            match figure(&sample, m.sharpe()) {
                Ok(value) => Measured::new(value, Undefined::NoData),
                Err(why) => Measured::none(why),
            }
        }
        Err(why) => Measured::none(*why),
    };
    let worth = alternative / outcome.sessions_per_year.sqrt();
    let year = outcome.sessions_per_year.round().clamp(1.0, f64::from(u16::MAX)) as u32;
    Information {
        psr_version: psr::VERSION.to_owned(),
        psr_2025_version: psr_2025::VERSION.to_owned(),
        psr_2025: of(&|s, sharpe| Ok(s.psr(sharpe, 0.0))),
        min_track_record_2025: of(&|s, sharpe| {
            s.min_track_record(sharpe, 0.0, TEST_ALPHA)
                .ok_or(Undefined::NotAbove)
        }),
        power: of(&|s, _| Ok(s.power(0.0, worth, TEST_ALPHA))),
        observed_fdr: of(&|s, sharpe| Ok(s.observed_fdr(sharpe, 0.0, worth, EDGE_PRIOR))),
        alternative,
        lag_one: lag_one.map_or(Measured::none(Undefined::TooFew), |r| {
            Measured::new(r, Undefined::TooFew)
        }),
        sharpe_annual_corrected: of(&|s, sharpe| {
            annualise::eta_ar1(year, s.correlation)
                .map(|eta| eta * sharpe)
                .ok_or(Undefined::NoData)
        }),
        bootstrap_block: block_length::for_returns(&returns),
        memmel_z: baseline.map_or(Measured::none(Undefined::NoBaseline), |base| {
            if outcome.ruined.is_some() || base.ruined.is_some() {
                return Measured::none(Undefined::Ruined);
            }
            memmel::z(&returns, &self::returns(base)).map_or(Measured::none(Undefined::ZeroVariance), |z| {
                Measured::new(z, Undefined::ZeroVariance)
            })
        }),
    }
}

fn returns(outcome: &Outcome) -> Vec<f64> {
    outcome.sessions.iter().map(|session| session.value).collect()
}

#[cfg(test)]
mod tests {
    use contracts::time::UtcMillis;

    use super::*;
    use crate::samples::{noise, normals, outcome};

    #[test]
    fn of_an_ordinary_run() {
        let run = noise(&normals(21, 500));
        let info = information(&run, None, 1.0);
        let m = sharpe::moments(&run.sessions.iter().map(|s| s.value).collect::<Vec<_>>()).unwrap();
        let rho = info.lag_one.value.unwrap();
        let expected = annualise::eta_ar1(256, rho).unwrap() * m.sharpe();
        assert_eq!(info.sharpe_annual_corrected.value, Some(expected));
        // Almost uncorrelated, so the corrected ratio is near the plain one.
        assert!((expected / (m.sharpe() * 16.0) - 1.0).abs() < 0.15);
        let power = info.power.value.unwrap();
        // A daily ratio of 1/16 over 500 sessions is 1.4 standard errors: P(z > 1.645 − 1.4).
        assert!((0.3..0.5).contains(&power), "{power}");
        assert!(info.bootstrap_block >= 1.0);
    }

    #[test]
    fn reasons_instead_of_figures() {
        let mut run = noise(&normals(22, 50));
        run.ruined = Some(UtcMillis(0));
        assert_eq!(
            information(&run, None, 1.0).psr_2025.undefined,
            Some(Undefined::Ruined)
        );
        let falling = outcome(100.0, &[&[99.0], &[97.0], &[98.0], &[96.0]]);
        let info = information(&falling, None, 1.0);
        assert_eq!(info.min_track_record_2025.undefined, Some(Undefined::NotAbove));
        let flat = information(&outcome(100.0, &[&[100.0], &[100.0]]), None, 1.0);
        assert_eq!(flat.power.undefined, Some(Undefined::ZeroVariance));
        assert_eq!(flat.lag_one.undefined, Some(Undefined::TooFew));
    }

    #[test]
    fn beside_the_production_model() {
        let (new, base) = (noise(&normals(23, 200)), noise(&normals(24, 200)));
        let z = information(&new, Some(&base), 1.0).memmel_z.value.unwrap();
        assert_eq!(Some(z), memmel::z(&returns(&new), &returns(&base)));
        assert_eq!(
            information(&new, None, 1.0).memmel_z.undefined,
            Some(Undefined::NoBaseline)
        );
        assert_eq!(
            information(&new, Some(&new), 1.0).memmel_z.undefined,
            Some(Undefined::ZeroVariance)
        );
        let mut ruined = base;
        ruined.ruined = Some(UtcMillis(0));
        assert_eq!(
            information(&new, Some(&ruined), 1.0).memmel_z.undefined,
            Some(Undefined::Ruined)
        );
    }
}
