//! Two hundred policies without skill on one holdout: the plan's Sharpe gate alone lets many of them through, the default gates do not.
//!
//! The market is a driftless random walk of five-minute bars, each policy holds a random position for random lengths of time, and every one
//! of them is a look at the same window: its number and the Sharpe ratios before it deflate it, as the ledger would.

mod market;

use std::io::Write as _;

use backtest::metrics::measure_all;
use backtest::outcome::Outcome;
use backtest::stats::trials::TrialStats;
use backtest::vote::{Circumstances, Facts, criteria, recommend};
use contracts::evidence::{CriterionResult, Metrics};
use contracts::experiment::{MIN_DSR_DEFAULT, SuccessCriteria};
use contracts::production::Recommendation;

use self::market::{SESSIONS_PER_YEAR, Walk};

const POLICIES: u32 = 200;

/// The plan's thresholds.
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

/// How many of the policies got where.
#[derive(Debug, Default)]
struct Tally {
    clear_sharpe: u32,
    clear_plan: u32,
    /// Would be promoted if each were the only attempt.
    alone: u32,
    promote: u32,
    review: u32,
    reject: u32,
}

impl Tally {
    fn row(&self, cost: &str) -> String {
        let percent = |count: u32| f64::from(count) * 100.0 / f64::from(POLICIES);
        format!(
            "{cost:>7} {:>10.1}% {:>12.1}% {:>9.1}% {:>9.1}% {:>8.1}% {:>8.1}%",
            percent(self.clear_sharpe),
            percent(self.clear_plan),
            percent(self.alone),
            percent(self.promote),
            percent(self.review),
            percent(self.reject)
        )
    }
}

/// The vote on one run as the last of these looks.
fn look(run: &Outcome, sharpes: &[f64], number: u32) -> (Vec<CriterionResult>, Metrics, Recommendation) {
    let trials = TrialStats::new(number, 0, sharpes, run.sessions.len());
    let measured = measure_all(run, Some(&trials));
    let facts = Facts {
        metrics: &measured.metrics,
        resamples: measured.resamples.as_ref(),
        sessions_per_year: SESSIONS_PER_YEAR,
        baseline: None,
        drift: &[],
    };
    let table = criteria(&asked(), &facts);
    let circumstances = Circumstances {
        look_ahead: None,
        ruined: run.ruined.is_some(),
        self_test_passed: true,
        baseline: None,
        dsr: measured.metrics.dsr.value,
    };
    let recommendation = recommend(&table, &circumstances).recommendation;
    (table, measured.metrics, recommendation)
}

/// All policies, one look after the other, and the Sharpe ratios they left in the ledger.
fn vote(walk: &Walk, cost_bps: f64) -> (Tally, Vec<f64>) {
    let (mut tally, mut sharpes) = (Tally::default(), Vec::new());
    for policy in 0..POLICIES {
        let run = walk.run(policy, cost_bps, 0.0);
        sharpes.extend(sharpe(&run));
        let (table, metrics, recommendation) = look(&run, &sharpes, policy + 1);
        let plan = table[..4].iter().all(|row| row.passed);
        tally.clear_sharpe += u32::from(table[0].passed);
        tally.clear_plan += u32::from(plan);
        // One attempt deflates nothing: its DSR is the PSR.
        tally.alone += u32::from(plan && metrics.psr.value.is_some_and(|psr| psr >= MIN_DSR_DEFAULT.value));
        match recommendation {
            Recommendation::Promote => tally.promote += 1,
            Recommendation::Review => tally.review += 1,
            Recommendation::Reject => tally.reject += 1,
        }
    }
    (tally, sharpes)
}

/// Sharpe ratio per session, as the ledger stores it with each look.
fn sharpe(run: &Outcome) -> Option<f64> {
    let returns: Vec<f64> = run.sessions.iter().map(|session| session.value).collect();
    let moments = backtest::stats::sharpe::moments(&returns).ok()?;
    run.ruined.is_none().then(|| moments.sharpe())
}

#[test]
fn luck_passes_the_sharpe_gate_and_not_the_vote() {
    let mut report = format!(
        "\n{POLICIES} policies without skill on one holdout of {} sessions\n{:>7} {:>11} {:>13} {:>10} {:>10} {:>9} {:>9}\n",
        market::SESSIONS,
        "cost",
        "min_sharpe",
        "plan's four",
        "if alone",
        "PROMOTE",
        "REVIEW",
        "REJECT"
    );
    for seed in 1..=3 {
        let (free, sharpes) = vote(&Walk::new(seed), 0.0);
        report += &format!("holdout {seed}\n{}\n", free.row("0 bps"));
        assert!(free.clear_sharpe * 4 >= POLICIES, "holdout {seed}: {free:?}");
        assert!(free.promote * 20 <= POLICIES, "holdout {seed}: {free:?}");
        assert!(
            free.alone > free.promote,
            "the number of looks is what holds them back: {free:?}"
        );
        // The gate is strict, not shut: the next look is by a policy that knows something.
        let informed = Walk::new(seed).run(POLICIES, 0.0, 0.5);
        let next = [sharpes, sharpe(&informed).into_iter().collect()].concat();
        let (table, _, recommendation) = look(&informed, &next, POLICIES + 1);
        assert_eq!(
            recommendation,
            Recommendation::Promote,
            "holdout {seed}: {table:?}"
        );
    }
    let (paid, _) = vote(&Walk::new(1), 75.0);
    report += &format!("holdout 1, the plan's costs\n{}\n", paid.row("75 bps"));
    assert!(paid.promote * 20 <= POLICIES, "{paid:?}");
    std::io::stderr()
        .write_all(report.as_bytes())
        .expect("standard error is open");
}
