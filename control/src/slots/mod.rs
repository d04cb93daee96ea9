//! Slots: what they run, and the two latches that stop them.

mod directive;

pub use self::directive::{DirectiveError, issue as issue_directive};
