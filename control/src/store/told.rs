//! Rows the audit chain vouches for: what a transaction changed in them is told by its next event, so that a row edited later
//! contradicts the chain.
//!
//! Every function that writes one of these tables says so with [`Tx::changed`]; the event that follows carries the rows as they then
//! are, or of a table with many rows an event their hashes. Short values stand in it as they are, long ones as their hash, secret ones always as their hash.

use contracts::hash::Digest;
use contracts::jcs;
use serde_json::{Map, Value};
use sqlx::any::{AnyRow, AnyTypeInfoKind};
use sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _};

use super::{Store, StoreError, Tx};

/// A longer text stands in an event as its hash.
const PLAIN_BYTES_MAX: usize = 64;

/// A table whose rows are told.
#[derive(Debug)]
pub struct ToldTable {
    /// Its name.
    pub name: &'static str,
    /// The columns that name a row.
    key: &'static [&'static str],
    /// Columns that change without an event.
    untold: &'static [&'static str],
    /// Columns nobody should read in the chain.
    hidden: &'static [&'static str],
    /// A row stands in an event as one hash: an event tells of many.
    hashed: bool,
}

const fn told(name: &'static str, key: &'static [&'static str]) -> ToldTable {
    ToldTable {
        name,
        key,
        untold: &[],
        hidden: &[],
        hashed: false,
    }
}

/// All of them. Left out are what only a login or a program's progress needs (sessions, jobs, the outbox, heartbeats), directives (each
/// is signed by itself) and the plan's log (each row names its event, which holds what the row says).
pub const TOLD: &[ToldTable] = &[
    ToldTable {
        hidden: &["email", "password_hash"],
        ..told("users", &["username"])
    },
    ToldTable {
        untold: &["last_used_at"],
        hidden: &["token_hash"],
        ..told("api_tokens", &["token_id"])
    },
    ToldTable {
        untold: &["directive_number"],
        ..told("slots", &["slot"])
    },
    told("experiment_contracts", &["contract_id"]),
    told("datasets", &["contract_id", "dataset_hash"]),
    told("training_runs", &["run_id"]),
    told("model_registry", &["model_id"]),
    told("model_authors", &["model_id", "username", "reason"]),
    told("backtests", &["backtest_id"]),
    told("holdout_looks", &["id"]),
    told("promotion_proposals", &["proposal_id"]),
    told("proposal_evidence", &["proposal_id", "revision"]),
    told("vote_statements", &["id"]),
    told("production_contracts", &["contract_digest"]),
    told("production_periods", &["slot", "generation"]),
    told("resume_requests", &["id"]),
    told("engine_receipts", &["id"]),
    ToldTable {
        hashed: true,
        ..told("market_revisions", &["kind", "name", "month", "revision"])
    },
];

/// A value that names a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Key {
    fn from(number: u64) -> Self {
        Self::Number(super::text::number(number))
    }
}

/// A value as this module and the backup write it: null, a whole number, a fraction or a text.
pub fn cell(row: &AnyRow, index: usize) -> Result<Value, sqlx::Error> {
    let raw = row.try_get_raw(index)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let kind = raw.type_info().kind();
    Ok(match kind {
        AnyTypeInfoKind::Null => Value::Null,
        AnyTypeInfoKind::SmallInt | AnyTypeInfoKind::Integer | AnyTypeInfoKind::BigInt => {
            row.try_get::<i64, _>(index)?.into()
        }
        AnyTypeInfoKind::Real | AnyTypeInfoKind::Double => row.try_get::<f64, _>(index)?.into(),
        AnyTypeInfoKind::Text => row.try_get::<String, _>(index)?.into(),
        AnyTypeInfoKind::Bool | AnyTypeInfoKind::Blob => {
            let what = format!(
                "a value of type {} is in no table of this program",
                raw.type_info().name()
            );
            return Err(sqlx::Error::Decode(what.into()));
        }
    })
}

fn hashed(text: &str) -> Value {
    let digest: Digest<()> = Digest::of(text.as_bytes());
    format!("sha256:{digest}").into()
}

