//! Something to vote on: an experiment, a registered model and a proposal, written straight into the store. The bytes behind the
//! artifacts are no model; what is tested with these is who may move what, not what a model does.

use std::path::Path;

use contracts::action::{ActionKind, PositionSource};
use contracts::evidence::{
    BaselineComparison, Candidate, Causality, CriterionName, CriterionResult, Defect, Evidence, EvidenceV1,
    ExecutionCounts, ExecutionSettings, Holdout, Looks, Measured, Metrics, Undefined,
};
use contracts::experiment::{Experiment, FillRule, OvernightRule, Severity};
use contracts::hash::Digest;
use contracts::ids::{ModelId, ProposalId, SlotId};
use contracts::production::{ActionBinding, FirstVote, Recommendation, Signed};
use contracts::time::{DayNumber, UtcMillis};
use control::app::App;
use control::audit::Action;
use control::store::{EvidenceRow, ExperimentRow, ModelRow, ProposalRow, ProposalStatus};

use super::rows::{Pieces, keep_experiment, keep_model, note};

const DAY_MS: i64 = 86_400_000;

fn features() -> contracts::features::FeatureContract {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/features/technical_8.yaml");
    contracts::features::load_contract(&path).unwrap()
}

fn frozen() -> Experiment {
    serde_json::from_value(serde_json::json!({
        "experiment": {"name": "sample", "version": "1.0.0"},
        "slot": "usdcop-5m",
        "data": {"instrument": "USDCOP", "calendar": "crypto_24x7",
            "train": {"start": "2020-03-01", "end": "2024-12-31"},
            "validation": {"start": "2025-01-01", "end": "2025-06-30"},
            "test": {"start": "2025-07-01", "end": "2025-12-31"}},
        "features": {"contract": "technical_8", "version": "1.0.0"},
        "training": {"trainer": "command", "command": ["true"], "seed": 42},
        "reward": {"weights": {"pnl": 1.0}},
        "evaluation": {"success_criteria": {"min_sharpe": 0.5, "max_drawdown": 0.15, "min_win_rate": 0.45,
            "min_trades": 50, "improvement_threshold": 0.05}}
    }))
    .unwrap()
}

/// The experiment `sample`, registered by `author`.
pub async fn experiment(app: &App, author: &str) -> ExperimentRow {
    keep_experiment(app, frozen(), features(), author).await
}

/// A model of its own per `seed`, registered by `author`.
pub async fn model(app: &App, experiment: &ExperimentRow, author: &str, seed: u32) -> ModelRow {
    let put = |what: &str| app.artifacts.put(format!("{what} {seed}").as_bytes()).unwrap();
    let action = ActionBinding {
        rule: ActionKind::Continuous.default_rule(),
        output: "53".to_owned(),
        position_source: PositionSource::Signal,
    };
    let pieces = Pieces {
        model_hash: Digest::from_bytes(*put("model").as_bytes()),
        exec: put("exec"),
        norm_stats_artifact: put("stats"),
        norm_stats_hash: Digest::of(format!("stats {seed}").as_bytes()),
        golden: put("golden"),
        action,
        declared_trials: 0,
    };
    keep_model(app, experiment, pieces, author).await
}

fn metrics() -> Metrics {
    let some = |value| Measured::new(value, Undefined::TooFew);
    Metrics {
        sharpe_ratio: some(1.2),
        sharpe_per_session: some(0.075),
        sortino_ratio: some(1.7),
        calmar_ratio: some(2.0),
        max_drawdown: some(0.06),
        max_drawdown_upper95: some(0.11),
        max_drawdown_duration_bars: 900,
        total_return: some(0.05),
        win_rate: some(0.52),
        profit_factor: some(1.3),
        total_trades: 140,
        avg_trade_pnl: some(36.0),
        expectancy: some(0.2),
        exposure: some(0.4),
        turnover: some(280.0),
        cost_share: some(0.3),
        break_even_cost_bps: some(110.0),
        skewness: some(-0.2),
        kurtosis: some(4.1),
        psr: some(0.97),
        dsr: some(0.96),
        min_track_record_sessions: some(120.0),
        test_period_start: DayNumber::parse("2025-07-01").unwrap(),
        test_period_end: DayNumber::parse("2025-12-31").unwrap(),
        sessions: 184,
    }
}

/// What a test changes in a proposal before it is stored.
pub struct Shape {
    pub recommendation: Recommendation,
    pub not_overridable: Option<Defect>,
    pub baseline: Option<ModelId>,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            recommendation: Recommendation::Promote,
            not_overridable: None,
            baseline: None,
        }
    }
}

