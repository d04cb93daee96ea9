//! What can go wrong between the control plane and its database.

/// Why a statement had no effect.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or is busy beyond patience: try again later; nothing was changed.
    #[error("the database is not available now")]
    Unavailable(#[source] sqlx::Error),
    /// A unique rule of the schema refused it: somebody else was first, or it is there already.
    #[error("`{rule}` is taken already")]
    Conflict {
        /// The index or the columns.
        rule: String,
    },
    /// A rule of the schema (a trigger, a check, a reference) refused it: the program asked for something illegal.
    #[error("the database refused: {rule}")]
    Refused {
        /// Its words.
        rule: String,
    },
    /// A row holds something that this program never writes: it was edited by hand, or is of a newer version.
    #[error("{table}: {detail}")]
    Corrupt {
        /// Where.
        table: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// An update that must change one row changed another number of them.
    #[error("{table}: {rows} rows were changed where 1 was expected")]
    RowCount {
        /// Where.
        table: &'static str,
        /// How many.
        rows: u64,
    },
    /// A planned failure of a test.
    #[error("a planned failure before statement {statement}")]
    Planned {
        /// The statement's number within its transaction.
        statement: u32,
    },
    /// Anything else the driver says.
    #[error("the database answered with an error")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::error::ErrorKind;
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            sqlx::Error::Database(from) => {
                if from.code().is_some_and(|code| is_absence(&code)) {
                    return Self::Unavailable(error);
                }
                let rule = from.message().to_owned();
                match from.kind() {
                    ErrorKind::UniqueViolation => Self::Conflict {
                        rule: from.constraint().map_or(rule, str::to_owned),
                    },
                    ErrorKind::ForeignKeyViolation
                    | ErrorKind::CheckViolation
                    | ErrorKind::NotNullViolation => Self::Refused { rule },
                    _ if from.code().is_some_and(|code| is_raised(&code)) => Self::Refused { rule },
                    _ => Self::Database(error),
                }
            }
            _ => Self::Database(error),
        }
    }
}

/// SQLite's busy and locked (with their extended codes), I/O errors and a full disk; PostgreSQL's classes for lost connections,
/// shortage of resources, serialisation and administrators.
fn is_absence(code: &str) -> bool {
    matches!(
        code,
        "5" | "6" | "10" | "13" | "14" | "261" | "262" | "517" | "40001" | "40P01" | "55P03"
    ) || ["08", "53", "57"]
        .iter()
        .any(|class| code.len() == 5 && code.starts_with(class))
}

/// `RAISE(ABORT)` of SQLite (19 or 1811) and `RAISE EXCEPTION` of PostgreSQL.
fn is_raised(code: &str) -> bool {
    matches!(code, "19" | "1811" | "P0001")
}
