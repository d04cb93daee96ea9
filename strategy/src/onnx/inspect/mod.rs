//! Registration's look at a model: what it is, which output acts, what shall run it.

use contracts::action::{ActionKind, ActionRule};
use contracts::limits::GOLDEN_ROWS;
use contracts::numerics::Executor;
use prost::Message as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::admit::{AdmitError, Admitted, admit};
use super::chain::to_chain;
use super::outputs::{describe, fitting};
use super::probe::{Facts, probe};
use super::reduce::reduce;
use super::testmodels::normal;
use super::verify::{class_of, dense_close, reduced_equals};
use crate::limits::{CHECKED_ROWS, OBSERVATION_CLIP};
use crate::policy::library::{self, LibraryError, Runtime};
use crate::policy::runtime::OrtError;
use crate::policy::source::Graph;
use crate::policy::{Batching, DensePolicy, Head, InferError, OrtPolicy, Policy as _, infer_in_batches};

/// Why a model is not registered. Each message says what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InspectError {
    /// Refused at the door.
    #[error(transparent)]
    Admit(#[from] AdmitError),
    /// ONNX Runtime is missing.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// ONNX Runtime refuses the model.
    #[error(transparent)]
    Ort(#[from] OrtError),
    /// The model fails on an observation.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// The golden observations are no whole rows.
    #[error("{values} golden values are not one or more whole rows of {width}")]
    Golden {
        /// Values given.
        values: usize,
        /// Values per row.
        width: usize,
    },
    /// No output has a fitting type and shape.
    #[error("no output fits {kind}; the model has {found}")]
    NoFittingOutput {
        /// What was looked for.
        kind: String,
        /// All outputs.
        found: String,
    },
    /// The named output is not there, or does not fit.
    #[error("the action output `{name}` does not fit {kind}; the model has {found}")]
    NamedOutput {
        /// As named.
        name: String,
        /// What was looked for.
        kind: String,
        /// All outputs.
        found: String,
    },
    /// One and the same action on every golden row: probably the wrong output, or an untrained model.
    #[error(
        "constant_action: output `{output}` gives the same action on all {rows} golden rows; name it with action_output if that is meant"
    )]
    ConstantAction {
        /// The chosen output.
        output: String,
        /// Rows it was tried on.
        rows: usize,
    },
    /// A golden row gives no number.
    #[error("output `{output}` is not finite on golden row {row}")]
    NotFinite {
        /// The chosen output.
        output: String,
        /// Index of the first such row.
        row: usize,
    },
    /// The dense executor was asked for and cannot run this model.
    #[error("the dense executor cannot run this model: {reason}; leave the choice open or ask for ort")]
    NotDense {
        /// Why.
        reason: String,
    },
}

/// What the caller wants.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Width of the feature contract.
    pub width: usize,
    /// The action rule; without one the kind of the first fitting output decides, with its default numbers.
    pub rule: Option<&'a ActionRule>,
    /// The output to act on; without a name the first that fits.
    pub action_output: Option<&'a str>,
    /// The executor; without one `dense` where it is admitted, else `ort`.
    pub executor: Option<Executor>,
    /// Normalised observations, row-major, whole rows; [`drawn_observations`] where there are no real ones.
    pub golden: &'a [f32],
}

/// An output an action could be read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// The kind it fits.
    pub kind: ActionKind,
    /// Smallest value on the golden rows.
    pub min: f32,
    /// Largest value on the golden rows.
    pub max: f32,
    /// Whether it leads to one and the same action on every golden row.
    pub constant: bool,
    /// Whether it was chosen.
    pub chosen: bool,
}

/// What became of the reduction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reduction {
    /// The reduced graph runs.
    Used {
        /// Its ONNX file; the hash of these bytes is the `exec_hash`.
        bytes: Vec<u8>,
        /// Nodes left.
        nodes: usize,
        /// Rows whose two best logits differ by less than 1e-6 (index only).
        near_ties: usize,
    },
    /// The original runs, row by row, for this reason.
    NotUsed(String),
}

/// What became of the dense executor.
#[derive(Debug, Clone, PartialEq)]
pub enum Dense {
    /// Admitted.
    Admitted {
        /// Largest |dense − ORT| seen.
        max_difference: f32,
        /// Rows within 1e-5 of a threshold or a tie.
        band_rows: usize,
    },
    /// Not admitted, for this reason.
    NotAdmitted(String),
}