/// An open proposal for `model`, number `n` of that model.
pub async fn proposal(app: &App, model: &ModelRow, n: u32, shape: Shape) -> ProposalRow {
    let evidence = evidence(model, &shape);
    let digest = evidence.digest().unwrap();
    let proposal_id = ProposalId::parse(&format!("PROP-{}-{n}", model.model_id)).unwrap();
    let at: UtcMillis = app.now();
    let first = FirstVote {
        proposal_id: proposal_id.clone(),
        evidence_digest: digest,
        model_id: model.model_id.clone(),
        bundle_hash: model.bundle_hash,
        slot: model.slot.clone(),
        baseline_model_id: shape.baseline.clone(),
        recommendation: shape.recommendation,
        issued_at: at,
    };
    let row = ProposalRow {
        proposal_id: proposal_id.clone(),
        model_id: model.model_id.clone(),
        experiment_name: model.experiment_name.clone(),
        slot: model.slot.clone(),
        revision: 1,
        evidence_digest: digest,
        recommendation: shape.recommendation,
        confidence: Some(0.96),
        reason: "all criteria are met".to_owned(),
        not_overridable: shape.not_overridable,
        metrics: evidence.metrics.clone(),
        vs_baseline: evidence.baseline.clone(),
        baseline_model_id: shape.baseline,
        criteria_results: evidence.criteria.clone(),
        lineage: serde_json::json!({}),
        status: ProposalStatus::PendingApproval,
        reviewer: None,
        reviewer_notes: None,
        reviewed_at: None,
        deploy_by: None,
        created_at: at,
        expires_at: at.plus_ms(7 * DAY_MS),
    };
    let shown = EvidenceRow {
        revision: 1,
        evidence,
        evidence_digest: digest,
        first_vote: Signed::new(first, app.keys.first_vote()).unwrap(),
    };
    let mut tx = app.store.begin().await.unwrap();
    tx.insert_proposal(&row).await.unwrap();
    tx.insert_evidence(&proposal_id, &shown, at).await.unwrap();
    note(app, &mut tx, Action::Proposed, &proposal_id).await;
    tx.commit().await.unwrap();
    row
}

/// A table that gives the recommendation of `shape`.
fn criteria(shape: &Shape) -> Vec<CriterionResult> {
    let rejected = shape.recommendation == Recommendation::Reject && shape.not_overridable.is_none();
    let row = |name, threshold, actual, passed, severity| CriterionResult {
        name,
        threshold,
        actual: Some(actual),
        ci95: None,
        p_pass: None,
        passed,
        severity,
    };
    let block = Severity::Block;
    let improved = shape.recommendation != Recommendation::Review;
    vec![
        row(CriterionName::MinSharpe, 0.5, 1.2, !rejected, block),
        row(CriterionName::MaxDrawdown, 0.15, 0.06, true, block),
        row(CriterionName::MinWinRate, 0.45, 0.52, true, block),
        row(CriterionName::MinTrades, 50.0, 140.0, true, block),
        row(
            CriterionName::ImprovementThreshold,
            0.05,
            0.2,
            improved,
            Severity::Warn,
        ),
    ]
}

fn evidence(model: &ModelRow, shape: &Shape) -> Evidence {
    let some = |value| Measured::new(value, Undefined::TooFew);
    let mut metrics = metrics();
    if shape.not_overridable == Some(Defect::Ruined) {
        metrics.sharpe_ratio = Measured::none(Undefined::Ruined);
    }
    let baseline = shape.baseline.clone().map(|baseline| BaselineComparison {
        baseline_model_id: baseline,
        fingerprint: Digest::of(b"base run"),
        metrics: metrics.clone(),
        in_sample: false,
        delta_sharpe: some(0.4),
        p_better: some(0.97),
        sharpe_improvement: some(0.2),
    });
    Evidence {
        schema_version: EvidenceV1,
        candidate: Candidate {
            model_id: model.model_id.clone(),
            bundle_hash: model.bundle_hash,
            model_hash: model.model_hash,
            exec_hash: model.exec_hash,
            norm_stats_hash: model.norm_stats_hash,
            feature_contract_hash: model.feature_contract_hash,
            dataset_hash: None,
            contract_id: model.contract_id.clone(),
            config_hash: model.config_hash,
        },
        slot: SlotId::parse("usdcop-5m").unwrap(),
        holdout: Holdout {
            instrument: "USDCOP".parse().unwrap(),
            first_session: DayNumber::parse("2025-07-01").unwrap(),
            last_session: DayNumber::parse("2025-12-31").unwrap(),
            sessions: 184,
            bars: 52_992,
            market_hash: Digest::of(b"market"),
            sources: None,
        },
        settings: ExecutionSettings {
            initial_capital: 100_000.0,
            position_size: 1.0,
            transaction_cost_bps: 75.0,
            slippage_bps: 0.0,
            fill: FillRule::NextOpen,
            latency_bars: 1,
            overnight: OvernightRule::Hold,
            stale_after_bars: 12,
            position_source: PositionSource::Signal,
        },
        fingerprint: Digest::of(b"run"),
        counts: ExecutionCounts::default(),
        metrics,
        criteria: criteria(shape),
        baseline,
        looks: Looks {
            number: 1,
            declared: 0,
            trials: 1,
            variance: Measured::none(Undefined::TooFew),
            expected_maximum: Measured::new(0.0, Undefined::TooFew),
        },
        causality: Causality {
            cuts: 32,
            look_ahead: (shape.not_overridable == Some(Defect::LookAhead)).then(|| "bar 12".to_owned()),
        },
        self_test_passed: shape.not_overridable != Some(Defect::SelfTest),
        drift: Vec::new(),
        more_tests: Vec::new(),
        caveats: vec!["carry is ignored".to_owned()],
    }
}
