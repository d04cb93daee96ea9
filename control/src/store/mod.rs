//! Everything that is kept: the only place with SQL.
//!
//! One SQL text serves SQLite and PostgreSQL (the schema has two dialects, under `migrations/`): placeholders are `$1`, flags are 0 or
//! 1, times are text of fixed width, documents are the exact bytes that were hashed or signed. Reads go through [`Store`], writes
//! through a [`Tx`], so that whatever belongs together is committed together.

mod audit;
mod auth_events;
mod backtests;
mod checks;
mod counts;
mod datasets;
mod engines;
mod error;
mod evidence;
mod experiments;
mod jobs;
mod lineage;
mod looks;
mod market;
mod models;
mod outbox;
mod proposals;
mod resumes;
mod sessions;
mod setup;
mod slots;
mod statements;
mod text;
mod tokens;
mod told;
mod tx;
mod users;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::Migrator;
use sqlx::{AnyConnection, AnyPool, Executor as _};

pub use self::audit::AuditFilter;
pub use self::auth_events::{AuthEvent, AuthKind};
pub use self::backtests::{BacktestRow, Purpose};
pub use self::checks::LogRow;
pub use self::counts::Counted;
pub use self::datasets::{DatasetRow, TrainingRow};
pub use self::engines::{EngineRow, ReceiptRow};
pub use self::error::StoreError;
pub use self::evidence::EvidenceRow;
pub use self::experiments::ExperimentRow;
pub use self::jobs::{Claimed, JobFilter, JobRow, Lease};
pub use self::lineage::{BacktestFiles, StatementText};
pub use self::looks::LookRow;
pub use self::market::{HoldingRow, RevisionFilter, RevisionRow};
pub use self::models::{Authorship, ModelRow};
pub use self::outbox::{DeliveryFilter, DeliveryOutcome, DeliveryRow, DeliveryState};
pub(crate) use self::proposals::word as recommendation_word;
pub use self::proposals::{ApprovalLog, Decided, ProposalRow, ProposalStatus};
pub use self::resumes::ResumeRow;
pub use self::sessions::SessionRow;
pub use self::slots::{Cause, ContractRow, PeriodRow, SlotRow};
pub use self::statements::StatementRow;
pub use self::text::time as time_text;
pub use self::tokens::TokenRow;
pub use self::told::{TOLD, ToldTable};
pub use self::tx::{FaultPlan, Tx};
pub use self::users::UserRow;
pub use self::whole::{RowMap, Snapshot};
use crate::limits::{DATABASE_CONNECTIONS_MAX, DATABASE_WAIT_S};

static SQLITE: Migrator = sqlx::migrate!("../migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../migrations/postgres");

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// One file, write-ahead log.
    Sqlite,
    /// A server.
    Postgres,
}

/// The database, shared by everything that reads or writes it.
#[derive(Debug, Clone)]
pub struct Store {
    pool: AnyPool,
    dialect: Dialect,
    faults: Option<Arc<FaultPlan>>,
}

/// Why the database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Neither `sqlite:` nor `postgres:`.
    #[error("`{url}` names no database: write sqlite:PATH or postgres://USER@HOST/NAME")]
    Url {
        /// What was given, without a password.
        url: String,
    },
    /// It does not answer.
    #[error("the database cannot be opened")]
    Connect(#[source] sqlx::Error),
    /// Its schema is newer than this program, or a migration failed.
    #[error("the schema cannot be brought up to date")]
    Migrate(#[source] sqlx::migrate::MigrateError),
}

impl Store {
    /// Opens the database; a SQLite file is made if it is not there.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        sqlx::any::install_default_drivers();
        let (dialect, url) = match url.split_once(':') {
            Some(("sqlite", path)) => (
                Dialect::Sqlite,
                format!("sqlite:{}?mode=rwc", path.trim_start_matches("//")),
            ),
            Some(("postgres" | "postgresql", _)) => (Dialect::Postgres, url.to_owned()),
            _ => {
                let url = url.split('@').next_back().unwrap_or_default().to_owned();
                return Err(OpenError::Url { url });
            }
        };
        let pool = AnyPoolOptions::new()
            .max_connections(DATABASE_CONNECTIONS_MAX)
            .acquire_timeout(Duration::from_secs(DATABASE_WAIT_S))
            .after_connect(move |connection, _| Box::pin(prepare(connection, dialect)))
            .connect(&url)
            .await
            .map_err(OpenError::Connect)?;
        Ok(Self {
            pool,
            dialect,
            faults: None,
        })
    }

    /// Brings the schema up to date; done again, it changes nothing.
    ///
    /// # Errors
    /// [`OpenError::Migrate`].
    pub async fn migrate(&self) -> Result<(), OpenError> {
        let migrator = match self.dialect {
            Dialect::Sqlite => &SQLITE,
            Dialect::Postgres => &POSTGRES,
        };
        migrator.run(&self.pool).await.map_err(OpenError::Migrate)
    }

    /// Which database it is.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The same store, whose transactions fail where the plan says: for tests of what a crash leaves behind.
    #[must_use]
    pub fn with_faults(&self, plan: Arc<FaultPlan>) -> Self {
        Self {
            faults: Some(plan),
            ..self.clone()
        }
    }

    /// Begins a transaction that will write. On SQLite it holds the one write lock from here; on PostgreSQL rows are locked as they are
    /// read, by the functions that end in `_for_update`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let begin = match self.dialect {
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::Postgres => "BEGIN",
        };
        let inner = self.pool.begin_with(begin).await?;
        Ok(Tx::new(inner, self.dialect, self.faults.clone()))
    }

    /// The connections, for reads within this module.
    pub(in crate::store) const fn pool(&self) -> &AnyPool {
        &self.pool
    }
}

/// What every SQLite connection is told: write-ahead log, every commit on disk, references checked, five seconds of patience.
async fn prepare(connection: &mut AnyConnection, dialect: Dialect) -> Result<(), sqlx::Error> {
    if dialect == Dialect::Sqlite {
        for pragma in [
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            "PRAGMA foreign_keys = ON",
            "PRAGMA busy_timeout = 5000",
        ] {
            connection.execute(pragma).await?;
        }
    }
    Ok(())
}