/// A model with everything a contract says about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// The rule, as given or the default of the output's kind.
    pub rule: ActionRule,
    /// The chosen output.
    pub action_output: String,
    /// All outputs that fit, in graph order.
    pub candidates: Vec<Candidate>,
    /// Nodes of the original graph.
    pub nodes: usize,
    /// Golden and random rows everything was compared on.
    pub rows_checked: usize,
    /// The reduced graph.
    pub reduction: Reduction,
    /// The dense chain.
    pub dense: Dense,
    /// What shall run.
    pub executor: Executor,
    /// Head of what shall run; for an index it is `Logits` where the reduced graph ends in them.
    pub head: Head,
    /// ONNX Runtime's outputs of the graph that shall run, on the golden rows, row by row, `head.width()` values each.
    pub golden_outputs: Vec<f32>,
}

impl Inspection {
    /// The graph that shall run and its bytes.
    #[must_use]
    pub fn runs<'a>(&'a self, original: &'a [u8]) -> (Graph, &'a [u8]) {
        match &self.reduction {
            Reduction::Used { bytes, .. } => (Graph::Reduced, bytes),
            Reduction::NotUsed(_) => (Graph::Original, original),
        }
    }
}

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
    let (candidates, rule) = choose(bytes, runtime, &admitted, &facts, request)?;
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

/// All candidates with the chosen one marked, and the rule.
fn choose(
    bytes: &[u8],
    runtime: &Runtime,
    admitted: &Admitted,
    facts: &Facts,
    request: &Request<'_>,
) -> Result<(Vec<Candidate>, ActionRule), InspectError> {
    let graph = admitted.graph();
    let wanted = request.rule.map(ActionRule::kind);
    let kind_text = || {
        wanted.map_or_else(
            || "any action kind".to_owned(),
            |kind| format!("{kind:?}").to_lowercase(),
        )
    };
    let fitting = fitting(graph, facts, wanted);
    let position = match request.action_output {
        None => (!fitting.is_empty())
            .then_some(0)
            .ok_or_else(|| InspectError::NoFittingOutput {
                kind: kind_text(),
                found: describe(graph, facts),
            })?,
        Some(name) => fitting
            .iter()
            .position(|(found, _)| found == name)
            .ok_or_else(|| InspectError::NamedOutput {
                name: name.to_owned(),
                kind: kind_text(),
                found: describe(graph, facts),
            })?,
    };
    let kind = fitting[position].1;
    let rule = request.rule.cloned().unwrap_or_else(|| kind.default_rule());
    let mut candidates = Vec::with_capacity(fitting.len());
    for (i, (name, kind)) in fitting.into_iter().enumerate() {
        let rule = if rule.kind() == kind {
            rule.clone()
        } else {
            kind.default_rule()
        };
        let mut policy = OrtPolicy::new(runtime, bytes, request.width, &name, kind, Batching::RowByRow)?;
        let out = infer_in_batches(&mut policy, request.golden, 1)?;
        let head = policy.head();
        let mut classes = out
            .chunks_exact(head.width())
            .map(|row| class_of(&rule, head, row));
        let first = classes.next();
        let constant = classes.all(|class| Some(class) == first);
        let chosen = i == position;
        if let Some(at) = out.iter().position(|x| !x.is_finite()).filter(|_| chosen) {
            return Err(InspectError::NotFinite {
                output: name,
                row: at / head.width(),
            });
        }
        if chosen && constant && request.action_output.is_none() {
            return Err(InspectError::ConstantAction {
                output: name,
                rows: out.len() / head.width(),
            });
        }
        candidates.push(Candidate {
            min: out.iter().copied().fold(f32::INFINITY, f32::min),
            max: out.iter().copied().fold(f32::NEG_INFINITY, f32::max),
            name,
            kind,
            constant,
            chosen,
        });
    }
    Ok((candidates, rule))
}

type Reduced = (Reduction, super::proto::ModelProto, Head, Vec<f32>);

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

fn dense(
    model: &super::proto::ModelProto,
    width: usize,
    reference: &[f32],
    rows: &[f32],
    rule: &ActionRule,
) -> Dense {
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
