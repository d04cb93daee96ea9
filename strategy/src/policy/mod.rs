//! Policy inference: rows of observations in, raw model outputs out.
//!
//! Two executors stand behind one trait. [`DensePolicy`] runs a chain of matrix products with bits that do not
//! depend on batch size, lane width or CPU; [`OrtPolicy`] runs any admitted graph in ONNX Runtime. Which one a model
//! uses is part of its contract; there is no fallback from one to the other.

pub mod dense;
pub mod library;
pub mod runtime;
pub mod source;

pub use dense::DensePolicy;
pub use runtime::{Batching, OrtPolicy};
pub use source::{PolicySource, SourceError};

use crate::limits::BATCH_ROWS_MAX;

/// What one row of a policy's output means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// One number.
    Scalar,
    /// Three numbers; the first maximum is the action.
    Logits,
    /// One integer, carried as `f32` (0, 1 and 2 are exact).
    Index,
}

impl Head {
    /// Values per row: 1, 3 or 1.
    #[must_use]
    pub const fn width(self) -> usize {
        match self {
            Self::Scalar | Self::Index => 1,
            Self::Logits => 3,
        }
    }
}

/// Why a batch could not be inferred.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InferError {
    /// A programming error of the caller: the slices do not hold whole rows of one batch.
    #[error(
        "{rows} input and {out} output values are no batch of 1 to {BATCH_ROWS_MAX} rows of width {width} and head width {head}"
    )]
    Shape {
        /// Values in `rows`.
        rows: usize,
        /// Values in `out`.
        out: usize,
        /// Inputs per row.
        width: usize,
        /// Outputs per row.
        head: usize,
    },
    /// ONNX Runtime refused the run; the model is broken or memory ran out. The engine withholds and keeps running.
    #[error("ONNX Runtime failed inside a run: {detail}")]
    Runtime {
        /// What ONNX Runtime said.
        detail: String,
    },
}

/// A loaded model that turns observations into raw outputs.
///
/// The result of a row never depends on the other rows of its batch nor on how many there are.
pub trait Policy: Send {
    /// Inputs per row.
    fn width(&self) -> usize;

    /// Meaning of one output row.
    fn head(&self) -> Head;

    /// Infers `n = rows.len() / width()` rows, row-major, into `out[..n * head().width()]`.
    ///
    /// Allocates nothing unless it fails.
    ///
    /// # Errors
    /// [`InferError`]; `out` is then unspecified.
    fn infer(&mut self, rows: &[f32], out: &mut [f32]) -> Result<(), InferError>;
}

/// Rows in a batch, checked.
///
/// # Errors
/// [`InferError::Shape`] unless both slices hold the same number of whole rows, 1 to [`BATCH_ROWS_MAX`].
pub fn batch_rows(width: usize, head: Head, rows: &[f32], out: &[f32]) -> Result<usize, InferError> {
    let n = rows.len() / width.max(1);
    let whole = n * width == rows.len() && n * head.width() == out.len();
    if whole && (1..=BATCH_ROWS_MAX).contains(&n) {
        return Ok(n);
    }
    Err(InferError::Shape {
        rows: rows.len(),
        out: out.len(),
        width,
        head: head.width(),
    })
}

/// The two executors behind one type, without dynamic dispatch.
#[derive(Debug)]
pub enum PolicyExec {
    /// A dense chain.
    Dense(DensePolicy),
    /// A session of ONNX Runtime.
    Ort(OrtPolicy),
}

impl Policy for PolicyExec {
    fn width(&self) -> usize {
        match self {
            Self::Dense(policy) => policy.width(),
            Self::Ort(policy) => policy.width(),
        }
    }

    fn head(&self) -> Head {
        match self {
            Self::Dense(policy) => policy.head(),
            Self::Ort(policy) => policy.head(),
        }
    }

    fn infer(&mut self, rows: &[f32], out: &mut [f32]) -> Result<(), InferError> {
        match self {
            Self::Dense(policy) => policy.infer(rows, out),
            Self::Ort(policy) => policy.infer(rows, out),
        }
    }
}

/// Batch sizes at which a model must give the bits it gives row by row.
pub const CHECKED_BATCHES: [usize; 3] = [2, 7, 64];

/// Infers any number of rows in batches of at most `size`.
///
/// # Errors
/// [`InferError`] of the first batch that fails.
pub fn infer_in_batches(policy: &mut impl Policy, rows: &[f32], size: usize) -> Result<Vec<f32>, InferError> {
    let (width, head) = (policy.width(), policy.head().width());
    let mut out = vec![0.0; rows.len() / width.max(1) * head];
    let batch = size.clamp(1, BATCH_ROWS_MAX);
    for (rows, out) in rows.chunks(batch * width).zip(out.chunks_mut(batch * head)) {
        policy.infer(rows, out)?;
    }
    Ok(out)
}

/// Whether two lists of values are equal bit for bit.
#[must_use]
pub fn same_bits(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}
