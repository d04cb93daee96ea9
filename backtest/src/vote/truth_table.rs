//! Every combination of what can be met and missed, against the rule written down a second time.

use contracts::evidence::{CriterionName, CriterionResult};
use contracts::experiment::Severity;
use contracts::production::Recommendation::{self, Promote, Reject, Review};

use super::Defect;
use super::recommend::{Beside, Circumstances, recommend};

/// One combination, each flag a bit.
#[derive(Debug, Clone, Copy)]
struct Case {
    /// Of the plan's four, which are failed.
    plan_failed: [bool; 4],
    /// An optional gate with severity block: absent, met, failed.
    optional_block: Option<bool>,
    /// `min_dsr` (severity warn) is met.
    dsr_met: bool,
    /// An optional gate with severity warn: absent, met, failed.
    optional_warn: Option<bool>,
    /// No baseline, improvement met, improvement missed.
    improvement: Option<bool>,
    in_sample: bool,
    look_ahead: bool,
    ruined: bool,
    self_test_passed: bool,
}

const THREE: [Option<bool>; 3] = [None, Some(true), Some(false)];
const PLAN: [(CriterionName, Option<f64>); 4] = [
    (CriterionName::MinSharpe, Some(0.3)),
    (CriterionName::MaxDrawdown, Some(0.1)),
    (CriterionName::MinWinRate, Some(0.45)),
    (CriterionName::MinTrades, None),
];
const OPTIONAL_BLOCK_CHANCE: f64 = 0.2;
const DSR: f64 = 0.96;
const P_BETTER: f64 = 0.85;

fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for bits in 0_u32..1 << 9 {
        let bit = |at: u32| bits >> at & 1 == 1;
        for optional_block in THREE {
            for optional_warn in THREE {
                for improvement in THREE {
                    cases.push(Case {
                        plan_failed: [bit(0), bit(1), bit(2), bit(3)],
                        optional_block,
                        dsr_met: bit(4),
                        optional_warn,
                        improvement,
                        in_sample: bit(5),
                        look_ahead: bit(6),
                        ruined: bit(7),
                        self_test_passed: bit(8),
                    });
                }
            }
        }
    }
    cases
}

fn row(name: CriterionName, severity: Severity, passed: bool, p_pass: Option<f64>) -> CriterionResult {
    CriterionResult {
        name,
        threshold: 1.0,
        actual: Some(if passed { 2.0 } else { 0.5 }),
        ci95: None,
        p_pass,
        passed,
        severity,
    }
}

fn table(case: &Case) -> Vec<CriterionResult> {
    let mut rows: Vec<CriterionResult> = PLAN
        .iter()
        .zip(case.plan_failed)
        .map(|((name, p), failed)| row(*name, Severity::Block, !failed, *p))
        .collect();
    if let Some(met) = case.improvement {
        rows.push(row(
            CriterionName::ImprovementThreshold,
            Severity::Warn,
            met,
            Some(P_BETTER),
        ));
    }
    rows.push(row(CriterionName::MinDsr, Severity::Warn, case.dsr_met, None));
    if let Some(met) = case.optional_block {
        rows.push(row(
            CriterionName::MinPsr,
            Severity::Block,
            met,
            Some(OPTIONAL_BLOCK_CHANCE),
        ));
    }
    if let Some(met) = case.optional_warn {
        rows.push(row(CriterionName::MaxPsi, Severity::Warn, met, None));
    }
    rows
}

fn circumstances(case: &Case) -> Circumstances<'static> {
    Circumstances {
        look_ahead: case.look_ahead.then_some("the observation at bar 7 changed"),
        ruined: case.ruined,
        self_test_passed: case.self_test_passed,
        baseline: case.improvement.map(|_| Beside {
            in_sample: case.in_sample,
            p_better: Some(P_BETTER),
        }),
        dsr: Some(DSR),
    }
}

