//! Action.
