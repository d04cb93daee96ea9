//! Experiment contracts: registered once, read ever after, never changed.

mod register;

use contracts::ids::{ContractId, ExperimentName};

pub use self::register::{Register, RegisterError, Registered, check_reward, contract_of, register};
use crate::app::App;
use crate::limits::EXPERIMENTS_LISTED_MAX;
use crate::store::{ExperimentRow, StoreError};

/// Why an experiment cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// There is none of that id.
    #[error("experiment contract {0} is not registered")]
    NotFound(ContractId),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

impl ShowError {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "experiment_not_found",
            Self::Store(_) => "store",
        }
    }
}

/// Newest first, of one name where that is given; never more than [`EXPERIMENTS_LISTED_MAX`].
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    app: &App,
    name: Option<&ExperimentName>,
    limit: u32,
) -> Result<Vec<ExperimentRow>, StoreError> {
    app.store
        .experiments(name, limit.min(EXPERIMENTS_LISTED_MAX))
        .await
}

/// One contract.
///
/// # Errors
/// [`ShowError`].
pub async fn show(app: &App, id: &ContractId) -> Result<ExperimentRow, ShowError> {
    let row = app.store.experiment(id).await?;
    row.ok_or_else(|| ShowError::NotFound(id.clone()))
}
