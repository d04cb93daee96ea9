//! From verified bytes to policies: one per core, all alike.

use contracts::action::ActionKind;
use contracts::numerics::Executor;

use super::dense::{Chain, DensePolicy};
use super::library::{self, LibraryError};
use super::runtime::{Batching, OrtError, OrtPolicy};
use super::{InferError, PolicyExec};
use crate::onnx::admit::{AdmitError, admit};
use crate::onnx::chain::{NoChain, to_chain};

/// Why bytes give no policy. The model is not run; the running one stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The bytes are no admissible model.
    #[error(transparent)]
    Admit(#[from] AdmitError),
    /// The contract says `dense`, the graph is no chain: the contract and its artifacts were not made together.
    #[error("the contract names the dense executor, but {0}")]
    NoChain(#[from] NoChain),
    /// The contract says `dense`, but no reduced graph was made.
    #[error("the contract names the dense executor, but has no reduced graph")]
    NotReduced,
    /// ONNX Runtime is missing.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// ONNX Runtime refuses the model.
    #[error(transparent)]
    Ort(#[from] OrtError),
    /// The model cannot even run the golden rows one by one.
    #[error(transparent)]
    Infer(#[from] InferError),
}

/// Which of a contract's two ONNX artifacts is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Graph {
    /// The file as it was registered: row by row.
    Original,
    /// The reduced graph (`exec_hash`).
    Reduced,
}

/// What a bundle knows about the model it wants to run.
#[derive(Debug, Clone, Copy)]
pub struct ModelRef<'a> {
    /// Bytes whose hash has been verified.
    pub bytes: &'a [u8],
    /// Which artifact they are.
    pub graph: Graph,
    /// The contract's executor.
    pub executor: Executor,
    /// The contract's action output.
    pub action_output: &'a str,
    /// The kind of the contract's action rule.
    pub kind: ActionKind,
    /// Width of the feature contract.
    pub width: usize,
}

/// Makes equal policies, one per core. Dense ones share nothing; each ORT one has a session of its own.
#[derive(Debug, Clone)]
pub struct PolicySource(Source);

#[derive(Debug, Clone)]
enum Source {
    Dense(Chain),
    Ort {
        bytes: Vec<u8>,
        action_output: String,
        kind: ActionKind,
        width: usize,
        batching: Batching,
    },
}

impl PolicySource {
    /// Admits the bytes and prepares what the executor needs.
    ///
    /// # Errors
    /// [`SourceError`]; for `ort` the session itself is only built by [`make`](Self::make).
    pub fn new(model: &ModelRef<'_>) -> Result<Self, SourceError> {
        let admitted = admit(model.bytes, model.width)?;
        let source = match (model.executor, model.graph) {
            (Executor::Dense, Graph::Reduced) => Source::Dense(to_chain(&admitted.model, model.width)?),
            (Executor::Dense, Graph::Original) => return Err(SourceError::NotReduced),
            (Executor::Ort, graph) => Source::Ort {
                bytes: model.bytes.to_vec(),
                action_output: model.action_output.to_owned(),
                kind: model.kind,
                width: model.width,
                batching: match graph {
                    Graph::Original => Batching::RowByRow,
                    Graph::Reduced => Batching::Binary,
                },
            },
        };
        Ok(Self(source))
    }

    /// One more policy. An ORT policy runs `golden` (whole rows) in several batch sizes and falls back to row by row when a bit
    /// differs; a dense one has nothing to check.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn make(&self, golden: &[f32]) -> Result<PolicyExec, SourceError> {
        match &self.0 {
            Source::Dense(chain) => Ok(PolicyExec::Dense(DensePolicy::new(chain))),
            Source::Ort {
                bytes,
                action_output,
                kind,
                width,
                batching,
            } => {
                let runtime = library::runtime()?;
                let mut policy = OrtPolicy::new(runtime, bytes, *width, action_output, *kind, *batching)?;
                policy.check_batches(golden)?;
                Ok(PolicyExec::Ort(policy))
            }
        }
    }
}

impl PolicyExec {
    /// The executor it is.
    #[must_use]
    pub const fn executor(&self) -> Executor {
        match self {
            Self::Dense(_) => Executor::Dense,
            Self::Ort(_) => Executor::Ort,
        }
    }
}
