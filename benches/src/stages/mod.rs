//! The stages of the hot path, in the order a bar meets them. One file per stage.

mod infer;
mod parse;
mod record;

use crate::blocks::Stage;

/// All stages.
#[must_use]
pub fn all() -> Vec<Stage> {
    [parse::stages(), infer::stages(), record::stages()]
        .into_iter()
        .flatten()
        .collect()
}
