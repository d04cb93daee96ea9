//! The stages in the order a bar meets them. One file per group.

mod infer;
mod journal;
mod parse;
mod signals;

pub use journal::{JOURNAL_DISK, JOURNAL_PROCESS};
pub use signals::{WIRE_ECHO, WIRE_SIGNAL};

use engine::bench::{Stage, Subject, stages};

/// Bars of the seeded subject.
const BARS: usize = 100_000;

/// All stages.
///
/// # Panics
/// When ONNX Runtime is missing (`cargo xtask setup` fetches it), or no folder or port can be had.
#[must_use]
pub fn all() -> Vec<Stage> {
    let subject = Subject::seeded(7, BARS, None).expect("enough generated bars");
    let core = stages::all(&subject);
    assert!(
        core.left_out.is_empty(),
        "`cargo xtask setup` fetches it: {:?}",
        core.left_out
    );
    let by_stage = [
        parse::stages(),
        core.stages,
        infer::stages(),
        journal::stages(),
        signals::stages(),
    ];
    by_stage.into_iter().flatten().collect()
}
