//! Every limit of this crate, with its unit and its reason.