/// The rule, written from the specification and not from the code.
fn expected(case: &Case) -> (Recommendation, f64, Option<Defect>) {
    let defect = match (case.look_ahead, case.ruined, case.self_test_passed) {
        (true, _, _) => Some(Defect::LookAhead),
        (_, true, _) => Some(Defect::Ruined),
        (_, _, false) => Some(Defect::SelfTest),
        _ => None,
    };
    if defect.is_some() {
        return (Reject, 1.0, defect);
    }
    let mut chances: Vec<f64> = Vec::new();
    if case.plan_failed[3] {
        // Too few trades are too few in every resample.
        return (Reject, 1.0, None);
    }
    for (at, (_, p)) in PLAN.iter().enumerate().take(3) {
        if case.plan_failed[at] {
            chances.push(p.unwrap());
        }
    }
    if case.optional_block == Some(false) {
        chances.push(OPTIONAL_BLOCK_CHANCE);
    }
    if !chances.is_empty() {
        chances.sort_by(f64::total_cmp);
        return (Reject, 1.0 - chances.last().unwrap(), None);
    }
    let warned = !case.dsr_met
        || case.optional_warn == Some(false)
        || case.improvement == Some(false)
        || (case.improvement.is_some() && case.in_sample);
    match (warned, case.improvement.is_some()) {
        (true, true) => (Review, P_BETTER, None),
        (true, false) => (Review, DSR, None),
        (false, true) => (Promote, P_BETTER.min(DSR), None),
        (false, false) => (Promote, DSR, None),
    }
}

#[test]
fn every_combination() {
    let cases = all();
    assert_eq!(cases.len(), 512 * 27);
    let mut seen = [0_u32; 3];
    for case in &cases {
        let found = recommend(&table(case), &circumstances(case));
        let (recommendation, confidence, defect) = expected(case);
        assert_eq!(found.recommendation, recommendation, "{case:?}");
        assert!(
            (found.confidence.unwrap() - confidence).abs() < 1e-15,
            "{case:?}: {found:?}"
        );
        assert_eq!(found.not_overridable, defect, "{case:?}");
        seen[recommendation as usize] += 1;
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

#[test]
fn the_reason_names_what_is_missed_and_nothing_else() {
    for case in all() {
        let found = recommend(&table(&case), &circumstances(&case));
        let missed = [
            ("min_sharpe:", case.plan_failed[0]),
            ("max_drawdown:", case.plan_failed[1]),
            ("min_win_rate:", case.plan_failed[2]),
            ("min_trades:", case.plan_failed[3]),
            ("min_psr:", case.optional_block == Some(false)),
            ("min_dsr:", !case.dsr_met),
            ("max_psi:", case.optional_warn == Some(false)),
            ("improvement_threshold:", case.improvement == Some(false)),
            ("in_sample:", case.improvement.is_some() && case.in_sample),
            ("look_ahead:", case.look_ahead),
            ("ruined:", case.ruined),
            ("self_test:", !case.self_test_passed),
        ];
        for (word, missed) in missed {
            assert_eq!(
                found.reason.contains(word),
                missed,
                "{word} {case:?}: {}",
                found.reason
            );
        }
        assert!(!found.reason.is_empty());
    }
}

#[test]
fn a_table_that_lacks_a_criterion_never_promotes() {
    let good = Case {
        plan_failed: [false; 4],
        optional_block: None,
        dsr_met: true,
        optional_warn: None,
        improvement: Some(true),
        in_sample: false,
        look_ahead: false,
        ruined: false,
        self_test_passed: true,
    };
    let whole = table(&good);
    assert_eq!(recommend(&whole, &circumstances(&good)).recommendation, Promote);
    for at in 0..5 {
        let mut rows = whole.clone();
        let gone = rows.remove(at);
        let found = recommend(&rows, &circumstances(&good));
        let expected = if gone.name == CriterionName::ImprovementThreshold {
            Review
        } else {
            Reject
        };
        assert_eq!(found.recommendation, expected, "{gone:?}");
        assert!(found.reason.contains("not in the table"), "{}", found.reason);
    }
    assert_eq!(recommend(&[], &circumstances(&good)).recommendation, Reject);
}

#[test]
fn an_undefined_figure_gives_no_confidence() {
    let case = all()
        .into_iter()
        .find(|case| case.improvement == Some(false) && case.self_test_passed);
    let case = Case {
        plan_failed: [false; 4],
        optional_block: None,
        ..case.unwrap()
    };
    let mut given = circumstances(&case);
    given.baseline = Some(Beside {
        in_sample: false,
        p_better: None,
    });
    let found = recommend(&table(&case), &given);
    assert_eq!((found.recommendation, found.confidence), (Review, None));
}
