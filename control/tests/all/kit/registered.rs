//! A model that can be run, as a registration leaves it, and a generated market to run it on.

use std::path::Path;
use std::sync::Arc;

use contracts::action::{ActionRule, PositionSource};
use contracts::bar::{Bar, Stamp};
use contracts::experiment::Experiment;
use contracts::features::{FeatureContract, load_contract};
use contracts::files::write_bars_csv;
use contracts::golden::Golden;
use contracts::hash::Digest;
use contracts::ids::InstrumentId;
use contracts::norm_stats::NormStats;
use contracts::numerics::Executor;
use contracts::production::ActionBinding;
use contracts::time::UtcMillis;
use control::app::App;
use control::config::MarketConfig;
use control::jobs::{JobId, JobState, NewJob, Runner, Task, enqueue};
use control::proposals::Lab;
use control::store::{ExperimentRow, JobRow, ModelRow};
use serde_json::{Value, json};
use strategy::golden::{self, Answers, GoldenInputs};
use strategy::onnx::testmodels::{norm_stats, plain};
use strategy::policy::source::{Graph, ModelRef};
use strategy::policy::{Policy as _, PolicySource, infer_in_batches};
use tokio::sync::watch;

use super::app::{TestApp, app_with};
use super::database::Database;
use super::rows::{Pieces, keep_experiment, keep_model};

/// Gates that everything passes that trades at all.
pub fn lenient() -> Value {
    json!({"min_sharpe": -1000.0, "max_drawdown": 1.0, "min_win_rate": 0.0, "min_trades": 1,
        "improvement_threshold": -1000.0, "min_dsr": {"value": 0.0, "severity": "warn"}})
}

/// Gates that nothing passes.
pub fn strict() -> Value {
    json!({"min_sharpe": 1000.0, "max_drawdown": 0.0, "min_win_rate": 1.0, "min_trades": 1_000_000,
        "improvement_threshold": 1000.0})
}

/// Bars of a random walk from 2025-01-02 to 2025-03-15, around the clock.
fn bars() -> Vec<Bar> {
    let from = UtcMillis::parse("2025-01-02T00:05:00Z").unwrap();
    let to = UtcMillis::parse("2025-03-15T00:00:00Z").unwrap();
    let (mut seed, mut price, mut at, mut bars) = (0x2545_f491_4f6c_dd1d_u64, 4_000.0, from, Vec::new());
    let mut unit = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 11) as f64 / 9_007_199_254_740_992.0
    };
    while at <= to {
        let open: f64 = price;
        price *= 1.0 + 0.002 * (unit() - 0.5);
        bars.push(Bar {
            close_time: at,
            open,
            high: open.max(price) * (1.0 + 0.0002 * unit()),
            low: open.min(price) * (1.0 - 0.0002 * unit()),
            close: price,
            volume: 1.0,
        });
        at = at.plus_ms(300_000);
    }
    bars
}

/// An app whose instrument `USDCOP` has the generated bars.
pub struct World {
    pub test: TestApp,
    _folder: tempfile::TempDir,
}

pub fn world(database: Database) -> World {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bars.csv");
    write_bars_csv(&path, &bars()).unwrap();
    let market = MarketConfig::of_files(path, Stamp::Close, None);
    let test = app_with(database, |config| {
        config
            .markets
            .insert(InstrumentId::parse("USDCOP").unwrap(), market);
    });
    World {
        test,
        _folder: folder,
    }
}

pub fn features(name: &str) -> FeatureContract {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../config/features/{name}.yaml"));
    load_contract(&path).unwrap()
}

/// Four weeks of training, one of validation, two of holdout; a cost of one basis point.
pub fn generated(name: &str, criteria: Value) -> Value {
    json!({
        "experiment": {"name": name, "version": "1.0.0"},
        "slot": "usdcop-5m",
        "data": {"instrument": "USDCOP", "calendar": "crypto_24x7",
            "train": {"start": "2025-01-06", "end": "2025-01-26"},
            "validation": {"start": "2025-01-27", "end": "2025-02-02"},
            "test": {"start": "2025-02-03", "end": "2025-02-18"}},
        "features": {"contract": "technical_8", "version": "1.0.0"},
        "environment": {"transaction_cost_bps": 1.0, "slippage_bps": 0.5,
            "action": {"kind": "continuous", "long_above": 0.1, "short_below": -0.1}},
        "training": {"trainer": "command", "command": ["true"], "seed": 42},
        "reward": {"weights": {"pnl": 1.0}},
        "evaluation": {"success_criteria": criteria}
    })
}

