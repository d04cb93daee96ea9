//! Models as people really export them, generated from a seed: for tests, the demo and the benches.
//!
//! No trained weights and no downloaded file are needed: what matters for admission, reduction and speed is the shape of
//! the graph around the network, and those shapes are reproduced here node by node.

mod bad;
mod builder;
mod scaler;
mod shapes;

pub use bad::{
    BadModel, all_refused, constant_output, giant_when_run, nan_output, plain, tiny, versions, wrong_width,
};
pub use builder::{Builder, OPSET, as_dim, normal};
pub use scaler::norm_stats;
pub use shapes::{
    Shape, TestModel, all_dense, all_general, clipped_vector, convolution, gelu, keras_logits, layer_norm,
    ppo_continuous, ppo_discrete, sac, softmax_argmax,
};
