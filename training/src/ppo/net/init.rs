//! Orthogonal initial weights, as Stable-Baselines3 gives its policies: rows or columns of random normal draws, made orthonormal.

use rand::Rng;

use super::{Layout, Place};

/// Gain of every layer with a tanh behind it.
pub const HIDDEN_GAIN: f64 = std::f64::consts::SQRT_2;
/// Gain of the actor's last layer: the first actions hardly depend on what is seen.
pub const ACTION_GAIN: f64 = 0.01;
/// Gain of the critic's last layer.
pub const VALUE_GAIN: f64 = 1.0;

/// Weights of every layer; biases are 0.
#[must_use]
pub fn orthogonal(layout: &Layout, last_gain: f64, rng: &mut impl Rng) -> Vec<f32> {
    let mut parameters = vec![0.0; layout.count()];
    let places = layout.places();
    for (at, place) in places.iter().enumerate() {
        let gain = if at + 1 == places.len() {
            last_gain
        } else {
            HIDDEN_GAIN
        };
        for (weight, value) in parameters[place.weights.clone()]
            .iter_mut()
            .zip(weights(place, rng))
        {
            *weight = (gain * value) as f32;
        }
    }
    parameters
}

/// An `inputs × outputs` matrix, row-major, whose shorter sides are orthonormal: Gram and Schmidt, twice, in f64.
fn weights(place: &Place, rng: &mut impl Rng) -> Vec<f64> {
    let (short, long) = (place.inputs.min(place.outputs), place.inputs.max(place.outputs));
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(short);
    while vectors.len() < short {
        let mut vector: Vec<f64> = (0..long).map(|_| normal(rng)).collect();
        // The second pass takes away what rounding left of the first.
        for _ in 0..2 {
            for other in &vectors {
                let along = dot(&vector, other);
                for (x, y) in vector.iter_mut().zip(other) {
                    *x -= along * y;
                }
            }
        }
        let length = dot(&vector, &vector).sqrt();
        // Draws that lie in the span of those before them are drawn again; that is never seen.
        if length > 1e-6 {
            vector.iter_mut().for_each(|x| *x /= length);
            vectors.push(vector);
        }
    }
    let by_input = place.inputs <= place.outputs;
    let at = |input: usize, output: usize| {
        if by_input {
            vectors[input][output]
        } else {
            vectors[output][input]
        }
    };
    (0..place.inputs)
        .flat_map(|input| (0..place.outputs).map(move |output| (input, output)))
        .map(|(input, output)| at(input, output))
        .collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// A standard normal draw (Box and Muller).
pub fn normal(rng: &mut impl Rng) -> f64 {
    // 1 − u lies in (0, 1], so its logarithm is finite.
    let radius = (-2.0 * libm::log(1.0 - rng.random::<f64>())).sqrt();
    radius * libm::cos(std::f64::consts::TAU * rng.random::<f64>())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn rows_or_columns_are_orthonormal_times_the_gain() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for (inputs, outputs) in [(15, 64), (64, 64), (64, 1), (7, 3)] {
            let layout = Layout::new(inputs, &[], outputs);
            let values = orthogonal(&layout, 2.0, &mut rng);
            let at = |input: usize, output: usize| f64::from(values[input * outputs + output]);
            let (short, long) = (inputs.min(outputs), inputs.max(outputs));
            for a in 0..short {
                for b in 0..short {
                    let product: f64 = (0..long)
                        .map(|k| {
                            if inputs <= outputs {
                                at(a, k) * at(b, k)
                            } else {
                                at(k, a) * at(k, b)
                            }
                        })
                        .sum();
                    let wanted = if a == b { 4.0 } else { 0.0 };
                    assert!(
                        (product - wanted).abs() < 1e-5,
                        "{inputs}×{outputs}: {a}, {b}: {product}"
                    );
                }
            }
        }
    }

    #[test]
    fn draws_have_mean_0_and_variance_1() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let draws: Vec<f64> = (0..100_000).map(|_| normal(&mut rng)).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / draws.len() as f64;
        // Five standard errors.
        assert!(
            mean.abs() < 0.016 && (variance - 1.0).abs() < 0.023,
            "{mean} {variance}"
        );
    }
}
