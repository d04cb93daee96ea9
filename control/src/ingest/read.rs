//! Rows out of files, with every bad one named.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use contracts::bar::Bar;
use contracts::files::{FileError, RowFault, scan_bars, scan_daily};
use contracts::hash::SourceHash;
use contracts::ids::SeriesId;
use contracts::limits::FILE_ROWS_MAX;
use contracts::time::{DayNumber, UtcMillis};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::quality::Listed;
use super::source::{BarSource, DailySource};

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadRow {
    /// The file, as it was named, or the request.
    pub file: String,
    /// Line, from 1, a header included; of Parquet the row.
    pub line: u64,
    /// What is wrong with it.
    pub fault: String,
}

/// What was read, for whoever wants to find it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The file, as it was named, or the vendor's address without the key.
    pub name: String,
    /// Rows in it.
    pub rows: u64,
    /// SHA-256 of its bytes; not there for what came over HTTP.
    pub sha256: Option<SourceHash>,
}

/// A row as it was read, and where.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<T> {
    /// What it holds.
    pub value: T,
    /// Number of its origin.
    pub origin: usize,
    /// Its line there.
    pub line: u64,
}

/// A daily value of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Daily {
    /// The date it was observed for.
    pub date: DayNumber,
    /// The value, finite.
    pub value: f64,
    /// When it arrived, where that is known.
    pub arrived_at: Option<UtcMillis>,
}

/// What a source gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken<T> {
    /// Files or requests, in order.
    pub origins: Vec<Origin>,
    /// The rows, as they came.
    pub rows: Vec<Row<T>>,
    /// Rows that were left out.
    pub bad: Listed<BadRow>,
}

impl<T> Default for Taken<T> {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            rows: Vec::new(),
            bad: Listed::default(),
        }
    }
}

/// What a source gave of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesTaken {
    /// The series.
    pub series: SeriesId,
    /// Its values, as they came.
    pub rows: Vec<Row<Daily>>,
    /// Dates with a blank cell.
    pub blanks: Vec<DayNumber>,
    /// Arrivals that say when an archive began and not when the value was known: taken as unknown.
    pub archived: u64,
}

/// What a source of daily values gave.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DailyTaken {
    /// Files or requests, in order.
    pub origins: Vec<Origin>,
    /// By series, in the source's order.
    pub series: Vec<SeriesTaken>,
    /// Rows and cells that were left out.
    pub bad: Listed<BadRow>,
}

/// Why files cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// One cannot be read at all.
    #[error(transparent)]
    File(#[from] FileError),
    /// One cannot be hashed.
    #[error("{} cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// All together hold too many rows.
    #[error("the files hold more than {FILE_ROWS_MAX} rows together: ingest them one after the other")]
    TooMany,
}

/// Reads files of bars.
///
/// # Errors
/// [`ReadError`].
pub fn bars(source: &BarSource, files: &[PathBuf]) -> Result<Taken<Bar>, ReadError> {
    let mut taken = Taken::default();
    for path in files {
        let name = path.display().to_string();
        let origin = taken.origins.len();
        let mut rows = 0;
        scan_bars(path, &source.scan(), |line, read| {
            rows += 1;
            match read {
                Ok(value) => taken.rows.push(Row { value, origin, line }),
                Err(fault) => taken.bad.push(bad(&name, line, &fault)),
            }
            Ok(())
        })?;
        within(taken.rows.len())?;
        taken.origins.push(described(path, name, rows)?);
    }
    Ok(taken)
}

/// Reads files of daily values.
///
/// # Errors
/// [`ReadError`].
pub fn daily(source: &DailySource, files: &[PathBuf]) -> Result<DailyTaken, ReadError> {
    let mut taken = DailyTaken {
        series: source
            .series
            .iter()
            .map(|one| SeriesTaken {
                series: one.series.clone(),
                rows: Vec::new(),
                blanks: Vec::new(),
                archived: 0,
            })
            .collect(),
        ..DailyTaken::default()
    };
    for path in files {
        let name = path.display().to_string();
        let origin = taken.origins.len();
        let mut rows = 0;
        scan_daily(
            path,
            &source.scan(),
            |_| Ok(()),
            |line, read| {
                rows += 1;
                let read = match read {
                    Ok(read) => read,
                    Err(fault) => {
                        taken.bad.push(bad(&name, line, &fault));
                        return Ok(());
                    }
                };
                for (series, value) in taken.series.iter_mut().zip(read.values) {
                    match value {
                        Ok(Some(value)) => series.rows.push(Row {
                            value: Daily {
                                date: read.date,
                                value,
                                arrived_at: read.arrived_at,
                            },
                            origin,
                            line,
                        }),
                        Ok(None) => series.blanks.push(read.date),
                        Err(fault) => taken.bad.push(bad(&name, line, &fault)),
                    }
                }
                Ok(())
            },
        )?;
        within(taken.series.iter().map(|series| series.rows.len()).sum())?;
        taken.origins.push(described(path, name, rows)?);
    }
    Ok(taken)
}

fn within(rows: usize) -> Result<(), ReadError> {
    let fits = rows as u64 <= FILE_ROWS_MAX;
    fits.then_some(()).ok_or(ReadError::TooMany)
}

fn bad(file: &str, line: u64, fault: &RowFault) -> BadRow {
    BadRow {
        file: file.to_owned(),
        line,
        fault: fault.to_string(),
    }
}

fn described(path: &Path, name: String, rows: u64) -> Result<Origin, ReadError> {
    let failed = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    Ok(Origin {
        name,
        rows,
        sha256: Some(SourceHash::from_bytes(hash.finalize().into())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::source::Source;

    fn written(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn a_bad_cell_costs_its_series_only_and_is_named() {
        let yaml = "kind: daily\nid: m\nseries:\n- {series: dxy, vendor: a, vendor_id: x}\n\
                    - {series: vix, vendor: a, vendor_id: y, column: V}\n";
        let Ok(Source::Daily(source)) = Source::parse(yaml.as_bytes(), "s") else {
            panic!("a daily source");
        };
        let (_dir, path) = written(
            "m.csv",
            "date,dxy,v,other\n2026-01-02,98.4,oops,1\n2026-01-05,,14.5,1\nx,1,1,1\n",
        );
        let taken = daily(&source, std::slice::from_ref(&path)).unwrap();
        let counts: Vec<_> = taken
            .series
            .iter()
            .map(|one| (one.rows.len(), one.blanks.len()))
            .collect();
        assert_eq!(counts, [(1, 1), (1, 0)]);
        assert_eq!(taken.bad.count, 2);
        assert_eq!(taken.bad.rows[0].line, 2);
        assert!(taken.bad.rows[0].fault.contains("`oops` in column `v`"));
        assert_eq!(taken.bad.rows[1].line, 4);
        let hash = SourceHash::of(&std::fs::read(&path).unwrap());
        assert_eq!(taken.origins[0].sha256, Some(hash));
        assert_eq!(taken.origins[0].rows, 3);
    }
}
