//! The candidate beside the slot's production model, both run on the same bars, costs and build.

use contracts::evidence::{BaselineComparison, ExecutionSettings, Interval, Measured, Undefined};
use contracts::ids::{InstrumentId, ModelId};

use crate::limits::{BOOTSTRAP_RESAMPLES, RELATIVE_BASE_MIN};
use crate::metrics::measure;
use crate::outcome::Outcome;
use crate::stats::bootstrap::seed;
use crate::stats::paired::{Paired, paired};
use crate::stats::sharpe::annual;

/// Why two runs cannot be compared: run the baseline again with the candidate's market, window and settings.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CompareError {
    /// They traded different instruments.
    #[error("the candidate ran on {new}, the baseline on {base}")]
    Instrument {
        /// The candidate's.
        new: InstrumentId,
        /// The baseline's.
        base: InstrumentId,
    },
    /// They filled orders or paid for them differently.
    #[error("candidate and baseline ran with different execution settings: {new:?} and {base:?}")]
    Settings {
        /// The candidate's.
        new: Box<ExecutionSettings>,
        /// The baseline's.
        base: Box<ExecutionSettings>,
    },
    /// They ran over different sessions.
    #[error("candidate and baseline ran over different sessions: {new} and {base} of them, or other dates")]
    Sessions {
        /// The candidate's.
        new: usize,
        /// The baseline's.
        base: usize,
    },
}

/// Compares two runs session by session; `in_sample` says that the baseline's train or validation window reaches into the holdout.
///
/// Where one of the two was ruined or has no Sharpe ratio, the comparison is undefined, and an improvement is then missed.
///
/// # Errors
/// [`CompareError`] when the runs are not of the same sessions, instrument and settings.
pub fn compare(
    new: &Outcome,
    base: &Outcome,
    baseline_model_id: ModelId,
    in_sample: bool,
) -> Result<BaselineComparison, CompareError> {
    comparable(new, base)?;
    let metrics = measure(base, None);
    let found = difference(new, base);
    let annual_of = |per_session| annual(per_session, new.sessions_per_year);
    let measured = |figure: &dyn Fn(&Paired) -> f64| match &found {
        Ok(paired) => Measured::new(figure(paired), Undefined::NoData),
        Err(why) => Measured::none(*why),
    };
    let interval = found
        .as_ref()
        .ok()
        .and_then(|paired| paired.ci95)
        .map(|ci| Interval {
            low: annual_of(ci.low),
            high: annual_of(ci.high),
        });
    let delta = measured(&|paired| annual_of(paired.delta)).with_interval(interval);
    let sharpe_improvement = match (delta.value, metrics.sharpe_ratio.value) {
        (Some(delta), Some(base)) => Measured::new(improvement(delta, base), Undefined::NoData),
        _ => delta.with_interval(None),
    };
    Ok(BaselineComparison {
        baseline_model_id,
        fingerprint: base.fingerprint,
        in_sample,
        delta_sharpe: delta,
        p_better: measured(&|paired| paired.p_better),
        sharpe_improvement,
        metrics,
    })
}

/// (new − base)/base where base ≥ [`RELATIVE_BASE_MIN`], else new − base: a ratio to something near 0 or negative says nothing.
fn improvement(delta: f64, base: f64) -> f64 {
    if base >= RELATIVE_BASE_MIN {
        delta / base
    } else {
        delta
    }
}

fn comparable(new: &Outcome, base: &Outcome) -> Result<(), CompareError> {
    if new.instrument != base.instrument {
        return Err(CompareError::Instrument {
            new: new.instrument.clone(),
            base: base.instrument.clone(),
        });
    }
    if new.settings != base.settings {
        return Err(CompareError::Settings {
            new: Box::new(new.settings),
            base: Box::new(base.settings),
        });
    }
    let dates = |run: &Outcome| -> Vec<_> { run.sessions.iter().map(|session| session.session).collect() };
    if dates(new) != dates(base) {
        return Err(CompareError::Sessions {
            new: new.sessions.len(),
            base: base.sessions.len(),
        });
    }
    Ok(())
}

