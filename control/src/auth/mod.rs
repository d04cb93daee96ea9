//! Who asks, how they showed it, and what that permits.
//!
//! People log in with a password and hold a session; programs hold tokens. Both are looked up by the hash of a secret. What a caller may
//! do is decided at the boundary (a route's access) and, where it matters who it is, again in the domain.

mod actor;
mod login;
pub mod password;
mod present;
mod secret;
mod setup;
mod tokens;
mod users;

pub use self::actor::{Actor, NotFresh, Role, Scope, Via};
pub use self::login::{From, Login, LoginError, NewSession, login, logout};
pub use self::present::{PresentError, Presented, by_session, by_token};
pub use self::secret::{OfSecret, Random, Secret, SecretHash, SystemRandom, same};
pub use self::setup::{FirstAdmin, SetupError, offer_setup, set_up};
pub use self::tokens::{NewToken, TokenError, create_token, owner_roles, revoke_token};
pub use self::users::{NewUser, UserError, add_user, change_password, disable_user, set_roles};
