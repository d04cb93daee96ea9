//! Rows of the table from figures of real runs.

use contracts::experiment::MIN_DSR_DEFAULT;
use contracts::ids::ModelId;

use super::*;
use crate::baseline::compare;
use crate::metrics::{Measurement, measure_all};
use crate::outcome::Outcome;
use crate::samples::{noise, normals};
use crate::stats::trials::TrialStats;

fn asked() -> SuccessCriteria {
    SuccessCriteria {
        min_sharpe: 0.5,
        max_drawdown: 0.15,
        min_win_rate: 0.45,
        min_trades: 50,
        improvement_threshold: 0.05,
        min_dsr: MIN_DSR_DEFAULT,
        min_psr: None,
        min_track_record: None,
        max_drawdown_upper95: None,
        min_p_better: None,
        max_psi: None,
    }
}

fn all_gates() -> SuccessCriteria {
    let gate = |value, severity| Some(Gate { value, severity });
    SuccessCriteria {
        min_psr: gate(0.9, Severity::Block),
        min_track_record: gate(1.0, Severity::Warn),
        max_drawdown_upper95: gate(0.2, Severity::Block),
        min_p_better: gate(0.9, Severity::Warn),
        max_psi: gate(0.25, Severity::Warn),
        ..asked()
    }
}

/// A run with a clear edge of `mean` percent per session.
fn edge(seed: u64, mean: f64, sessions: usize) -> Outcome {
    noise(
        &normals(seed, sessions)
            .iter()
            .map(|z| mean + z)
            .collect::<Vec<_>>(),
    )
}

fn measured(run: &Outcome) -> Measurement {
    measure_all(run, Some(&TrialStats::new(1, 0, &[], run.sessions.len())))
}

fn facts<'a>(
    m: &'a Measurement,
    baseline: Option<&'a BaselineComparison>,
    drift: &'a [FeatureDrift],
) -> Facts<'a> {
    Facts {
        metrics: &m.metrics,
        resamples: m.resamples.as_ref(),
        sessions_per_year: 256.0,
        baseline,
        drift,
    }
}

fn row(table: &[CriterionResult], name: Name) -> &CriterionResult {
    table
        .iter()
        .find(|row| row.name == name)
        .unwrap_or_else(|| panic!("{name:?} is not in the table"))
}

fn psi(feature: &str, value: f64) -> FeatureDrift {
    FeatureDrift {
        feature: feature.to_owned(),
        psi: Measured::new(value, Undefined::NoData),
    }
}

#[test]
fn the_default_table_of_a_good_run() {
    let m = measured(&edge(1, 0.25, 250));
    let table = criteria(&asked(), &facts(&m, None, &[]));
    let names: Vec<Name> = table.iter().map(|row| row.name).collect();
    assert_eq!(
        names,
        [
            Name::MinSharpe,
            Name::MaxDrawdown,
            Name::MinWinRate,
            Name::MinTrades,
            Name::MinDsr
        ]
    );
    assert!(table.iter().all(|row| row.passed), "{table:?}");
    let sharpe = row(&table, Name::MinSharpe);
    assert_eq!(
        (sharpe.actual, sharpe.ci95),
        (m.metrics.sharpe_ratio.value, m.metrics.sharpe_ratio.ci95)
    );
    assert!(sharpe.p_pass.unwrap() > 0.9 && sharpe.severity == Severity::Block);
    assert_eq!(row(&table, Name::MinTrades).p_pass, None);
    assert_eq!(row(&table, Name::MinTrades).actual, Some(250.0));
    assert_eq!(row(&table, Name::MinDsr).severity, Severity::Warn);
}

#[test]
fn chances_lie_on_the_side_of_the_figure() {
    for (seed, mean) in [(2, 0.3), (3, -0.3), (4, 0.03)] {
        let m = measured(&edge(seed, mean, 250));
        let table = criteria(&all_gates(), &facts(&m, None, &[psi("x", 0.1)]));
        for row in &table {
            let Some(p) = row.p_pass else { continue };
            assert!((0.0..=1.0).contains(&p));
            // Where the figure is clearly on one side, so are most resamples.
            let near = (0.2..0.8).contains(&p);
            assert!(
                near || row.passed == (p > 0.5) || row.name == Name::MaxDrawdownUpper95,
                "{row:?}"
            );
        }
    }
}

#[test]
fn the_chance_of_the_drawdown_is_the_share_within_it() {
    let m = measured(&edge(5, 0.05, 300));
    let limit = m.metrics.max_drawdown_upper95.value.unwrap();
    let criteria = criteria(
        &SuccessCriteria {
            max_drawdown: limit,
            ..asked()
        },
        &facts(&m, None, &[]),
    );
    let p = row(&criteria, Name::MaxDrawdown).p_pass.unwrap();
    assert!((p - 0.95).abs() < 1e-3, "{p}");
}

