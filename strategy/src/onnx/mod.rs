//! ONNX files: reading, admission, choice of the action output, reduction, conversion to a dense chain.

pub mod admit;
pub mod chain;
pub mod probe;
pub mod proto;
pub mod reduce;
pub mod testmodels;
