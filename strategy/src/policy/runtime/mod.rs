//! The ORT executor: any admitted graph, run by ONNX Runtime through bound buffers.
//!
//! Inputs and outputs are bound once, at batch sizes 1, 2, 4 … 1,024; n rows run as the binary decomposition of n, largest part
//! first. A model whose batch is fixed at 1, or whose bits differ between batch sizes, runs row by row. Only the action output is
//! bound, so only it is computed. One intra-op thread, no spinning, no arena, no memory pattern: what a run does is the
//! same every time.
//!
//! The safe `Session::run_binding` allocates twice a run for a map of outputs nobody reads; [`OrtPolicy`] calls
//! `RunWithBinding` itself, the only `unsafe` here.

mod shape;

use contracts::action::ActionKind;
use ort::AsPointer as _;
use ort::ep::CPU;
use ort::memory::Allocator;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{IoBinding, Session};
use ort::value::Tensor;

use super::library::{LibraryError, Runtime};
use super::{Head, InferError, Policy, batch_rows};
use crate::limits::BATCH_ROWS_MAX;
use shape::{InputShape, OutputShape, output_shape};

/// Why a model could not be loaded into ONNX Runtime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrtError {
    /// The library is missing or broken; the message says what to run.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// ONNX Runtime refuses the model.
    #[error("ONNX Runtime refuses the model: {detail}")]
    Refused {
        /// What it said.
        detail: String,
    },
    /// The model's input is not one float tensor of the expected width.
    #[error(
        "the model's input is {found}; one float input whose last dimension is {width}, batch 1 or dynamic, is expected"
    )]
    Input {
        /// What the model declares.
        found: String,
        /// The feature contract's width.
        width: usize,
    },
    /// The named output is not there or has no shape an action can be read from.
    #[error("output `{name}` is {found}; float [n,1], [n] or [n,3] or int64 [n] or [n,1] is expected")]
    Output {
        /// Its name.
        name: String,
        /// What the model declares, or that there is none.
        found: String,
    },
}

impl From<ort::Error> for OrtError {
    fn from(error: ort::Error) -> Self {
        Self::Refused {
            detail: error.to_string(),
        }
    }
}

/// A session builder with the options every session of this system has.
pub(crate) fn session_builder(
    runtime: &Runtime,
    level: GraphOptimizationLevel,
) -> Result<SessionBuilder, OrtError> {
    let cpu = CPU::default().with_arena_allocator(false).build();
    let mut builder = Session::builder(runtime.environment())?;
    builder = builder.with_optimization_level(level).map_err(refused)?;
    builder = builder.with_intra_threads(1).map_err(refused)?;
    builder = builder.with_inter_threads(1).map_err(refused)?;
    builder = builder.with_parallel_execution(false).map_err(refused)?;
    builder = builder.with_intra_op_spinning(false).map_err(refused)?;
    builder = builder.with_inter_op_spinning(false).map_err(refused)?;
    builder = builder.with_memory_pattern(false).map_err(refused)?;
    builder.with_execution_providers([cpu]).map_err(refused)
}

fn refused(error: impl std::fmt::Display) -> OrtError {
    OrtError::Refused {
        detail: error.to_string(),
    }
}

/// The bound output, by element type.
#[derive(Debug)]
enum Output {
    Float(Tensor<f32>),
    Integer(Tensor<i64>),
}

/// Buffers of one batch size, bound to the session.
#[derive(Debug)]
struct Bound {
    rows: usize,
    input: Tensor<f32>,
    output: Output,
    binding: IoBinding,
}

/// How a batch is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batching {
    /// As the binary decomposition of its size, where the model's batch is dynamic.
    Binary,
    /// Every row alone.
    RowByRow,
}

/// A session with its bound buffers.
#[derive(Debug)]
pub struct OrtPolicy {
    width: usize,
    head: Head,
    /// Largest batch first.
    bound: Vec<Bound>,
    row_by_row: bool,
    session: Session,
}

impl OrtPolicy {
    /// Builds a session from verified bytes and binds its buffers to the output `output`, from which an action of this kind
    /// is read (for an index: the index itself, or the three logits it is the maximum of).
    ///
    /// # Errors
    /// [`OrtError`] when ONNX Runtime or the shapes do not allow it.
    pub fn new(
        runtime: &Runtime,
        model: &[u8],
        width: usize,
        output: &str,
        kind: ActionKind,
        batching: Batching,
    ) -> Result<Self, OrtError> {
        let session = session_builder(runtime, GraphOptimizationLevel::Level3)?.commit_from_memory(model)?;
        let input_shape = InputShape::of(&session, width)?;
        let (output_shape, integer) = output_shape(&session, output, kind)?;
        let head = match (integer, output_shape.last) {
            (true, _) => Head::Index,
            (false, 3) => Head::Logits,
            (false, _) => Head::Scalar,
        };
        let input_name = session.inputs()[0].name().to_owned();
        let batched = batching == Batching::Binary && input_shape.dynamic && output_shape.dynamic;
        let largest = if batched { BATCH_ROWS_MAX } else { 1 };
        let sizes = std::iter::successors(Some(largest), |n| (*n > 1).then_some(n / 2));
        let bound = sizes
            .map(|rows| {
                bind(
                    &session,
                    &input_name,
                    &input_shape,
                    output,
                    &output_shape,
                    integer,
                    rows,
                )
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            width,
            head,
            bound,
            row_by_row: !batched,
            session,
        })
    }