#[test]
fn improvement_needs_size_and_certainty() {
    let base = normals(6, 250);
    let id = || ModelId::parse("base-0123456789ab").unwrap();
    let against = |new: &[f64]| {
        let run = noise(new);
        (measured(&run), compare(&run, &noise(&base), id(), false).unwrap())
    };
    let noisy: Vec<f64> = base
        .iter()
        .zip(normals(7, 250))
        .map(|(b, e)| b + 0.3 + 0.2 * e)
        .collect();
    let (m, better) = against(&noisy);
    let table = criteria(&all_gates(), &facts(&m, Some(&better), &[]));
    let improved = row(&table, Name::ImprovementThreshold);
    assert!(improved.passed && improved.severity == Severity::Warn);
    assert!(row(&table, Name::MinPBetter).passed);
    // Large enough, but not sure enough.
    let unsure = BaselineComparison {
        p_better: Measured::new(0.79, Undefined::NoData),
        sharpe_improvement: Measured::new(0.5, Undefined::NoData),
        ..better.clone()
    };
    assert!(
        !row(
            &criteria(&asked(), &facts(&m, Some(&unsure), &[])),
            Name::ImprovementThreshold
        )
        .passed
    );
    let sure = BaselineComparison {
        p_better: Measured::new(P_BETTER_MIN, Undefined::NoData),
        sharpe_improvement: Measured::new(0.05, Undefined::NoData),
        ..better.clone()
    };
    assert!(
        row(
            &criteria(&asked(), &facts(&m, Some(&sure), &[])),
            Name::ImprovementThreshold
        )
        .passed
    );
    let small = BaselineComparison {
        sharpe_improvement: Measured::new(0.049, Undefined::NoData),
        ..sure
    };
    assert!(
        !row(
            &criteria(&asked(), &facts(&m, Some(&small), &[])),
            Name::ImprovementThreshold
        )
        .passed
    );
}

#[test]
fn a_null_figure_fails_for_certain() {
    let mut run = edge(8, 0.2, 100);
    run.ruined = Some(run.bars[99].bar.close_time);
    let m = measured(&run);
    let table = criteria(&all_gates(), &facts(&m, None, &[]));
    for name in [
        Name::MinSharpe,
        Name::MinDsr,
        Name::MinPsr,
        Name::MinTrackRecord,
        Name::MaxPsi,
    ] {
        let row = row(&table, name);
        assert_eq!(
            (row.actual, row.passed, row.p_pass),
            (None, false, None),
            "{name:?}"
        );
    }
    assert_eq!(row(&table, Name::MaxDrawdown).actual, Some(1.0));
    assert!(!row(&table, Name::MaxDrawdown).passed);
    // A run that lost has resamples, but no track record to be long enough: certain, not a chance.
    let lost = measured(&edge(9, -0.3, 200));
    let table = criteria(&all_gates(), &facts(&lost, None, &[]));
    assert_eq!(row(&table, Name::MinTrackRecord).p_pass, None);
    assert!(row(&table, Name::MinSharpe).p_pass.unwrap() < 0.1);
}

#[test]
fn the_largest_drift_counts_and_an_unknown_one_fails() {
    let m = measured(&edge(10, 0.2, 100));
    let of =
        |drift: &[FeatureDrift]| row(&criteria(&all_gates(), &facts(&m, None, drift)), Name::MaxPsi).clone();
    assert!(of(&[psi("a", 0.1), psi("b", 0.25)]).passed);
    let found = of(&[psi("a", 0.3), psi("b", 0.02)]);
    assert_eq!((found.passed, found.actual), (false, Some(0.3)));
    assert_eq!(of(&[psi("a", 0.1), psi("b", f64::NAN)]).actual, None);
    assert_eq!(of(&[]).actual, None);
}

#[test]
fn thresholds_are_inclusive() {
    let m = measured(&edge(11, 0.2, 100));
    let exact = SuccessCriteria {
        min_sharpe: m.metrics.sharpe_ratio.value.unwrap(),
        max_drawdown: m.metrics.max_drawdown.value.unwrap(),
        min_win_rate: m.metrics.win_rate.value.unwrap(),
        min_trades: 100,
        ..asked()
    };
    assert!(
        criteria(&exact, &facts(&m, None, &[]))[..4]
            .iter()
            .all(|row| row.passed)
    );
    let above = SuccessCriteria {
        min_trades: 101,
        ..exact
    };
    assert!(!row(&criteria(&above, &facts(&m, None, &[])), Name::MinTrades).passed);
}
