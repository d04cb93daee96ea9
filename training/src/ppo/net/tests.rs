//! Gradients against differences, builds against each other, training against the dense executor.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use strategy::policy::{DensePolicy, Policy as _, same_bits};

use super::init::{ACTION_GAIN, orthogonal};
use super::*;

fn network(rng: &mut ChaCha8Rng, inputs: usize, hidden: &[u32], outputs: usize) -> (Layout, Vec<f32>) {
    let layout = Layout::new(inputs, hidden, outputs);
    let mut parameters = orthogonal(&layout, 1.0, rng);
    parameters
        .iter_mut()
        .for_each(|x| *x += rng.random_range(-0.1..0.1));
    (layout, parameters)
}

fn rows(rng: &mut ChaCha8Rng, count: usize) -> Vec<f32> {
    (0..count).map(|_| rng.random_range(-2.0..2.0)).collect()
}

/// The same network in plain f64 arithmetic: Σ output × weight of the output.
fn reference(layout: &Layout, parameters: &[f64], x: &[f32], by_output: &[f32]) -> f64 {
    let mut total = 0.0;
    for (row, by) in x
        .chunks_exact(layout.inputs())
        .zip(by_output.chunks_exact(layout.outputs()))
    {
        let mut values: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
        for (at, place) in layout.places().iter().enumerate() {
            values = (0..place.outputs)
                .map(|output| {
                    let products = values.iter().enumerate().map(|(input, x)| {
                        x * parameters[place.weights.start + input * place.outputs + output]
                    });
                    let sum = parameters[place.bias.start + output] + products.sum::<f64>();
                    if at + 1 < layout.places().len() {
                        libm::tanh(sum)
                    } else {
                        sum
                    }
                })
                .collect();
        }
        total += values
            .iter()
            .zip(by)
            .map(|(y, by)| y * f64::from(*by))
            .sum::<f64>();
    }
    total
}

#[test]
fn gradients_equal_central_differences() {
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    for (inputs, hidden, outputs, batch) in [
        (5, vec![7_u32, 6], 1, 9),
        (3, vec![17], 3, 4),
        (15, vec![20, 9, 5], 3, 1),
        (4, vec![], 2, 6),
    ] {
        let (layout, parameters) = network(&mut rng, inputs, &hidden, outputs);
        let x = rows(&mut rng, batch * inputs);
        let by_output = rows(&mut rng, batch * outputs);
        let mut tape = Tape::default();
        tape.forward(Kernel::detect(), &layout, &parameters, &x, batch);
        let mut gradient = vec![f32::NAN; layout.count()];
        tape.backward(
            Kernel::detect(),
            &layout,
            &parameters,
            &x,
            &by_output,
            &mut gradient,
        );
        let wide: Vec<f64> = parameters.iter().map(|x| f64::from(*x)).collect();
        for (at, found) in gradient.iter().enumerate() {
            let moved = |by: f64| {
                let mut moved = wide.clone();
                moved[at] += by;
                reference(&layout, &moved, &x, &by_output)
            };
            let wanted = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            let near = (f64::from(*found) - wanted).abs() < 1e-4 * (1.0 + wanted.abs());
            assert!(near, "{hidden:?}: parameter {at}: {found}, not {wanted}");
        }
    }
}

#[test]
fn scalar_and_vector_builds_give_the_same_bits() {
    let mut rng = ChaCha8Rng::seed_from_u64(22);
    for batch in [1, 3, 4, 64] {
        let (layout, parameters) = network(&mut rng, 15, &[33, 64], 3);
        let x = rows(&mut rng, batch * 15);
        let by_output = rows(&mut rng, batch * 3);
        let both = [Kernel::scalar(), Kernel::detect()].map(|kernel| {
            let mut tape = Tape::default();
            let mut all = tape.forward(kernel, &layout, &parameters, &x, batch).to_vec();
            let mut gradient = vec![0.0; layout.count()];
            tape.backward(kernel, &layout, &parameters, &x, &by_output, &mut gradient);
            all.extend(gradient);
            let mut weights = parameters.clone();
            let (mut mean, mut square) = (vec![0.0; weights.len()], vec![0.0; weights.len()]);
            let rates = kernel::AdamRates {
                beta1: 0.9,
                beta2: 0.999,
                step: 1e-3,
                correction: 1.5,
                epsilon: 1e-5,
                scale: 0.7,
            };
            let gradient = all[batch * 3..].to_vec();
            kernel.adam(rates, &mut weights, [&mut mean, &mut square], &gradient);
            all.extend(weights.iter().chain(&mean).chain(&square));
            all
        });
        assert!(same_bits(&both[0], &both[1]), "batch of {batch}");
    }
}

#[test]
fn a_forward_pass_gives_the_bits_of_the_dense_executor_in_any_batch() {
    let mut rng = ChaCha8Rng::seed_from_u64(23);
    for (hidden, head) in [(vec![64_u32, 64], Head::Scalar), (vec![30], Head::Logits)] {
        let layout = Layout::new(15, &hidden, head.width());
        let parameters = orthogonal(&layout, ACTION_GAIN, &mut rng);
        let x = rows(&mut rng, 100 * 15);
        let mut dense = DensePolicy::new(&layout.chain(&parameters, head).unwrap());
        let mut wanted = vec![0.0; 100 * head.width()];
        dense.infer(&x, &mut wanted).unwrap();
        for batch in [1, 7, 8, 100] {
            let mut tape = Tape::default();
            let found: Vec<f32> = x
                .chunks(batch * 15)
                .flat_map(|part| {
                    tape.forward(Kernel::detect(), &layout, &parameters, part, part.len() / 15)
                        .to_vec()
                })
                .collect();
            assert!(same_bits(&found, &wanted), "{hidden:?}, batches of {batch}");
        }
    }
}