impl ToldTable {
    /// The table of that name.
    fn named(name: &str) -> &'static Self {
        let mut tables = TOLD.iter();
        tables
            .find(|table| table.name == name)
            .expect("only tables of the list are told of")
    }

    /// The row's name and what an event says of it.
    fn tell(&self, row: &AnyRow) -> Result<(String, Value), sqlx::Error> {
        let (mut key, mut said) = (vec![String::new(); self.key.len()], Map::new());
        for (index, column) in row.columns().iter().enumerate() {
            let (name, value) = (column.name(), cell(row, index)?);
            if let Some(place) = self.key.iter().position(|part| *part == name) {
                key[place] = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            }
            // Row numbers name nothing, unless there is no other name.
            if self.untold.contains(&name) || (name == "id" && !self.key.contains(&"id")) {
                continue;
            }
            let hidden = self.hidden.contains(&name);
            let value = match value {
                Value::String(text) if hidden || text.len() > PLAIN_BYTES_MAX => hashed(&text),
                plain => plain,
            };
            said.insert(name.to_owned(), value);
        }
        let said = Value::Object(said);
        let said = if self.hashed {
            // Only a number beyond 53 bits, which nobody but a hand writes, has no canonical form.
            let text = jcs::to_canonical(&said).unwrap_or_else(|_| said.to_string());
            hashed(&text)
        } else {
            said
        };
        Ok((key.join(" "), said))
    }
}

impl Tx {
    /// Says that a row of a told table was written; the next event tells what it then holds.
    pub(in crate::store) fn changed(&mut self, table: &'static str, key: Vec<Key>) {
        self.untold.insert((table, key));
    }

    /// The rows changed since the last event, as they are now: table → row → column → value; a deleted row is null.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn changed_rows(&mut self) -> Result<Map<String, Value>, StoreError> {
        let mut all = Map::new();
        for (name, key) in std::mem::take(&mut self.untold) {
            let table = ToldTable::named(name);
            let found = told_row(self.statement()?, table, &key).await?;
            let (row, said) = match found {
                Some(row) => table.tell(&row)?,
                None => (spelled(&key), Value::Null),
            };
            let rows = all.entry(name).or_insert_with(|| Value::Object(Map::new()));
            rows[row.as_str()] = said;
        }
        Ok(all)
    }

    /// A row of a told table as an event would tell of it now; none where it is not there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn row_now(&mut self, table: &str, key: &[Key]) -> Result<Option<Value>, StoreError> {
        let table = ToldTable::named(table);
        let row = told_row(self.statement()?, table, key).await?;
        Ok(row.map(|row| table.tell(&row)).transpose()?.map(|(_, said)| said))
    }
}

async fn told_row<'c>(
    executor: impl sqlx::Executor<'c, Database = sqlx::Any>,
    table: &ToldTable,
    key: &[Key],
) -> Result<Option<AnyRow>, StoreError> {
    let wanted: Vec<String> = (1..)
        .zip(table.key)
        .map(|(n, column)| format!("{column} = ${n}"))
        .collect();
    let sql = format!("SELECT * FROM {} WHERE {}", table.name, wanted.join(" AND "));
    let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
    for part in key {
        query = match part {
            Key::Text(text) => query.bind(text.clone()),
            Key::Number(number) => query.bind(*number),
        };
    }
    Ok(query.fetch_optional(executor).await?)
}

fn spelled(key: &[Key]) -> String {
    let parts: Vec<String> = key
        .iter()
        .map(|part| match part {
            Key::Text(text) => text.clone(),
            Key::Number(number) => number.to_string(),
        })
        .collect();
    parts.join(" ")
}

impl Store {
    /// A row of a told table as an event would tell of it now; none where it is not there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn row_now(&self, table: &str, key: &[Key]) -> Result<Option<Value>, StoreError> {
        let table = ToldTable::named(table);
        let row = told_row(self.pool(), table, key).await?;
        Ok(row.map(|row| table.tell(&row)).transpose()?.map(|(_, said)| said))
    }

    /// All rows of a told table as an event would tell of them now, by their names.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn told_rows(&self, table: &ToldTable) -> Result<Vec<(String, Value)>, StoreError> {
        let sql = format!("SELECT * FROM {}", table.name);
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(|row| Ok(table.tell(row)?)).collect()
    }
}
