//! From columns to types and back. What does not parse was not written by this program.

use contracts::time::{DayNumber, UtcMillis};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row as _};

use super::StoreError;

/// Fixed width, so that it sorts as text: `2026-01-05T13:05:00.000Z`.
pub fn time(at: UtcMillis) -> String {
    let instant = at.to_jiff().unwrap_or(jiff::Timestamp::MAX);
    format!("{instant:.3}")
}

/// A statement that may bind a null real, prepared anew each time: sqlx 0.9 tells PostgreSQL another type for the null than for the number,
/// so a statement that is kept from the one fails on the other.
pub fn with_null_real<'q>(sql: &'static str) -> Query<'q, Any, AnyArguments> {
    sqlx::query(sql).persistent(false)
}

/// A row of a known table.
pub struct Columns<'a> {
    table: &'static str,
    row: &'a AnyRow,
}

impl<'a> Columns<'a> {
    /// Reads `row` of `table`.
    pub const fn of(table: &'static str, row: &'a AnyRow) -> Self {
        Self { table, row }
    }

    fn corrupt(&self, column: &str, detail: impl std::fmt::Display) -> StoreError {
        StoreError::Corrupt {
            table: self.table,
            detail: format!("{column}: {detail}"),
        }
    }

    /// A text.
    pub fn text(&self, column: &str) -> Result<String, StoreError> {
        self.row
            .try_get(column)
            .map_err(|error| self.corrupt(column, error))
    }

    /// A text or null.
    pub fn text_or_null(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.row
            .try_get(column)
            .map_err(|error| self.corrupt(column, error))
    }

    /// Whatever a text parses into.
    pub fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        column: &str,
    ) -> Result<T, StoreError> {
        self.text(column)?
            .parse()
            .map_err(|error| self.corrupt(column, error))
    }

    /// The same, or null.
    pub fn parsed_or_null<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        column: &str,
    ) -> Result<Option<T>, StoreError> {
        let text = self.text_or_null(column)?;
        text.map(|text| text.parse().map_err(|error| self.corrupt(column, error)))
            .transpose()
    }

    /// A JSON document.
    pub fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|error| self.corrupt(column, error))
    }

    /// A JSON document or null.
    pub fn json_or_null<T: serde::de::DeserializeOwned>(
        &self,
        column: &str,
    ) -> Result<Option<T>, StoreError> {
        let text = self.text_or_null(column)?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| self.corrupt(column, error)))
            .transpose()
    }

    /// A time.
    pub fn time(&self, column: &str) -> Result<UtcMillis, StoreError> {
        UtcMillis::parse(&self.text(column)?).map_err(|error| self.corrupt(column, error))
    }

    /// A time or null.
    pub fn time_or_null(&self, column: &str) -> Result<Option<UtcMillis>, StoreError> {
        let text = self.text_or_null(column)?;
        text.map(|text| UtcMillis::parse(&text).map_err(|error| self.corrupt(column, error)))
            .transpose()
    }

    /// A date.
    pub fn date(&self, column: &str) -> Result<DayNumber, StoreError> {
        DayNumber::parse(&self.text(column)?).map_err(|error| self.corrupt(column, error))
    }

    /// A number that is never negative.
    pub fn count(&self, column: &str) -> Result<u64, StoreError> {
        let number: i64 = self
            .row
            .try_get(column)
            .map_err(|error| self.corrupt(column, error))?;
        u64::try_from(number).map_err(|error| self.corrupt(column, error))
    }

    /// The same where it is known to be small.
    pub fn count32(&self, column: &str) -> Result<u32, StoreError> {
        u32::try_from(self.count(column)?).map_err(|error| self.corrupt(column, error))
    }

    /// As [`count`](Self::count), or null.
    pub fn count_or_null(&self, column: &str) -> Result<Option<u64>, StoreError> {
        let number: Option<i64> = self
            .row
            .try_get(column)
            .map_err(|error| self.corrupt(column, error))?;
        number
            .map(|number| u64::try_from(number).map_err(|error| self.corrupt(column, error)))
            .transpose()
    }

    /// 0 or 1.
    pub fn flag(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.count(column)? == 1)
    }

    /// A fraction or null.
    pub fn real_or_null(&self, column: &str) -> Result<Option<f64>, StoreError> {
        self.row
            .try_get(column)
            .map_err(|error| self.corrupt(column, error))
    }
}

/// A number for a column.
pub fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A document for a column.
pub fn json(document: &impl serde::Serialize) -> String {
    serde_json::to_string(document).expect("the documents of this crate have text keys and finite numbers")
}
