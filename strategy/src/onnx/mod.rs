//! ONNX files: reading, admission, choice of the action output, reduction, conversion to a dense chain.

pub mod admit;
pub mod proto;
pub mod testmodels;
