//! Measuring the path of a bar on the machine at hand: what `engine bench` and the benches of the workspace share.
//!
//! All stages take turns, block by block, so that a slow phase of the machine hits every one of them; a ratio is the median of the
//! ratios of blocks that ran side by side. Nothing here judges a time: a person does, who reads the machine's lines above the table.

pub mod blocks;
pub mod machine;
pub mod market;
pub mod report;
pub mod stages;
pub mod subject;

pub use blocks::{Plan, Row, Stage, measure};
pub use subject::{Subject, SubjectError};
