//! ONNX files: reading, admission, choice of the action output, reduction, conversion to a dense chain.
//!
//! [`inspect::inspect`] does all of it once, at registration, and says what the engine shall run; the engine admits the chosen
//! bytes again and builds a [`PolicySource`](crate::policy::PolicySource) from them.

pub mod admit;
pub mod chain;
pub mod inspect;
pub mod probe;
pub mod proto;
pub mod reduce;
pub mod testmodels;
mod verify;
