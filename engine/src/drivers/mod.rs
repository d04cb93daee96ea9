//! Short loops around the core: inline, pipeline, replay, verify.

pub mod ring;
