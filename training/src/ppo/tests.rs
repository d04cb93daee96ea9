//! Whole trainings: what is learnt, that chance, threads and crashes show in nothing, and that nothing ahead is seen.

use std::ops::ControlFlow;
use std::path::Path;

use strategy::onnx::inspect::{Request, drawn_observations, inspect};
use strategy::onnx::testmodels::norm_stats;

use super::*;
use crate::samples::{Sample, real_market, shipped};

fn options(threads: usize, checkpoint: Option<&Path>) -> TrainOptions<'_> {
    TrainOptions { threads, checkpoint }
}

fn whole(sample: &Sample, threads: usize) -> Trained {
    train(&sample.plan(), &options(threads, None), &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap()
}

/// A training that is dropped after each of these many updates and begun again.
fn in_parts(sample: &Sample, path: &Path, parts: &[u64]) -> Trained {
    for upto in parts {
        let mut stop = |progress: &Progress<'_>| {
            if progress.point.update == *upto {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let trained = train(&sample.plan(), &options(1, Some(path)), &mut stop).unwrap();
        assert_eq!(trained.ended, Ended::Stopped, "after {upto}");
    }
    train(&sample.plan(), &options(2, Some(path)), &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap()
}

const CATEGORICAL: &str = "  action: {kind: logits, map: [-1, 0, 1]}";
const INDEX: &str = "  action: {kind: index, map: [-1, 0, 1]}";
const PNL: [&str; 7] = [
    "    pnl: 0.5",
    "    transaction_cost: 0.5",
    "    holding: 0",
    "    inactivity: 0",
    "    churn: 0",
    "    drawdown: 0",
    "  ent_coef: 0.0",
];

/// What is exported would be registered, under the experiment's rule, for the dense executor.
fn admitted(sample: &Sample, trained: &Trained) {
    let width = sample.contract.feature_contract.width();
    let golden = drawn_observations(width, 1);
    let request = Request {
        width,
        rule: Some(&sample.contract.frozen.environment.action.rule),
        action_output: None,
        executor: None,
        golden: &golden,
    };
    let inspection = inspect(&trained.onnx, &request).unwrap();
    assert_eq!(inspection.executor, contracts::numerics::Executor::Dense);
}

#[test]
fn the_shipped_experiment_trains_on_the_real_bars() {
    let Some(market) = real_market("the_shipped_experiment_trains_on_the_real_bars") else {
        return;
    };
    let contract = shipped(5_000);
    let sample = Sample {
        norm_stats: norm_stats(&contract.feature_contract),
        contract,
        market,
    };
    let trained = whole(&sample, 2);
    assert_eq!((trained.ended, trained.steps), (Ended::Finished, 6_144));
    let last = trained
        .curve
        .points
        .last()
        .and_then(|point| point.validation)
        .unwrap();
    assert!(last.reward.is_finite() && last.net_return > -1.0, "{last:?}");
    assert_eq!(
        strategy::onnx::admit::admit(&trained.onnx, 15).map(|_| ()),
        Ok(())
    );
}

#[test]
fn an_edge_is_learnt_and_flat_is_beaten() {
    for (seed, action) in [(1, ""), (2, ""), (3, ""), (4, CATEGORICAL), (5, INDEX)] {
        let seed_line = format!("  seed: {seed}");
        let lines = [
            &PNL[..],
            &[
                &seed_line,
                action,
                "  total_timesteps: 40000",
                "  learning_rate: 1.0e-3",
            ],
        ]
        .concat();
        let sample = Sample::new(&lines, 100 + seed, 0.9);
        let trained = whole(&sample, 2);
        let best = trained.curve.best.expect("a policy that does something");
        let point = &trained.curve.points[best as usize - 1];
        let found = point.validation.expect("the best was evaluated");
        // Ten sessions of sixty bars that gain up to five basis points each.
        assert!(found.net_return > 0.10, "seed {seed}: {found:?}");
        assert!(found.sharpe > Some(5.0), "seed {seed}: {found:?}");
        admitted(&sample, &trained);
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_with_any_number_of_threads_and_another_seed_others() {
    for action in ["", CATEGORICAL] {
        let sample = Sample::new(&[action], 7, 0.8);
        let one = whole(&sample, 1);
        for threads in [2, 3, 8, 50] {
            let other = whole(&sample, threads);
            assert_eq!(other.onnx, one.onnx, "{threads} threads");
            assert_eq!(other, one, "{threads} threads");
        }
        assert_eq!((one.steps, one.gradient_steps), (4096, 4096 / 64 * 10));
        assert_eq!(one.ended, Ended::Finished);
        let reseeded = Sample::new(&[action, "  seed: 43"], 7, 0.8);
        assert_ne!(whole(&reseeded, 1).onnx, one.onnx);
    }
}

#[test]
fn a_training_in_parts_gives_the_bytes_of_one_in_one_go() {
    for lines in [
        &["  n_steps: 100"][..],
        &[CATEGORICAL, "  n_steps: 77", "  batch_size: 50"],
    ] {
        let sample = Sample::new(lines, 8, 0.8);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let whole = whole(&sample, 1);
        let parts = in_parts(&sample, &path, &[1, 2, 5]);
        assert_eq!(parts, whole);
        // Asked again, the finished training is there at once.
        let mut calls = 0;
        let again = train(&sample.plan(), &options(1, Some(&path)), &mut |_| {
            calls += 1;
            ControlFlow::Continue(())
        });
        assert_eq!((again.unwrap(), calls), (whole, 0));
    }
}

#[test]
fn another_experiments_or_a_damaged_checkpoint_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let sample = Sample::new(&[], 9, 0.8);
    let stop = &mut |_: &Progress<'_>| ControlFlow::Break(());
    train(&sample.plan(), &options(1, Some(&path)), stop).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let refused = |sample: &Sample| {
        let error = train(&sample.plan(), &options(1, Some(&path)), &mut |_| {
            ControlFlow::Continue(())
        });
        let TrainError::Checkpoint { source, .. } = error.unwrap_err() else {
            panic!("refused for the checkpoint");
        };
        source.to_string()
    };
    let text = refused(&Sample::new(&["  gamma: 0.91"], 9, 0.8));
    assert!(text.contains("its config_hash is"), "{text}");
    let text = refused(&Sample::new(&[], 10, 0.8));
    assert!(text.contains("its market_hash is"), "{text}");
    let mut other = Sample::new(&[], 9, 0.8);
    let log_return = other.norm_stats.features.get_mut("log_ret_5m").unwrap();
    log_return.std *= 2.0;
    let text = refused(&other);
    assert!(text.contains("its norm_stats_hash is"), "{text}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "it is as it was");
    let mut damaged = bytes;
    damaged[100] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    let text = refused(&sample);
    assert!(text.contains("its hash is not that of its bytes"), "{text}");
}

#[test]
fn bars_after_the_validation_window_change_nothing_and_those_in_it_no_rollout() {
    let sample = Sample::new(&[CATEGORICAL], 11, 0.8);
    let whole_market = whole(&sample, 1);
    let disturbed = |from: &str| {
        let mut other = Sample::new(&[CATEGORICAL], 11, 0.8);
        let from = contracts::time::UtcMillis::parse(from).unwrap();
        for (at, bar) in other
            .market
            .bars
            .iter_mut()
            .enumerate()
            .filter(|(_, bar)| bar.close_time >= from)
        {
            let factor = 1.0 + (at % 13) as f64 / 1_000.0;
            for price in [&mut bar.open, &mut bar.high, &mut bar.low, &mut bar.close] {
                *price *= factor;
            }
        }
        whole(&other, 1)
    };
    assert_eq!(disturbed("2025-03-08T00:00:00Z"), whole_market);
    let other = disturbed("2025-02-24T00:00:00Z");
    let rollouts = |trained: &Trained| -> Vec<_> {
        let points = trained.curve.points.iter();
        points
            .map(|point| (point.reward, point.kl, point.value_loss))
            .collect()
    };
    assert_eq!(rollouts(&other), rollouts(&whole_market));
    let judged = |trained: &Trained| trained.curve.points[0].validation.map(|found| found.net_return);
    assert_ne!(
        judged(&other),
        judged(&whole_market),
        "the disturbance is seen where it lies"
    );
}

#[test]
fn the_validation_window_stops_a_training_that_finds_nothing_better() {
    // No edge, and steps so small that the policy hardly moves from where it began.
    let lines = [CATEGORICAL, "  learning_rate: 1.0e-9", "  total_timesteps: 60000"];
    let sample = Sample::new(&lines, 12, 0.5);
    let trained = whole(&sample, 2);
    assert_eq!(trained.ended, Ended::EarlyStop);
    assert!(trained.steps < 60_000, "{}", trained.steps);
}

#[test]
fn a_policy_that_never_varies_is_given_as_it_is_and_said_to_be_no_best() {
    // It begins flat on every bar, and steps this small leave it there: the first vote is to say so.
    let sample = Sample::new(&["  learning_rate: 1.0e-9"], 14, 0.5);
    let trained = whole(&sample, 2);
    assert_eq!((trained.ended, trained.curve.best), (Ended::Finished, None));
    assert!(!trained.onnx.is_empty());
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_no_fault_of_the_experiments() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("not there").join("checkpoint");
    let sample = Sample::new(&[], 15, 0.8);
    let error = train(&sample.plan(), &options(1, Some(&path)), &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap_err();
    assert_eq!(error.kind(), TrainErrorKind::Io, "{error}");
}

#[test]
fn what_cannot_be_trained_is_refused_by_name() {
    let refused = |sample: &Sample| {
        let error = train(&sample.plan(), &options(1, None), &mut |_| {
            ControlFlow::Continue(())
        });
        error.unwrap_err().to_string()
    };
    let mut sample = Sample::new(&[], 13, 0.8);
    sample.contract.frozen.training = contracts::experiment::TrainingSection::Command {
        command: vec!["x".to_owned()],
        seed: 1,
    };
    assert!(refused(&sample).contains("a command"));
    let mut sample = Sample::new(&[], 13, 0.8);
    sample.market.instrument = contracts::ids::InstrumentId::parse("EURUSD").unwrap();
    assert!(refused(&sample).contains("the bars are of EURUSD"));
    let mut sample = Sample::new(&[], 13, 0.8);
    sample.norm_stats.metadata.fit_end = sample.contract.frozen.data.validation.start;
    assert!(refused(&sample).contains("held out"));
    let mut sample = Sample::new(&[], 13, 0.8);
    sample.market.bars.drain(..2_000);
    assert!(refused(&sample).contains("the train window"));
    let sample = Sample::new(&["  n_steps: 4000000000"], 13, 0.8);
    assert!(refused(&sample).contains("n_steps"));
    let mut sample = Sample::new(&[], 13, 0.8);
    sample
        .contract
        .frozen
        .reward
        .params
        .insert("unknown".to_owned(), 1.0);
    assert!(refused(&sample).contains("reward.params.unknown"));
    let sample = Sample::new(
        &[
            "  learning_rate: 1.0",
            "  max_grad_norm: 1.0e+30",
            "  vf_coef: 1.0e+30",
        ],
        13,
        0.8,
    );
    let text = refused(&sample);
    assert!(text.contains("not finite"), "{text}");
}
