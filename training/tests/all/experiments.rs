//! The shipped experiments: what the demos ask for is met by skill on the market with an edge, and by nothing on the one without.

use backtest::metrics::measure_all;
use backtest::stats::trials::TrialStats;
use backtest::vote::{Circumstances, Facts, criteria, recommend};
use contracts::experiment::contract::ExperimentContract;
use contracts::production::Recommendation;
use serde_json::Value;
use training::synthetic::{Kind, SyntheticSpec, generate};

use super::{ideal, kit};

/// Seeds of markets that are looked at.
const SEEDS: u64 = 24;

#[test]
fn the_demos_differ_in_nothing_but_their_name_and_the_institutional_one_only_in_its_costs() {
    let without = |name: &str, fields: &[&str]| -> Value {
        let mut value = serde_json::to_value(kit::shipped(name).frozen).unwrap();
        value["experiment"] = Value::Null;
        for field in fields {
            *value.pointer_mut(field).unwrap() = Value::Null;
        }
        value
    };
    assert_eq!(without("demo_edge", &[]), without("demo_noise", &[]));
    let cost = ["/environment/transaction_cost_bps"];
    assert_eq!(
        without("usdcop_institutional", &cost),
        without("usdcop_ppo_baseline", &cost)
    );
    assert_eq!(
        kit::shipped("usdcop_institutional")
            .frozen
            .environment
            .transaction_cost_bps,
        5.0
    );
}

/// Annual Sharpe ratio and recommendation of the hand-written policy on the holdout of a market.
fn judged(contract: &ExperimentContract, kind: Kind, seed: u64) -> (f64, Recommendation) {
    let spec = SyntheticSpec::new(
        kind,
        seed,
        kit::usdcop(),
        kit::day("2022-01-03"),
        kit::day("2025-07-31"),
    );
    let market = generate(&spec, &contract.feature_contract).unwrap();
    let run = ideal::run(contract, &market, contract.frozen.data.test);
    let trials = TrialStats::new(1, 0, &[], run.sessions.len());
    let backtest::metrics::Measurement { metrics, resamples } = measure_all(&run, Some(&trials));
    let table = criteria(
        &contract.frozen.evaluation.success_criteria,
        &Facts {
            metrics: &metrics,
            resamples: resamples.as_ref(),
            sessions_per_year: run.sessions_per_year,
            baseline: None,
            drift: &[],
        },
    );
    let vote = recommend(
        &table,
        &Circumstances {
            look_ahead: None,
            ruined: false,
            self_test_passed: true,
            baseline: None,
            dsr: metrics.dsr.value,
        },
    );
    assert!(metrics.sessions >= 100, "{} sessions held out", metrics.sessions);
    (metrics.sharpe_ratio.value.unwrap(), vote.recommendation)
}

#[test]
fn skill_is_promoted_on_the_edge_and_the_same_policy_is_refused_on_noise() {
    let mut sharpes = [Vec::new(), Vec::new()];
    let mut promoted = [0, 0];
    for (at, (name, kind)) in [("demo_edge", Kind::Edge), ("demo_noise", Kind::Noise)]
        .into_iter()
        .enumerate()
    {
        let contract = kit::shipped(name);
        for seed in 0..SEEDS {
            let (sharpe, recommendation) = judged(&contract, kind, seed);
            sharpes[at].push(sharpe);
            promoted[at] += u64::from(recommendation == Recommendation::Promote);
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let [edge, noise] = &sharpes;
    assert!((7.0..10.0).contains(&mean(edge)), "{}: {edge:?}", mean(edge));
    // The deviation of an annual Sharpe ratio over half a year is about 1.4, that of the mean of 24 about 0.3.
    assert!(mean(noise).abs() < 1.2, "{}: {noise:?}", mean(noise));
    assert!(
        promoted[0] >= SEEDS - 1,
        "{} of {SEEDS} promoted: {edge:?}",
        promoted[0]
    );
    // A deflated Sharpe ratio of 0.95 by chance is one in twenty; three of 24 or more is one in eight, five one in a hundred.
    assert!(promoted[1] < 5, "{} of {SEEDS} promoted: {noise:?}", promoted[1]);
}