fn difference(new: &Outcome, base: &Outcome) -> Result<Paired, Undefined> {
    if new.ruined.is_some() || base.ruined.is_some() {
        return Err(Undefined::Ruined);
    }
    if new.sessions.len() < 2 {
        return Err(Undefined::TooFew);
    }
    let returns = |run: &Outcome| -> Vec<f64> { run.sessions.iter().map(|session| session.value).collect() };
    let seed = seed(&new.fingerprint);
    paired(&returns(new), &returns(base), seed, BOOTSTRAP_RESAMPLES).ok_or(Undefined::ZeroVariance)
}

#[cfg(test)]
mod tests {
    use contracts::time::UtcMillis;

    use super::*;
    use crate::samples::{noise, normals};

    fn id() -> ModelId {
        ModelId::parse("base-0123456789ab").unwrap()
    }

    #[test]
    fn better_on_the_same_sessions() {
        let returns = normals(1, 250);
        let better: Vec<f64> = returns
            .iter()
            .zip(normals(2, 250))
            .map(|(r, e)| r + 0.2 + 0.2 * e)
            .collect();
        let (new, base) = (noise(&better), noise(&returns));
        let found = compare(&new, &base, id(), false).unwrap();
        let sharpe = |run: &Outcome| measure(run, None).sharpe_ratio.value.unwrap();
        let delta = found.delta_sharpe.value.unwrap();
        assert!((delta - (sharpe(&new) - sharpe(&base))).abs() < 1e-9);
        assert!(found.p_better.value.unwrap() > 0.95);
        assert!(found.delta_sharpe.ci95.unwrap().low > 0.0);
        assert_eq!(found.fingerprint, base.fingerprint);
        let expected = improvement(delta, sharpe(&base));
        assert_eq!(found.sharpe_improvement.value, Some(expected));
        assert!(compare(&base, &new, id(), true).unwrap().in_sample);
    }

    #[test]
    fn relative_only_to_a_base_worth_it() {
        assert_eq!(improvement(0.1, 0.25), 0.4);
        assert_eq!(improvement(0.1, 0.249), 0.1);
        assert_eq!(improvement(0.1, -2.0), 0.1);
    }

    #[test]
    fn the_same_model_improves_nothing() {
        let run = noise(&normals(3, 100));
        let found = compare(&run, &run, id(), false).unwrap();
        assert_eq!(
            (found.delta_sharpe.value, found.p_better.value),
            (Some(0.0), Some(0.0))
        );
        assert_eq!(found.sharpe_improvement.value, Some(0.0));
    }

    #[test]
    fn ruin_on_either_side_leaves_nothing_to_compare() {
        let (run, mut ruined) = (noise(&normals(4, 100)), noise(&normals(5, 100)));
        ruined.ruined = Some(UtcMillis(0));
        for (new, base) in [(&run, &ruined), (&ruined, &run)] {
            let found = compare(new, base, id(), false).unwrap();
            for figure in [found.delta_sharpe, found.p_better, found.sharpe_improvement] {
                assert_eq!(figure, Measured::none(Undefined::Ruined));
            }
        }
        let idle = noise(&[0.0; 100]);
        let found = compare(&run, &idle, id(), false).unwrap();
        assert_eq!(found.p_better, Measured::none(Undefined::ZeroVariance));
    }

    #[test]
    fn other_sessions_settings_or_instruments_are_refused() {
        let run = noise(&normals(6, 20));
        let shorter = noise(&normals(6, 19));
        let error = compare(&run, &shorter, id(), false).unwrap_err();
        assert_eq!(error, CompareError::Sessions { new: 20, base: 19 });
        let mut dearer = run.clone();
        dearer.settings.slippage_bps = 1.0;
        assert!(matches!(
            compare(&run, &dearer, id(), false),
            Err(CompareError::Settings { .. })
        ));
        let mut other = run.clone();
        other.instrument = InstrumentId::parse("OTHER").unwrap();
        assert!(matches!(
            compare(&run, &other, id(), false),
            Err(CompareError::Instrument { .. })
        ));
    }
}
