//! The first vote: a registered model is backtested out of sample, and what was found is proposed to people.
//!
//! `subject` (a model ready to be run) and `lab` (what it is run with) → `measure` (runs, causality, drift, the production model beside
//! it) → `ledger` (the look is noted before a figure is used) → `draft` (evidence) → `first_vote` (a new proposal) or `revise` (new
//! evidence about an open one). Everything here runs in a job: what a job writes, it writes in one transaction with its own end.

mod ask;
mod catalogue;
mod draft;
mod first_vote;
mod kept;
mod lab;
pub(crate) mod ledger;
mod measure;
mod more_test;
mod revise;
mod subject;

pub use self::ask::{AskError, ask};
pub use self::catalogue::MoreTestName;
pub(crate) use self::first_vote::first_vote;
pub use self::kept::{KeepError, backtest_id};
pub use self::lab::{Eyes, Lab, Live};
pub use self::ledger::{Counted, Look, LookError, Origin};
pub(crate) use self::more_test::more_test;
pub(crate) use self::revise::comparison;
pub use self::subject::{Subject, SubjectError};

/// What the chain calls the plane itself, where it would name a person.
const CONTROL: &str = "control";