/// Registers an experiment by `rita`.
pub async fn experiment(app: &App, frozen: Value, features: FeatureContract) -> ExperimentRow {
    let frozen: Experiment = serde_json::from_value(frozen).unwrap();
    keep_experiment(app, frozen, features, "rita").await
}

fn golden(features: &FeatureContract, stats: &NormStats, action: &ActionBinding, onnx: &[u8]) -> Golden {
    let source = PolicySource::new(&ModelRef {
        bytes: onnx,
        graph: Graph::Reduced,
        executor: Executor::Dense,
        action_output: &action.output,
        kind: action.rule.kind(),
        width: features.features.len(),
    })
    .unwrap();
    let mut policy = source.make(&[]).unwrap();
    let (drawn, rows) = golden::observations(features, stats, GoldenInputs::Drawn).unwrap();
    let answers = Answers {
        rule: &action.rule,
        head: policy.head(),
        outputs: &infer_in_batches(&mut policy, &rows, 1).unwrap(),
    };
    golden::vectors(drawn, &rows, features.features.len(), answers).unwrap()
}

/// Registers a seeded model by `rita`, with artifacts an engine could run.
pub async fn model(app: &App, experiment: &ExperimentRow, seed: u64, declared_trials: u32) -> ModelRow {
    let features = &experiment.feature_contract;
    let onnx = plain(seed, features.features.len());
    let action = ActionBinding {
        rule: ActionRule::Continuous {
            long_above: 0.1,
            short_below: -0.1,
        },
        output: "action".to_owned(),
        position_source: PositionSource::Signal,
    };
    let stats = norm_stats(features);
    let put = |bytes: &[u8]| app.artifacts.put(bytes).unwrap();
    let exec = put(&onnx);
    let pieces = Pieces {
        model_hash: Digest::from_bytes(*exec.as_bytes()),
        exec,
        norm_stats_artifact: put(&serde_json::to_vec(&stats).unwrap()),
        norm_stats_hash: stats.hash(),
        golden: put(&golden(features, &stats, &action, &onnx).to_bytes().unwrap()),
        action,
        declared_trials,
    };
    keep_model(app, experiment, pieces, "rita").await
}

/// Puts the first vote about a model into the queue.
pub async fn enqueue_first_vote(app: &App, model: &ModelRow) -> JobId {
    let mut tx = app.store.begin().await.unwrap();
    let job = NewJob {
        task: Task::FirstVote {
            model_id: model.model_id.clone(),
        },
        created_by: "rita".to_owned(),
        at: app.now(),
    };
    let id = enqueue(&mut tx, job).await.unwrap();
    tx.commit().await.unwrap();
    id
}

/// Works off everything that is due; gives the jobs in the order they ended.
pub async fn work(app: &App) -> Vec<JobRow> {
    work_in(app, Lab::new(2)).await
}

/// The same with another lab.
pub async fn work_in(app: &App, lab: Lab) -> Vec<JobRow> {
    let runner = Arc::new(Runner::with_lab(app.clone(), lab));
    let (_keep, stop) = watch::channel(false);
    let mut done = Vec::new();
    while let Some(id) = runner.run_one(&stop).await.unwrap() {
        done.push(app.store.job(id).await.unwrap().unwrap());
    }
    done
}

/// The proposal a job of a first vote made.
pub fn proposal_of(job: &JobRow) -> contracts::ids::ProposalId {
    assert_eq!(job.state, JobState::Done, "{:?}", job.error);
    let id = &job.result.as_ref().unwrap()["proposal_id"];
    id.as_str().unwrap().parse().unwrap()
}
