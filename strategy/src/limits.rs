//! Every limit of this crate, with its unit and its reason.

/// Most rows one batch may hold: the largest bound buffer of the ORT executor, and more instruments than one engine serves.
pub const BATCH_ROWS_MAX: usize = 1_024;

/// Most layers of a dense chain: exported policies have below 20; more is a graph that belongs to ONNX Runtime.
pub const DENSE_LAYERS_MAX: usize = 256;

/// Most weights of a dense chain (64 MiB of `f32`, the size limit of a model file).
pub const DENSE_WEIGHTS_MAX: usize = 16 * 1_024 * 1_024;
