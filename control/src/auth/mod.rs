//! Who asks, and what they may do.

mod actor;

pub use self::actor::{Actor, NotFresh, Role, Scope, UnknownWord, Via};
