//! The first vote: a criteria table from the figures, and a recommendation that is a pure function of that table.
//!
//! A person may overrule it, with notes; what [`Defect`] names nobody can.

mod criteria;
#[cfg(test)]
mod of_evidence;
mod reason;
mod recommend;
#[cfg(test)]
mod truth_table;

pub use self::criteria::{Facts, criteria};
pub use self::reason::word;
pub use self::recommend::{Beside, Circumstances, FirstVoteResult, of_evidence, recommend};
pub use contracts::evidence::Defect;
