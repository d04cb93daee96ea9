//! Short loops around the core: inline, pipeline, replay, verify.

pub mod hub_out;
pub mod inbox;
pub mod inline;
pub mod intake;
pub mod live;
pub mod load;
pub mod outlet;
pub mod pipeline;
pub mod pump;
pub mod replay;
pub mod ring;
pub mod start;
pub mod verify;
pub mod warm;