    /// Whether every row runs alone.
    #[must_use]
    pub const fn is_row_by_row(&self) -> bool {
        self.row_by_row
    }

    /// Runs `rows` alone, in batches of 2, 7 and 64 and in reversed order; any bit that differs, or a batch that fails, makes the
    /// policy run row by row from then on.
    ///
    /// # Errors
    /// [`InferError::Runtime`] when even single rows fail.
    pub fn check_batches(&mut self, rows: &[f32]) -> Result<(), InferError> {
        if self.row_by_row {
            return Ok(());
        }
        let alone = super::infer_in_batches(self, rows, 1)?;
        for size in super::CHECKED_BATCHES {
            match super::infer_in_batches(self, rows, size) {
                Ok(out) if super::same_bits(&out, &alone) => {}
                _ => self.row_by_row = true,
            }
        }
        let reversed: Vec<f32> = rows.chunks_exact(self.width).rev().flatten().copied().collect();
        let expected: Vec<f32> = alone
            .chunks_exact(self.head.width())
            .rev()
            .flatten()
            .copied()
            .collect();
        match super::infer_in_batches(self, &reversed, 64) {
            Ok(out) if super::same_bits(&out, &expected) => {}
            _ => self.row_by_row = true,
        }
        Ok(())
    }
}

impl Policy for OrtPolicy {
    fn width(&self) -> usize {
        self.width
    }

    fn head(&self) -> Head {
        self.head
    }

    fn infer(&mut self, rows: &[f32], out: &mut [f32]) -> Result<(), InferError> {
        batch_rows(self.width, self.head, rows, out)?;
        let (width, head) = (self.width, self.head.width());
        let (mut rows, mut out) = (rows, out);
        let first = if self.row_by_row { self.bound.len() - 1 } else { 0 };
        for bound in &mut self.bound[first..] {
            while rows.len() >= bound.rows * width {
                let (now, later) = rows.split_at(bound.rows * width);
                let (here, rest) = out.split_at_mut(bound.rows * head);
                bound.input.extract_tensor_mut().1.copy_from_slice(now);
                run(&mut self.session, &bound.binding)?;
                match &bound.output {
                    Output::Float(tensor) => here.copy_from_slice(tensor.extract_tensor().1),
                    Output::Integer(tensor) => {
                        for (to, from) in here.iter_mut().zip(tensor.extract_tensor().1) {
                            *to = integer_as_float(*from);
                        }
                    }
                }
                (rows, out) = (later, rest);
            }
        }
        Ok(())
    }
}

/// An index as `f32`: exact up to 2²⁴, far above any index a rule knows; what lies outside stays outside.
#[expect(clippy::cast_precision_loss, reason = "exact for every index a rule accepts")]
fn integer_as_float(index: i64) -> f32 {
    index as f32
}

/// One run of the session on bound buffers.
fn run(session: &mut Session, binding: &IoBinding) -> Result<(), InferError> {
    // SAFETY: both pointers are valid while the borrows live; `&mut Session` keeps every other run of this session away, and the
    // binding was made from this session and holds its own references to the bound tensors. A null pointer asks for the
    // default run options.
    let result = unsafe {
        let status = (ort::api().RunWithBinding)(session.ptr().cast_mut(), std::ptr::null(), binding.ptr());
        ort::Error::result_from_status(status)
    };
    result.map_err(|error| InferError::Runtime {
        detail: error.to_string(),
    })
}

fn bind(
    session: &Session,
    input_name: &str,
    input_shape: &InputShape,
    output_name: &str,
    output_shape: &OutputShape,
    integer: bool,
    rows: usize,
) -> Result<Bound, OrtError> {
    let allocator = Allocator::default();
    let mut input = Tensor::<f32>::new(&allocator, input_shape.at(rows))?;
    input.extract_tensor_mut().1.fill(0.0);
    let mut binding = session.create_binding()?;
    binding.bind_input(input_name, &input)?;
    let dims = output_shape.at(rows);
    let output = if integer {
        let mut tensor = Tensor::<i64>::new(&allocator, dims)?;
        tensor.extract_tensor_mut().1.fill(0);
        binding.bind_output(output_name, &mut tensor)?;
        Output::Integer(tensor)
    } else {
        let mut tensor = Tensor::<f32>::new(&allocator, dims)?;
        tensor.extract_tensor_mut().1.fill(0.0);
        binding.bind_output(output_name, &mut tensor)?;
        Output::Float(tensor)
    };
    Ok(Bound {
        rows,
        input,
        output,
        binding,
    })
}

#[cfg(test)]
mod tests;
