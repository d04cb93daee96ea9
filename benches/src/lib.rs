//! The benchmark harness of the workspace: what `engine bench` measures, and what it leaves out.
//!
//! The measuring itself is the engine's (`engine::bench`), so that a figure here and a figure of `engine bench` mean the same. Nothing
//! asserts a time: a figure is compared by a person who reads machine, toolchain and date above the table.

pub mod stages;

/// The ratios worth reading: what, over what.
pub const RATIOS: [(&str, &str); 6] = {
    let [a, b, c, d] = engine::bench::stages::RATIOS;
    [
        a,
        b,
        c,
        d,
        (stages::WIRE_SIGNAL, stages::WIRE_ECHO),
        (stages::JOURNAL_DISK, stages::JOURNAL_PROCESS),
    ]
};
