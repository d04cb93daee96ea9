//! What is exported runs as what was trained: under ONNX Runtime within 1e-5, under the dense executor bit for bit.

use contracts::action::ActionKind;
use contracts::numerics::Executor;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use strategy::onnx::inspect::{Dense, Reduction, Request, inspect};
use strategy::policy::source::ModelRef;
use strategy::policy::{
    Batching, DensePolicy, Head, OrtPolicy, PolicySource, infer_in_batches, library, same_bits,
};
use strategy::strategy::Strategy;

use super::*;
use crate::environment::{Environment, Window};
use crate::ppo::net::init::orthogonal;
use crate::reward::Reward;
use crate::samples::Sample;

/// Largest difference between a trained network and ONNX Runtime.
const TOLERANCE: f32 = 1e-5;
const RANDOM_ROWS: usize = 10_000;

/// Normalised rows of the sample's train window, then random ones.
fn rows() -> (usize, Vec<f32>, usize) {
    let sample = Sample::new(&[], 41, 0.7);
    let frozen = &sample.contract.frozen;
    let strategy = Strategy::new(
        &sample.contract.feature_contract,
        &sample.norm_stats,
        &frozen.environment.action.rule,
        Head::Scalar,
    )
    .unwrap();
    let settings = (&frozen.environment).into();
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
        environment.take(Ok(rng.random_range(-1_i64..=1).try_into().unwrap()));
    }
    let real = all.len() / width;
    all.extend((0..RANDOM_ROWS * width).map(|_| rng.random_range(-5.0_f32..5.0)));
    (width, all, real)
}

#[test]
fn every_kind_runs_as_it_was_trained_and_is_admitted_for_the_dense_executor() {
    let (width, rows, real) = rows();
    assert!(real > 1_000, "{real} real rows");
    let runtime = library::runtime().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for (kind, head, name) in [
        (ActionKind::Continuous, Head::Scalar, "action"),
        (ActionKind::Logits, Head::Logits, "logits"),
        (ActionKind::Index, Head::Logits, "action"),
    ] {
        for hidden in [vec![64_u32, 64], vec![256, 256], vec![7]] {
            let layout = Layout::new(width, &hidden, head.width());
            // With a gain of 1 the outputs are as large as a trained policy's.
            let mut parameters = orthogonal(&layout, 1.0, &mut rng);
            parameters
                .iter_mut()
                .for_each(|x| *x += rng.random_range(-0.05..0.05));
            let bytes = onnx(&layout, &parameters, kind, None);
            let trained = infer_in_batches(
                &mut DensePolicy::new(&layout.chain(&parameters, head).unwrap()),
                &rows,
                64,
            )
            .unwrap();
            let mut ort = OrtPolicy::new(runtime, &bytes, width, name, kind, Batching::Binary).unwrap();
            for batch in [1, 64] {
                let found = infer_in_batches(&mut ort, &rows, batch).unwrap();
                if kind == ActionKind::Index {
                    let wanted = trained.chunks_exact(3).map(first_maximum);
                    let same = found
                        .iter()
                        .zip(wanted)
                        .filter(|(found, wanted)| **found == *wanted as f32);
                    assert!(same.count() + 3 > found.len(), "near ties apart");
                    continue;
                }
                for (at, (found, wanted)) in found.iter().zip(&trained).enumerate() {
                    assert!(
                        (found - wanted).abs() <= TOLERANCE,
                        "{kind:?} {hidden:?} {at}: {found}, {wanted}"
                    );
                }
            }

            let golden = &rows[..256 * width];
            let request = Request {
                width,
                rule: Some(&kind.default_rule()),
                action_output: Some(name),
                executor: None,
                golden,
            };
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
            assert!(
                same_bits(&live, &trained),
                "{kind:?} {hidden:?}: live is what was trained"
            );
        }
    }
}

fn first_maximum(logits: &[f32]) -> usize {
    (1..3).fold(0, |best, at| if logits[at] > logits[best] { at } else { best })
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
