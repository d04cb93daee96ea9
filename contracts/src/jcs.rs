//! Jcs.
