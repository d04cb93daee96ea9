//! All rows of all tables, out and in: what a backup is made of. Values are null, whole numbers, fractions and texts, so rows of one
//! dialect go into the other.

use futures_util::TryStreamExt as _;
use serde_json::{Map, Value};
use sqlx::{Any, Column as _, Row as _, Transaction};

use super::told::cell;
use super::{Dialect, Store, StoreError, Tx};

/// A row: column → value.
pub type RowMap = Map<String, Value>;

/// Tables in an order in which rows can be put back: what is referred to comes first. Tables not named here come after them.
const ORDER: [&str; 26] = [
    "users",
    "api_tokens",
    "auth_events",
    "slots",
    "experiment_contracts",
    "datasets",
    "training_runs",
    "market_revisions",
    "model_registry",
    "model_authors",
    "backtests",
    "holdout_looks",
    "promotion_proposals",
    "proposal_evidence",
    "vote_statements",
    "production_contracts",
    "production_periods",
    "directives",
    "resume_requests",
    "engines",
    "engine_receipts",
    "audit_events",
    "approval_audit_log",
    "jobs",
    "outbox",
    "deliveries",
];

/// Logins end with a restore; the schema's own record is the migration's.
const LEFT_OUT: [&str; 3] = ["sessions", "setup_links", "_sqlx_migrations"];

/// The database as it is at one moment.
#[derive(Debug)]
pub struct Snapshot {
    inner: Transaction<'static, Any>,
    dialect: Dialect,
}

fn in_order(mut tables: Vec<String>) -> Vec<String> {
    tables.retain(|name| !LEFT_OUT.contains(&name.as_str()));
    tables.sort_by_key(|name| {
        let place = ORDER
            .iter()
            .position(|known| known == name)
            .unwrap_or(ORDER.len());
        (place, name.clone())
    });
    tables
}

const fn list_of_tables(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite@_%' ESCAPE '@'"
        }
        Dialect::Postgres => {
            "SELECT CAST(table_name AS TEXT) AS name FROM information_schema.tables
             WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'"
        }
    }
}

/// A name that can stand in a statement as it is.
fn plain(name: &str) -> Result<&str, StoreError> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if !name.is_empty() && name.bytes().all(fits) {
        return Ok(name);
    }
    Err(StoreError::Refused {
        rule: format!(
            "`{}` is no name of a table or column",
            name.chars().take(64).collect::<String>()
        ),
    })
}

impl Snapshot {
    /// Its tables, in an order in which their rows can be put back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tables(&mut self) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(list_of_tables(self.dialect))
            .fetch_all(&mut *self.inner)
            .await?;
        let names: Result<Vec<String>, sqlx::Error> = rows.iter().map(|row| row.try_get("name")).collect();
        Ok(in_order(names?))
    }

    /// Every row of a table goes to `take`; its failure ends it.
    ///
    /// # Errors
    /// [`StoreError`], or what `take` says.
    pub async fn rows<E: From<StoreError>>(
        &mut self,
        table: &str,
        mut take: impl FnMut(RowMap) -> Result<(), E> + Send,
    ) -> Result<(), E> {
        let sql = format!("SELECT * FROM {} ORDER BY 1, 2", plain(table)?);
        let mut rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch(&mut *self.inner);
        while let Some(row) = rows.try_next().await.map_err(StoreError::from)? {
            let mut map = RowMap::new();
            for (index, column) in row.columns().iter().enumerate() {
                let value = cell(&row, index).map_err(StoreError::from)?;
                map.insert(column.name().to_owned(), value);
            }
            take(map)?;
        }
        Ok(())
    }
}

impl Store {
    /// The database as it is now, whatever others write from now on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let begin = match self.dialect {
            Dialect::Sqlite => "BEGIN",
            Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        };
        Ok(Snapshot {
            inner: self.pool().begin_with(begin).await?,
            dialect: self.dialect,
        })
    }

    /// A table that holds a row, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn table_in_use(&self) -> Result<Option<String>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        for table in snapshot.tables().await? {
            let sql = format!("SELECT 1 FROM {} LIMIT 1", plain(&table)?);
            let found = sqlx::query(sqlx::AssertSqlSafe(sql))
                .fetch_optional(&mut *snapshot.inner)
                .await?;
            if found.is_some() {
                return Ok(Some(table));
            }
        }
        Ok(None)
    }
}

impl Tx {
    /// Puts a row back as it was.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_back(&mut self, table: &str, row: &RowMap) -> Result<(), StoreError> {
        // What is null is left out: a null has no type, and a column without a value is null.
        let filled: Vec<(&String, &Value)> = row.iter().filter(|(_, value)| !value.is_null()).collect();
        let mut columns = Vec::with_capacity(filled.len());
        for (column, _) in &filled {
            columns.push(plain(column)?);
        }
        let places: Vec<String> = (1..=filled.len()).map(|n| format!("${n}")).collect();
        let (table, columns, places) = (plain(table)?, columns.join(", "), places.join(", "));
        let sql = format!("INSERT INTO {table} ({columns}) VALUES ({places})");
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        for (column, value) in filled {
            query = match value {
                Value::String(text) => query.bind(text.clone()),
                Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                    (Some(whole), _) => query.bind(whole),
                    (None, Some(fraction)) => query.bind(fraction),
                    (None, None) => query.bind(number.to_string()),
                },
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                    return Err(StoreError::Refused {
                        rule: format!("{table}.{column} is neither text nor number"),
                    });
                }
            };
        }
        query.execute(self.statement()?).await?;
        Ok(())
    }

    /// The next row of a table with an `id` gets a number above those that were put back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count_on(&mut self, table: &str) -> Result<(), StoreError> {
        if self.dialect() == Dialect::Postgres {
            let table = plain(table)?;
            let sql = format!(
                "SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT MAX(id) FROM {table}))"
            );
            sqlx::query(sqlx::AssertSqlSafe(sql))
                .execute(self.statement()?)
                .await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_come_in_their_order_and_new_ones_last() {
        let all = ["deliveries", "zebra", "sessions", "users", "slots", "aardvark"].map(str::to_owned);
        assert_eq!(
            in_order(all.to_vec()),
            ["users", "slots", "deliveries", "aardvark", "zebra"]
        );
    }

    #[test]
    fn a_name_that_is_more_than_a_name_is_refused() {
        assert!(plain("audit_events").is_ok());
        for bad in ["", "a b", "a;--", "A", "a\"", "ä"] {
            assert!(plain(bad).is_err(), "{bad}");
        }
    }
}
