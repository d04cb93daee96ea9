//! Moves of production beside the vote itself: a later promotion, a return, a withdrawal.
//!
//! All three ask for a person with a password given at most 15 minutes ago, and for a role; promote and rollback also that the person
//! is no author of the model. None of them believes a status column: what is signed is what counts.

mod later;
mod refused;
mod rollback;
mod withdraw;

pub use self::later::{PromoteLater, promote};
pub(crate) use self::refused::check_reason;
pub use self::refused::{MoveError, MoveRefused, Moved};
pub use self::rollback::{RollBack, rollback};
pub use self::withdraw::{Withdraw, withdraw};
