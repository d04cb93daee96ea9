//! The benchmark harness: stages of the hot path, measured in interleaved blocks.
//!
//! All stages take turns, block by block, so that a slow phase of the machine hits every one of them; a stage's figure is
//! the median of its blocks. What a block holds is stated with the figure. Nothing here asserts a time: a figure is
//! compared by a person who reads machine, toolchain and date above the table.

pub mod blocks;
pub mod machine;
pub mod stages;
