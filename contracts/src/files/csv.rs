//! CSV, gzipped or not.

use std::cell::Cell as Counter;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;

use super::cells::{Cell, Cells};
use super::error::{FileError, RowFault};
use crate::limits::ROW_BYTES_MAX;

/// Counts what one row takes, so that a quote that is never closed ends within the limit.
struct PerRow<R> {
    inner: R,
    left: Rc<Counter<usize>>,
}

impl<R: Read> Read for PerRow<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            let long = format!("a row is longer than {ROW_BYTES_MAX} bytes: a quote may be missing");
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, long));
        }
        let some = buffer.len().min(left);
        let read = self.inner.read(&mut buffer[..some])?;
        self.left.set(left - read);
        Ok(read)
    }
}

struct Record<'a>(&'a csv::StringRecord);

impl Cells for Record<'_> {
    fn cell(&self, at: usize) -> Cell<'_> {
        self.0.get(at).map_or(Cell::Short(self.0.len()), Cell::Text)
    }
}

/// As [`super::rows::each`].
pub(super) fn rows<P>(
    path: &Path,
    bytes: Box<dyn Read>,
    begin: impl FnOnce(&[String]) -> Result<P, FileError>,
    mut row: impl FnMut(&P, u64, Result<&dyn Cells, RowFault>) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let left = Rc::new(Counter::new(ROW_BYTES_MAX));
    let inner = PerRow {
        inner: bytes,
        left: Rc::clone(&left),
    };
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(inner);
    let header = reader.headers().map_err(|error| broken(path, 1, error))?;
    let header: Vec<String> = header.iter().map(str::to_owned).collect();
    let begun = begin(&header)?;
    let mut record = csv::StringRecord::new();
    loop {
        left.set(ROW_BYTES_MAX);
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {
                let line = record.position().map_or(line, csv::Position::line);
                row(&begun, line, Ok(&Record(&record)))?;
            }
            Err(error) => match broken(path, line, error) {
                FileError::Row { fault, .. } => row(&begun, line, Err(fault))?,
                other => return Err(other),
            },
        }
    }
}

fn broken(path: &Path, line: u64, error: csv::Error) -> FileError {
    match error.into_kind() {
        csv::ErrorKind::Io(source) => FileError::Io {
            path: path.to_owned(),
            source,
        },
        other => FileError::Row {
            path: path.to_owned(),
            line,
            fault: RowFault::Csv {
                detail: format!("{other:?}"),
            },
        },
    }
}
