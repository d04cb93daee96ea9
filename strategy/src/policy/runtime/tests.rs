//! Batches, row-by-row mode and refusals, on generated models under the real ONNX Runtime.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::onnx::testmodels::{self, Shape};
use crate::policy::{infer_in_batches, library, same_bits};

const WIDTH: usize = 15;

fn rows(n: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    (0..n * WIDTH).map(|_| testmodels::normal(&mut rng)).collect()
}

fn policy(model: &testmodels::TestModel) -> OrtPolicy {
    let runtime = library::runtime().expect("run `cargo xtask setup` first");
    OrtPolicy::new(
        runtime,
        &model.bytes,
        WIDTH,
        model.output,
        model.kind,
        Batching::Binary,
    )
    .expect(model.name)
}

#[test]
fn every_model_gives_the_same_bits_alone_and_in_batches_once_checked() {
    let rows = rows(200);
    let models = testmodels::all_dense(3, WIDTH)
        .into_iter()
        .chain(testmodels::all_general(3, WIDTH));
    for model in models {
        let mut policy = policy(&model);
        policy.check_batches(&rows).expect("runs");
        let alone = infer_in_batches(&mut policy, &rows, 1).expect("runs");
        assert!(alone.iter().all(|x| x.is_finite()), "{}", model.name);
        for size in [1, 3, 64, 200] {
            let batched = infer_in_batches(&mut policy, &rows, size).expect("runs");
            assert!(same_bits(&alone, &batched), "{} in batches of {size}", model.name);
        }
    }
}

#[test]
fn a_fixed_batch_runs_row_by_row() {
    let model = testmodels::sac(&Shape::new(1, WIDTH).fixed());
    assert!(policy(&model).is_row_by_row());
    assert!(!policy(&testmodels::sac(&Shape::new(1, WIDTH))).is_row_by_row());
}

#[test]
fn wrong_width_output_and_bytes_are_refused_by_name() {
    let runtime = library::runtime().expect("run `cargo xtask setup` first");
    let new = |bytes: &[u8], width, output| {
        OrtPolicy::new(
            runtime,
            bytes,
            width,
            output,
            ActionKind::Continuous,
            Batching::Binary,
        )
    };
    let model = testmodels::sac(&Shape::new(1, WIDTH));
    let error = new(&model.bytes, WIDTH + 1, "action").expect_err("too wide");
    assert!(matches!(error, OrtError::Input { .. }), "{error}");
    assert!(error.to_string().contains("observation"), "{error}");
    let error = new(&model.bytes, WIDTH, "nothing").expect_err("no such output");
    assert!(matches!(error, OrtError::Output { .. }), "{error}");
    let error = new(b"no model", WIDTH, "action").expect_err("no model");
    assert!(matches!(error, OrtError::Refused { .. }), "{error}");
}
