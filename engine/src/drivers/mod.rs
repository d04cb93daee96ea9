//! Short loops around the core: inline, pipeline, replay, verify.

pub mod outlet;
pub mod pump;
pub mod ring;
