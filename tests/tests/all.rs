//! End-to-end tests of the workspace: one binary, a module per subject.

#[path = "all/tidy/mod.rs"]
mod tidy;
