//! The model registry: what becomes a model, where it comes from, and what may stand where.

pub mod bundle;
pub mod lineage;
mod manifest;
mod provenance;
mod register;
mod stage;

pub use self::manifest::ManifestError;
pub use self::provenance::{NewDataset, NewTraining, RecordError, register_dataset, register_training};
pub use self::register::{RegisterModelError, Registered, Registration, register};
pub use self::stage::Stage;
