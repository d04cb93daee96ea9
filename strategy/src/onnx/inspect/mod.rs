//! Registration's look at a model: what it is, which output acts, what shall run it.

mod candidates;
mod report;

pub use report::{Candidate, Dense, InspectError, Inspection, Reduction, Request};

use contracts::action::{ActionKind, ActionRule};
use contracts::limits::GOLDEN_ROWS;
use contracts::numerics::Executor;
use prost::Message as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::admit::{Admitted, admit};
use super::chain::to_chain;
use super::probe::{Facts, probe};
use super::proto::ModelProto;
use super::reduce::reduce;
use super::testmodels::normal;
use super::verify::{dense_close, reduced_equals};
use crate::limits::{CHECKED_ROWS, OBSERVATION_CLIP};
use crate::policy::library::{self, Runtime};
use crate::policy::{Batching, DensePolicy, Head, OrtPolicy, Policy as _, infer_in_batches};

/// `GOLDEN_ROWS` seeded normal draws per input, clipped to ±5: golden inputs where no bars are given.
#[must_use]
pub fn drawn_observations(width: usize, seed: u64) -> Vec<f32> {
    draw(width, seed, GOLDEN_ROWS)
}

fn draw(width: usize, seed: u64, rows: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let one = |_| normal(&mut rng).clamp(-OBSERVATION_CLIP, OBSERVATION_CLIP);
    (0..rows * width).map(one).collect()
}

/// Seed of the random rows: fixed, so that two inspections of one file agree.
const CHECK_SEED: u64 = 0x7477_6f76_6f74_6531;

/// Inspects a model file.
///
/// # Errors
/// [`InspectError`], the first reason to refuse it.
pub fn inspect(bytes: &[u8], request: &Request<'_>) -> Result<Inspection, InspectError> {
    let width = request.width;
    if request.golden.is_empty() || width == 0 || !request.golden.len().is_multiple_of(width) {
        return Err(InspectError::Golden {
            values: request.golden.len(),
            width,
        });
    }
    let admitted = admit(bytes, width)?;
    let runtime = library::runtime()?;
    let facts = probe(runtime, &admitted)?;
    let (candidates, rule) = candidates::choose(bytes, runtime, &admitted, &facts, request)?;
    let chosen = candidates.iter().find(|c| c.chosen);
    let output = chosen.map(|c| c.name.clone()).unwrap_or_default();

    let mut rows = request.golden.to_vec();
    rows.extend(draw(width, CHECK_SEED, CHECKED_ROWS));
    let mut original = OrtPolicy::new(runtime, bytes, width, &output, rule.kind(), Batching::RowByRow)?;
    let reference = infer_in_batches(&mut original, &rows, 1)?;

    let reduced = reduced(
        runtime,
        &admitted,
        &facts,
        &output,
        rule.kind(),
        &mut original,
        &reference,
        &rows,
    );
    let (reduction, head, outputs, dense) = match reduced {
        Ok((reduction, model, head, outputs)) => {
            let dense = dense(&model, width, &outputs, &rows, &rule);
            (reduction, head, outputs, dense)
        }
        Err(reason) => {
            let dense = Dense::NotAdmitted("there is no reduced graph".into());
            (Reduction::NotUsed(reason), original.head(), reference, dense)
        }
    };
    let executor = match (request.executor, &dense) {
        (Some(Executor::Ort), _) | (None, Dense::NotAdmitted(_)) => Executor::Ort,
        (Some(Executor::Dense), Dense::NotAdmitted(reason)) => {
            return Err(InspectError::NotDense {
                reason: reason.clone(),
            });
        }
        (_, Dense::Admitted { .. }) => Executor::Dense,
    };
    let golden_values = request.golden.len() / width * head.width();
    Ok(Inspection {
        rule,
        action_output: output,
        candidates,
        nodes: admitted.graph().node.len(),
        rows_checked: rows.len() / width,
        reduction,
        dense,
        executor,
        head,
        golden_outputs: outputs[..golden_values].to_vec(),
    })
}

type Reduced = (Reduction, ModelProto, Head, Vec<f32>);

/// Reduces and compares; the reason in words where the reduced graph is not used.
#[expect(
    clippy::too_many_arguments,
    reason = "one step of inspect, split off for length"
)]
fn reduced(
    runtime: &Runtime,
    admitted: &Admitted,
    facts: &Facts,
    output: &str,
    kind: ActionKind,
    original: &mut OrtPolicy,
    reference: &[f32],
    rows: &[f32],
) -> Result<Reduced, String> {
    let model = reduce(admitted, facts, output, kind).map_err(|e| e.to_string())?;
    let bytes = model.encode_to_vec();
    let width = admitted.input.width;
    // What is written must pass the engine's door as well.
    admit(&bytes, width).map_err(|e| e.to_string())?;
    let mut policy =
        OrtPolicy::new(runtime, &bytes, width, output, kind, Batching::Binary).map_err(|e| e.to_string())?;
    let near_ties = reduced_equals(reference, original.head(), &mut policy, rows)?;
    let outputs = infer_in_batches(&mut policy, rows, 1).map_err(|e| e.to_string())?;
    let nodes = model.graph.as_ref().map_or(0, |graph| graph.node.len());
    let reduction = Reduction::Used {
        bytes,
        nodes,
        near_ties,
    };
    Ok((reduction, model, policy.head(), outputs))
}

fn dense(model: &ModelProto, width: usize, reference: &[f32], rows: &[f32], rule: &ActionRule) -> Dense {
    let chain = match to_chain(model, width) {
        Ok(chain) => chain,
        Err(error) => return Dense::NotAdmitted(error.to_string()),
    };
    match dense_close(reference, &mut DensePolicy::new(&chain), rows, rule) {
        Ok(close) => Dense::Admitted {
            max_difference: close.max_difference,
            band_rows: close.band_rows,
        },
        Err(reason) => Dense::NotAdmitted(reason),
    }
}

#[cfg(test)]
mod tests;
