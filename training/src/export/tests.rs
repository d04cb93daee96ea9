//! What is exported runs as what was trained: under ONNX Runtime within 1e-5, under the dense executor bit for bit.

use contracts::action::ActionKind;
use contracts::evidence::ExecutionSettings;
use contracts::numerics::Executor;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use strategy::onnx::inspect::{Dense, Reduction, Request, inspect};
use strategy::onnx::testmodels::norm_stats;
use strategy::policy::source::ModelRef;
use strategy::policy::{
    Batching, DensePolicy, Head, OrtPolicy, PolicySource, infer_in_batches, library, same_bits,
};
use strategy::strategy::Strategy;

use super::*;
use crate::environment::{End, Environment, Window};
use crate::ppo::net::init::orthogonal;
use crate::reward::Reward;
use crate::samples::{Sample, real_market, shipped};

/// Largest difference between a trained network and ONNX Runtime.
const TOLERANCE: f32 = 1e-5;
const RANDOM_ROWS: usize = 10_000;

/// Normalised rows of the train window, then random ones; and how many are of the window.
fn rows(sample: &Sample) -> (usize, Vec<f32>, usize) {
    let frozen = &sample.contract.frozen;
    let strategy = Strategy::new(
        &sample.contract.feature_contract,
        &sample.norm_stats,
        &frozen.environment.action.rule,
        Head::Scalar,
    )
    .unwrap();
    let settings = ExecutionSettings {
        // Nobody is ruined by acting at random.
        transaction_cost_bps: 0.0,
        ..(&frozen.environment).into()
    };
    let reward = Reward::new(&frozen.reward, &settings).unwrap();
    let window = Window::new(
        "train",
        &strategy,
        &sample.market,
        frozen.data.train,
        settings,
        reward,
    )
    .unwrap();
    let width = strategy.width();
    let mut environment = Environment::whole(&window);
    let (mut all, mut row, mut rng) = (Vec::new(), vec![0.0; width], ChaCha8Rng::seed_from_u64(1));
    while environment.asks() {
        environment.observe(&mut row);
        all.extend_from_slice(&row);
        let taken = environment.take(Ok(rng.random_range(-1_i64..=1).try_into().unwrap()));
        assert_ne!(taken.end, Some(End::Ruined));
    }
    let real = all.len() / width;
    all.extend((0..RANDOM_ROWS * width).map(|_| rng.random_range(-5.0_f32..5.0)));
    (width, all, real)
}

/// Largest difference between a network and what ONNX Runtime makes of its file, row by row and in batches.
fn difference(layout: &Layout, parameters: &[f32], kind: ActionKind, head: Head, rows: &[f32]) -> f32 {
    let bytes = onnx(layout, parameters, kind, Some("out"));
    let runtime = library::runtime().unwrap();
    let mut ort = OrtPolicy::new(runtime, &bytes, layout.inputs(), "out", kind, Batching::Binary).unwrap();
    let trained = trained(layout, parameters, head, rows);
    let mut largest = 0.0_f32;
    for batch in [1, 64] {
        let found = infer_in_batches(&mut ort, rows, batch).unwrap();
        assert_eq!(found.len(), trained.len());
        for (found, wanted) in found.iter().zip(&trained) {
            largest = largest.max((found - wanted).abs());
        }
    }
    largest
}

fn trained(layout: &Layout, parameters: &[f32], head: Head, rows: &[f32]) -> Vec<f32> {
    let mut policy = DensePolicy::new(&layout.chain(parameters, head).unwrap());
    infer_in_batches(&mut policy, rows, 64).unwrap()
}

/// With a gain of 1 the outputs are as large as a trained policy's.
fn network(layout: &Layout, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut parameters = orthogonal(layout, 1.0, rng);
    parameters
        .iter_mut()
        .for_each(|x| *x += rng.random_range(-0.05..0.05));
    parameters
}

#[test]
fn every_kind_runs_as_it_was_trained_and_is_admitted_for_the_dense_executor() {
    let (width, rows, real) = rows(&Sample::new(&[], 41, 0.7));
    assert!(real > 1_000, "{real} rows of the window");
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for (kind, head, name) in [
        (ActionKind::Continuous, Head::Scalar, "action"),
        (ActionKind::Logits, Head::Logits, "logits"),
        (ActionKind::Index, Head::Logits, "action"),
    ] {
        for hidden in [vec![64_u32, 64], vec![256, 256], vec![7]] {
            let layout = Layout::new(width, &hidden, head.width());
            let parameters = network(&layout, &mut rng);
            if kind != ActionKind::Index {
                let largest = difference(&layout, &parameters, kind, head, &rows);
                assert!(largest <= TOLERANCE, "{kind:?} {hidden:?}: {largest}");
            }
            let bytes = onnx(&layout, &parameters, kind, None);
            let golden = &rows[..256 * width];
            let request = Request {
                width,
                rule: Some(&kind.default_rule()),
                action_output: Some(name),
                executor: None,
                golden,
            };
            // For an index the comparison with ONNX Runtime is the inspection's: the same action on 10,000 random rows.
            let inspection = inspect(&bytes, &request).unwrap();
            assert!(
                matches!(inspection.reduction, Reduction::Used { .. }),
                "{:?}",
                inspection.reduction
            );
            assert!(
                matches!(inspection.dense, Dense::Admitted { .. }),
                "{:?}",
                inspection.dense
            );
            let (graph, run) = inspection.runs(&bytes);
            let source = PolicySource::new(&ModelRef {
                bytes: run,
                graph,
                executor: Executor::Dense,
                action_output: &inspection.action_output,
                kind,
                width,
            })
            .unwrap();
            let live = infer_in_batches(&mut source.make(golden).unwrap(), &rows, 7).unwrap();
            let trained = trained(&layout, &parameters, head, &rows);
            assert!(
                same_bits(&live, &trained),
                "{kind:?} {hidden:?}: live is what was trained"
            );
        }
    }
}

#[test]
fn the_real_bars_too() {
    let Some(market) = real_market("the_real_bars_too") else {
        return;
    };
    let contract = shipped(1);
    let sample = Sample {
        norm_stats: norm_stats(&contract.feature_contract),
        contract,
        market,
    };
    let (width, rows, real) = rows(&sample);
    assert!(real > 50_000, "{real} real rows");
    let layout = Layout::new(width, &[64, 64], 1);
    let parameters = network(&layout, &mut ChaCha8Rng::seed_from_u64(3));
    let largest = difference(&layout, &parameters, ActionKind::Continuous, Head::Scalar, &rows);
    assert!(largest <= TOLERANCE, "{largest}");
}

#[test]
fn an_output_is_named_as_the_experiment_asks() {
    let layout = Layout::new(3, &[4], 1);
    let parameters = vec![0.25; layout.count()];
    for (name, input) in [("signal", "observation"), ("observation", "input")] {
        let bytes = onnx(&layout, &parameters, ActionKind::Continuous, Some(name));
        let admitted = strategy::onnx::admit::admit(&bytes, 3).unwrap();
        assert_eq!(admitted.input.name, input);
        assert_eq!(admitted.graph().output[0].name, name);
        let opset = &admitted.model.opset_import[0];
        assert_eq!((opset.domain.as_str(), opset.version), ("", 17));
    }
}
