//! Bits: scalar against vector build, any batch against row by row, and both against plain arithmetic.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;

fn random_chain(rng: &mut ChaCha8Rng) -> Chain {
    let head = if rng.random() { Head::Scalar } else { Head::Logits };
    let width = rng.random_range(1..40);
    let mut layers = Vec::new();
    let mut inputs = width;
    let depth = rng.random_range(0..4);
    if rng.random_bool(0.2) {
        layers.push(Layer::Activation(Activation::Clip { low: -2.0, high: 2.0 }));
    }
    for layer in 0..=depth {
        let outputs = if layer == depth {
            head.width()
        } else {
            rng.random_range(1..150)
        };
        let scale = 2.0 / (inputs as f32).sqrt();
        layers.push(Layer::Linear {
            weights: (0..inputs * outputs)
                .map(|_| rng.random_range(-scale..scale))
                .collect(),
            bias: (0..outputs).map(|_| rng.random_range(-0.5..0.5)).collect(),
        });
        let activation = [
            Activation::Tanh,
            Activation::Relu,
            Activation::Sigmoid,
            Activation::Clip {
                low: -0.5,
                high: 0.75,
            },
        ][rng.random_range(0..4)];
        if layer < depth || rng.random() {
            layers.push(Layer::Activation(activation));
        }
        inputs = outputs;
    }
    Chain::new(width, head, layers).expect("layers fit")
}

fn random_rows(rng: &mut ChaCha8Rng, chain: &Chain, n: usize) -> Vec<f32> {
    (0..n * chain.width())
        .map(|_| rng.random_range(-5.0..5.0))
        .collect()
}

fn infer(policy: &mut DensePolicy, rows: &[f32]) -> Vec<u32> {
    let n = rows.len() / policy.width();
    let mut out = vec![0.0; n * policy.head().width()];
    policy.infer(rows, &mut out).expect("whole rows");
    out.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn scalar_and_vector_builds_give_the_same_bits() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for _ in 0..200 {
        let chain = random_chain(&mut rng);
        let rows = random_rows(&mut rng, &chain, 9);
        let mut scalar = DensePolicy::with_isa(&chain, Isa::Scalar).expect("runs everywhere");
        let mut fastest = DensePolicy::new(&chain);
        assert_eq!(infer(&mut scalar, &rows), infer(&mut fastest, &rows));
    }
}

#[test]
fn the_batch_does_not_show_in_a_row() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    for _ in 0..30 {
        let chain = random_chain(&mut rng);
        let rows = random_rows(&mut rng, &chain, 64);
        let mut policy = DensePolicy::new(&chain);
        let whole = infer(&mut policy, &rows);
        for size in [1, 2, 7] {
            let parts: Vec<u32> = rows
                .chunks(size * chain.width())
                .flat_map(|part| infer(&mut policy, part))
                .collect();
            assert_eq!(whole, parts, "batches of {size}");
        }
    }
}

#[test]
fn equals_the_definition_neuron_by_neuron() {
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    for _ in 0..50 {
        let chain = random_chain(&mut rng);
        let row = random_rows(&mut rng, &chain, 1);
        let mut x = row.clone();
        for layer in chain.layers() {
            x = match layer {
                Layer::Linear { weights, bias } => (0..bias.len())
                    .map(|j| {
                        x.iter()
                            .zip(weights[j..].iter().step_by(bias.len()))
                            .fold(bias[j], |sum, (x, w)| x.mul_add(*w, sum))
                    })
                    .collect(),
                Layer::Activation(a) => x
                    .iter()
                    .map(|x| match *a {
                        Activation::Tanh => activation::tanh(*x),
                        Activation::Relu => x.max(0.0),
                        Activation::Sigmoid => activation::sigmoid(*x),
                        Activation::Clip { low, high } => x.clamp(low, high),
                    })
                    .collect(),
            };
        }
        let expected: Vec<u32> = x.iter().map(|x| x.to_bits()).collect();
        assert_eq!(infer(&mut DensePolicy::new(&chain), &row), expected);
    }
}

#[test]
fn a_nan_reaches_the_output_and_a_wrong_shape_is_refused() {
    let mut rng = ChaCha8Rng::seed_from_u64(14);
    let chain = random_chain(&mut rng);
    let mut policy = DensePolicy::new(&chain);
    let mut out = vec![0.0; chain.head().width()];
    policy
        .infer(&vec![f32::NAN; chain.width()], &mut out)
        .expect("whole row");
    assert!(out.iter().all(|x| x.is_nan()));
    let short = vec![0.0; chain.width() + 1];
    assert!(matches!(
        policy.infer(&short, &mut out),
        Err(InferError::Shape { .. })
    ));
    assert!(matches!(
        policy.infer(&[], &mut []),
        Err(InferError::Shape { .. })
    ));
}
