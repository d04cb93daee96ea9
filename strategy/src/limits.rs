//! Every limit of this crate, with its unit and its reason.

/// Most rows one batch may hold: the largest bound buffer of the ORT executor, and more instruments than one engine serves.
pub const BATCH_ROWS_MAX: usize = 1_024;

/// Most layers of a dense chain: exported policies have below 20; more is a graph that belongs to ONNX Runtime.
pub const DENSE_LAYERS_MAX: usize = 256;

/// Most weights of a dense chain (64 MiB of `f32`, the size limit of a model file).
pub const DENSE_WEIGHTS_MAX: usize = 16 * 1_024 * 1_024;

/// Largest ONNX file: a policy of a few layers has kilobytes; 64 MiB leaves room for every dense network within a bar's budget.
pub const MODEL_BYTES_MAX: usize = 64 * 1_024 * 1_024;

/// Most nodes of an ONNX graph: exported policies have 5 to 200.
pub const MODEL_NODES_MAX: usize = 10_000;

/// Newest opset of ai.onnx that the pinned ONNX Runtime supports (a test asks it).
pub const OPSET_MAX: i64 = 28;

/// Newest version of the file format that the pinned ONNX Runtime reads (a test asks it).
pub const IR_VERSION_MAX: i64 = 14;

/// Random rows on which a reduced graph must equal the original, and a dense chain must stay close to it.
pub const CHECKED_ROWS: usize = 10_000;

/// Widest scaling or shifting that is made a diagonal product where no product stands before it (an observation at most).
pub const FOLDED_WIDTH_MAX: usize = 64;

/// Largest |dense − ORT| of an admitted dense chain, and the half-width of the band around thresholds and ties in which the
/// action may differ: two orders above what `f32` summation in another order costs a policy, two below a threshold's digits.
pub const DENSE_TOLERANCE: f32 = 1e-5;

/// Two best logits closer than this are a near tie, which normalising and exponentiating may round into a tie.
pub const NEAR_TIE: f32 = 1e-6;

/// Observations are clipped to ± this many standard deviations.
pub const OBSERVATION_CLIP: f32 = 5.0;
