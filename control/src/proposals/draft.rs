//! From a run to what both votes are about.

use backtest::metrics::measure_all;
use backtest::outcome::Outcome;
use backtest::stats::trials::TrialStats;
use backtest::vote::{Facts, criteria};
use contracts::evidence::{
    BaselineComparison, Causality, Evidence, EvidenceV1, FeatureDrift, Holdout, MarketHash, MoreTest,
};
use contracts::experiment::FillRule;
use contracts::hash::ArtifactHash;
use serde_json::{Value, json};

use super::measure::Setting;
use super::subject::Subject;

/// What is known beside the run itself.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub market_hash: MarketHash,
    pub sources: Option<ArtifactHash>,
    pub baseline: Option<BaselineComparison>,
    pub causality: Causality,
    pub drift: Vec<FeatureDrift>,
    pub more_tests: Vec<MoreTest>,
}

impl Known {
    /// What an earlier revision knew.
    pub fn from(evidence: Evidence) -> Self {
        Self {
            market_hash: evidence.holdout.market_hash,
            sources: evidence.holdout.sources,
            baseline: evidence.baseline,
            causality: evidence.causality,
            drift: evidence.drift,
            more_tests: evidence.more_tests,
        }
    }
}

/// The evidence of a run at this many trials. Resampling takes a second: not for an async thread.
pub(super) fn draft(setting: &Setting, outcome: &Outcome, known: Known, trials: &TrialStats) -> Evidence {
    let subject = &setting.subject;
    let measured = measure_all(outcome, Some(trials));
    let asked = &subject.experiment.frozen.evaluation.success_criteria;
    let table = criteria(
        asked,
        &Facts {
            metrics: &measured.metrics,
            resamples: measured.resamples.as_ref(),
            sessions_per_year: outcome.sessions_per_year,
            baseline: known.baseline.as_ref(),
            drift: &known.drift,
        },
    );
    Evidence {
        schema_version: EvidenceV1,
        candidate: subject.identity(),
        slot: subject.model.slot.clone(),
        holdout: Holdout {
            instrument: outcome.instrument.clone(),
            first_session: measured.metrics.test_period_start,
            last_session: measured.metrics.test_period_end,
            sessions: measured.metrics.sessions,
            bars: outcome.bars.len() as u64,
            market_hash: known.market_hash,
            sources: known.sources,
        },
        settings: outcome.settings,
        fingerprint: outcome.fingerprint,
        counts: outcome.counts.clone(),
        criteria: table,
        metrics: measured.metrics,
        baseline: known.baseline,
        looks: trials.looks(),
        causality: known.causality,
        self_test_passed: subject.self_test_passed,
        drift: known.drift,
        more_tests: known.more_tests,
        caveats: caveats(outcome, trials),
    }
}

/// What the figures leave out, in words.
fn caveats(outcome: &Outcome, trials: &TrialStats) -> Vec<String> {
    let mut said =
        vec!["carry is ignored: what a position costs or earns over a night is in no figure".to_owned()];
    if outcome.settings.fill == FillRule::SameClose {
        said.push(
            "orders fill at the close they were decided on, which nobody can: for comparison only".to_owned(),
        );
    }
    let counts = &outcome.counts;
    if counts.flat_bar_fills > 0 {
        let fills = counts.flat_bar_fills;
        said.push(format!(
            "{fills} fills on bars with one price only: the spread of such a bar is unknown"
        ));
    }
    if counts.delayed_fills > 0 {
        let fills = counts.delayed_fills;
        said.push(format!("{fills} fills waited for a bar that is not stale"));
    }
    if trials.declared > 0 {
        let declared = trials.declared;
        said.push(format!(
            "{declared} trials were declared at the registration, not counted here"
        ));
    }
    said
}

/// Hashes behind a proposal, for lists.
pub(super) fn lineage(
    subject: &Subject,
    evidence: &Evidence,
    backtest: &str,
    baseline: Option<&str>,
) -> Value {
    let model = &subject.model;
    json!({
        "contract_id": model.contract_id, "config_hash": model.config_hash, "bundle_hash": model.bundle_hash,
        "model_hash": model.model_hash, "norm_stats_hash": model.norm_stats_hash,
        "feature_contract_hash": model.feature_contract_hash, "feature_order_hash": model.feature_order_hash,
        "dataset_hash": model.dataset_hash, "training_run": model.training_run,
        "market_hash": evidence.holdout.market_hash, "market_sources": evidence.holdout.sources,
        "fingerprint": evidence.fingerprint, "backtest_id": backtest,
        "baseline_backtest_id": baseline,
    })
}
