//! What an inspection is asked and what it answers.

use contracts::action::{ActionKind, ActionRule};
use contracts::numerics::Executor;

use crate::onnx::admit::AdmitError;
use crate::policy::library::LibraryError;
use crate::policy::runtime::OrtError;
use crate::policy::source::Graph;
use crate::policy::{Head, InferError};

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
    /// A golden row gives no number, or no index of the map.
    #[error(
        "output `{output}` is not finite, or no index 0, 1 or 2, on golden row {row}: the model is broken or the output is the wrong one"
    )]
    NoAction {
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

impl InspectError {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Admit(error) => error.code(),
            Self::Library(_) => "runtime_missing",
            Self::Ort(_) => "runtime_refused",
            Self::Infer(_) => "infer_failed",
            Self::Golden { .. } => "ragged_golden_rows",
            Self::NoFittingOutput { .. } => "no_fitting_output",
            Self::NamedOutput { .. } => "wrong_action_output",
            Self::ConstantAction { .. } => "constant_action",
            Self::NoAction { .. } => "no_action",
            Self::NotDense { .. } => "not_dense",
        }
    }
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
    /// Normalised observations, row-major, whole rows; [`drawn_observations`](super::drawn_observations) where there are no real ones.
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
    /// The reduced graph's file, where it is used.
    #[must_use]
    pub fn reduced(&self) -> Option<&[u8]> {
        match &self.reduction {
            Reduction::Used { bytes, .. } => Some(bytes),
            Reduction::NotUsed(_) => None,
        }
    }

    /// The graph that shall run and its bytes.
    #[must_use]
    pub fn runs<'a>(&'a self, original: &'a [u8]) -> (Graph, &'a [u8]) {
        self.reduced()
            .map_or((Graph::Original, original), |bytes| (Graph::Reduced, bytes))
    }
}
