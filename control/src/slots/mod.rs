//! Slots: the latch that stops them, the two people it takes to clear one, and the directive that says all of it to the engine.

mod directive;
mod halt;
mod heard;
mod renew;
mod resume;

pub use self::directive::{DirectiveError, issue as issue_directive};
pub(crate) use self::halt::set_latch;
pub use self::halt::{Halt, HaltError, halt};
pub use self::heard::{HeardError, heard};
pub use self::renew::{RenewError, renew};
pub use self::resume::{ResumeError, ResumeRefused, ResumeRequest, confirm_resume, request_resume};
