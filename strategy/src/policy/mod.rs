//! Policy inference: rows of observations in, raw model outputs out.
//!
//! Two executors stand behind one trait. The dense executor runs a chain of matrix products with bits that do not
//! depend on batch size, lane width or CPU; the ORT executor runs any admitted graph in ONNX Runtime. Which one a model
//! uses is part of its contract; there is no fallback from one to the other.

pub mod dense;

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
