//! Why a file was refused: what, where, what to do.

use std::path::{Path, PathBuf};

/// What is wrong with one row.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RowFault {
    /// The row has too few cells.
    #[error("the row has {found} cells, column `{column}` is number {wanted}")]
    Short {
        /// Column looked for.
        column: String,
        /// Its number, from 1.
        wanted: usize,
        /// Cells found.
        found: usize,
    },
    /// A cell is no number.
    #[error("`{text}` in column `{column}` is not a number")]
    Number {
        /// Column.
        column: String,
        /// The cell, cut at 64 characters.
        text: String,
    },
    /// A cell is no instant.
    #[error(
        "`{text}` in column `{column}` is not an instant: RFC 3339 with an offset, a Unix time, or (in ts_utc) a bare date and time"
    )]
    Time {
        /// Column.
        column: String,
        /// The cell, cut at 64 characters.
        text: String,
    },
    /// A local time that its zone skips or has twice.
    #[error(
        "`{text}` in column `{column}` comes twice or never in {zone}: the clock changes there; give it an offset"
    )]
    Ambiguous {
        /// Column.
        column: String,
        /// The cell, cut at 64 characters.
        text: String,
        /// The zone that local times are in.
        zone: String,
    },
    /// A JSON line without a field that must be there.
    #[error("the object has no `{column}`")]
    Absent {
        /// The field.
        column: String,
    },
    /// A line that is no JSON object.
    #[error("the line is no JSON object: {detail}")]
    Json {
        /// What the reader said.
        detail: String,
    },
    /// A cell is no date.
    #[error("`{text}` in column `{column}` is not a date such as 2026-01-02")]
    Date {
        /// Column.
        column: String,
        /// The cell, cut at 64 characters.
        text: String,
    },
    /// The bar is impossible.
    #[error(
        "the bar is impossible (a price that is not finite or not above 0, or low ≤ open, close ≤ high does not hold)"
    )]
    Impossible,
    /// The bar does not close on a multiple of five minutes.
    #[error("a bar closing at {close_time} is no five-minute bar: closes lie on multiples of five minutes")]
    OffGrid {
        /// Its close time.
        close_time: crate::time::UtcMillis,
    },
    /// The bar is not later than the one before it.
    #[error(
        "a bar closing at {close_time} follows one closing at {previous}: rows must be in order, once each"
    )]
    Order {
        /// Its close time.
        close_time: crate::time::UtcMillis,
        /// The close time before.
        previous: crate::time::UtcMillis,
    },
    /// The CSV itself is broken here.
    #[error("the row cannot be split into cells: {detail}")]
    Csv {
        /// What the reader said.
        detail: String,
    },
    /// A Parquet value has a type that does not fit its column.
    #[error("the value in column `{column}` has a type that holds no number or time")]
    Type {
        /// Column.
        column: String,
    },
}

/// Why a file was refused.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened or read; check path and rights.
    #[error("{} cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It cannot be written; check path, rights and room.
    #[error("{} cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A column is missing; name it with `--columns`.
    #[error(
        "{}: no column for {field}; found {found}; name it with --columns {field}=NAME",
        path.display()
    )]
    Column {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        field: String,
        /// The header.
        found: String,
    },
    /// A row is bad; mend it, or pass `--on-bad quarantine`.
    #[error("{}, line {line}: {fault}; mend the row or pass --on-bad quarantine", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Line, from 1, the header included; for Parquet the row, from 1.
        line: u64,
        /// What is wrong.
        fault: RowFault,
    },
    /// Two columns have the name that is looked for.
    #[error("{}: two columns are named `{column}`; which one is meant cannot be told", path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// The name.
        column: String,
    },
    /// More rows or columns than one file may have, or a row that does not end.
    #[error("{}: more than {most} {what}; split the file", path.display())]
    Limit {
        /// The file.
        path: PathBuf,
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        most: u64,
    },
    /// The column's name says UTC, the caller names another zone.
    #[error("{}: the column `{column}` says its times are UTC, the zone given is {zone}", path.display())]
    Zone {
        /// The file.
        path: PathBuf,
        /// The time column.
        column: String,
        /// The zone given.
        zone: String,
    },
    /// The file says another stamp than the caller; one of the two is wrong.
    #[error("{}: the column close_time says the stamp is `close`, --stamp says `open`", path.display())]
    Stamp {
        /// The file.
        path: PathBuf,
    },
    /// The Parquet file is broken.
    #[error("{} is no readable Parquet file: {detail}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        detail: String,
    },
}

impl FileError {
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn write(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Write {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn parquet(path: &Path) -> impl FnOnce(parquet::errors::ParquetError) -> Self {
        move |error| Self::Parquet {
            path: path.to_owned(),
            detail: error.to_string(),
        }
    }
}

/// A cell as an error shows it.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}
