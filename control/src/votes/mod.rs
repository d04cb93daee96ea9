//! The second vote: a person who did not build the model says yes, no, or asks for more.
//!
//! A vote binds to the evidence it names. Everything a vote changes is one transaction that holds the proposal's and the slot's rows; a
//! vote that is refused changes nothing and is an event of its own.

mod approve;
mod expire;
mod record;
mod reject;
mod request;
mod rules;

pub use self::approve::{Approve, ApproveError, Approved, approve};
pub(crate) use self::approve::{Deployment, deploy};
pub use self::expire::{ExpireError, expire};
pub(crate) use self::record::LOG;
pub use self::reject::{Reject, RejectError, reject};
pub use self::request::{RequestError, RequestMoreTests, request_more_tests};
pub use self::rules::{ALTERED, Altered, VoteRefused};
