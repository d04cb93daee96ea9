//! The model registry: what may stand where.

mod stage;

pub use self::stage::Stage;
