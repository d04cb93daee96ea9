//! What the engine and the control plane agree on.
//!
//! Ids, hashes, times, bars, feature contracts, norm stats, golden vectors, production contracts, directives and the
//! messages on the wire. No runtime, no clock, no network; the only I/O is reading a file the caller names.
//!
//! Everything here is *parsed, not validated*: a value of one of these types has already passed its checks.

pub mod action;
pub mod bar;
pub mod directive;
pub mod evidence;
pub mod experiment;
pub mod features;
pub mod files;
pub mod golden;
pub mod hash;
pub mod ids;
pub mod jcs;
pub mod limits;
mod manual;
pub mod native;
pub mod norm_stats;
pub mod numerics;
pub mod production;
pub mod reason;
mod schema;
pub mod signing;
pub mod strict;
pub mod time;
pub mod wire;
