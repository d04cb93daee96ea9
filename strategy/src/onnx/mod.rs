//! Onnx.
