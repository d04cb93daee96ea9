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

/// Daily values (revisions included) kept per macro series: sixteen years of week-days; the oldest leaves when one more comes.
pub const MACRO_VALUES_MAX: usize = 4_096;

/// Days a gap is followed back through adjoining sessions when its missing bars are counted; a longer one counts as longer.
pub const GAP_DAYS_MAX: i64 = 400;

/// A close this many times the last used one, or that fraction of it, is impossible.
pub const LEVEL_JUMP_FACTOR: f64 = 5.0;

/// How near, relatively, a second bar must come to a quarantined level to confirm it.
pub const LEVEL_AGREEMENT: f64 = 0.01;

/// Standard deviations below this are taken as 1: a constant feature is centred, not blown up.
pub const STD_MIN: f64 = 1e-8;

/// Normalised values are clipped to ± this.
pub const NORMALISED_CLIP: f64 = 5.0;

/// Bars per period after which a Wilder average has forgotten its start: (1 − 1/n)^(20·n) < 2.1e-9.
pub const WILDER_SETTLED_PERIODS: u32 = 20;
