//! The stages of the hot path, in the order a bar meets them. One file per stage.

mod core;
mod infer;
mod parse;
mod record;

use crate::blocks::Stage;

/// All stages.
#[must_use]
pub fn all() -> Vec<Stage> {
    let by_stage = [parse::stages(), infer::stages(), core::stages(), record::stages()];
    by_stage.into_iter().flatten().collect()
}
