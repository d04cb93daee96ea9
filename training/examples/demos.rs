//! How the demos end: per seed a generated market, its dataset, the built-in trainer, the holdout, the first vote. One line each.
//!
//! `cargo run --release -p training --example demos -- [edge|noise] [SEED…]` trains on both markets, or on the one that is named, for every
//! seed, 1 to 5 where none is.

use std::error::Error;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use backtest::metrics::{Measurement, measure_all};
use backtest::run::{Candidate, RunOptions, run};
use backtest::stats::trials::TrialStats;
use backtest::vote::{Circumstances, Facts, FirstVoteResult, criteria, recommend};
use contracts::evidence::{ExecutionSettings, Metrics};
use contracts::experiment::contract::ExperimentContract;
use contracts::ids::InstrumentId;
use contracts::numerics::Executor;
use contracts::time::{DayNumber, UtcMillis};
use strategy::policy::source::{Graph, ModelRef};
use strategy::policy::{Head, PolicySource};
use strategy::strategy::Strategy;
use training::dataset;
use training::ppo::{TrainOptions, Trained, TrainingPlan, train};
use training::synthetic::{Kind, SyntheticSpec, generate};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let mut demos = vec![("demo_edge", Kind::Edge), ("demo_noise", Kind::Noise)];
    if let Some(named) = words.first().map(|word| format!("demo_{word}"))
        && demos.iter().any(|(name, _)| *name == named)
    {
        demos.retain(|(name, _)| *name == named);
        words.remove(0);
    }
    let mut seeds: Vec<u64> = words.iter().map(|word| word.parse()).collect::<Result<_, _>>()?;
    if seeds.is_empty() {
        seeds = (1..=5).collect();
    }
    let mut out = std::io::stdout();
    writeln!(
        out,
        "market seed   steps best |  val  | sharpe   dsr  drawdown win rate trades | vote"
    )?;
    for (name, kind) in demos {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
        let contract = contract(&config, name)?;
        for seed in &seeds {
            let (trained, metrics, vote) = whole(&contract, kind, *seed)?;
            let best = trained
                .curve
                .best
                .and_then(|best| trained.curve.points.get(best as usize - 1));
            let validated = best
                .and_then(|point| point.validation)
                .and_then(|found| found.sharpe);
            let shown =
                |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| format!("{value:.2}"));
            writeln!(
                out,
                "{:6} {seed:4} {:7} {:4} | {:>5} | {:>6} {:>5} {:>9} {:>8} {:>6} | {:?}: {}",
                format!("{kind:?}").to_lowercase(),
                trained.steps,
                trained.curve.best.unwrap_or(0),
                shown(validated),
                shown(metrics.sharpe_ratio.value),
                shown(metrics.dsr.value),
                shown(metrics.max_drawdown.value),
                shown(metrics.win_rate.value),
                metrics.total_trades,
                vote.recommendation,
                vote.reason
            )?;
            out.flush()?;
        }
    }
    Ok(())
}

fn contract(config: &Path, name: &str) -> Result<ExperimentContract, Box<dyn Error>> {
    let path: PathBuf = config.join(format!("experiments/{name}.yaml"));
    let yaml = std::fs::read(&path)?;
    let features = config.join("features");
    Ok(ExperimentContract::from_yaml(
        &yaml,
        &path.display().to_string(),
        &features,
        UtcMillis(0),
    )?)
}

/// From the seed to the first vote.
fn whole(
    contract: &ExperimentContract,
    kind: Kind,
    seed: u64,
) -> Result<(Trained, Metrics, FirstVoteResult), Box<dyn Error>> {
    let frozen = &contract.frozen;
    let days = [DayNumber::parse("2022-01-03")?, DayNumber::parse("2025-07-31")?];
    let spec = SyntheticSpec::new(kind, seed, InstrumentId::parse("USDCOP")?, days[0], days[1]);
    let market = generate(&spec, &contract.feature_contract)?;
    let dataset = dataset::build(contract, &market, Vec::new())?;
    let plan = TrainingPlan {
        contract,
        market: &market,
        norm_stats: &dataset.norm_stats,
    };
    let options = TrainOptions {
        threads: 1,
        checkpoint: None,
    };
    let trained = train(&plan, &options, &mut |_| ControlFlow::Continue(()))?;
    let rule = &frozen.environment.action.rule;
    let source = PolicySource::new(&ModelRef {
        bytes: &trained.onnx,
        graph: Graph::Reduced,
        executor: Executor::Dense,
        action_output: "action",
        kind: rule.kind(),
        width: contract.feature_contract.width(),
    })?;
    let strategy = Strategy::new(
        &contract.feature_contract,
        &dataset.norm_stats,
        rule,
        Head::Scalar,
    )?;
    let candidate = Candidate {
        strategy: &strategy,
        source: &source,
        golden: &[],
    };
    let settings = ExecutionSettings::from(&frozen.environment);
    let outcome = run(
        candidate,
        &market,
        frozen.data.test,
        &settings,
        RunOptions::default(),
        &|_| {},
    )?;
    let trials = TrialStats::new(1, 0, &[], outcome.sessions.len());
    let Measurement { metrics, resamples } = measure_all(&outcome, Some(&trials));
    let facts = Facts {
        metrics: &metrics,
        resamples: resamples.as_ref(),
        sessions_per_year: outcome.sessions_per_year,
        baseline: None,
        drift: &[],
    };
    let table = criteria(&frozen.evaluation.success_criteria, &facts);
    let circumstances = Circumstances {
        look_ahead: None,
        ruined: outcome.ruined.is_some(),
        self_test_passed: true,
        baseline: None,
        dsr: metrics.dsr.value,
    };
    let vote = recommend(&table, &circumstances);
    Ok((trained, metrics, vote))
}
