//! The rows of a file, one after the other, whatever its format.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::cells::Cells;
use super::error::{FileError, RowFault};
use super::format::Format;
use super::{csv, json_lines, parquet};
use crate::limits::{FILE_COLUMNS_MAX, FILE_ROWS_MAX};

/// Calls `begin` with the names of the columns, then `row` with each row's line (from 1, a header included; of Parquet the row) and its
/// cells, or what is wrong with it. `wanted` are names to look for in formats whose rows need not all have the same fields.
pub(super) fn each<P>(
    path: &Path,
    format: Option<Format>,
    wanted: &[String],
    begin: impl FnOnce(&[String]) -> Result<P, FileError>,
    mut row: impl FnMut(&P, u64, Result<&dyn Cells, RowFault>) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let limit = |what, most| FileError::Limit {
        path: path.to_owned(),
        what,
        most,
    };
    let begin = |header: &[String]| {
        if header.len() > FILE_COLUMNS_MAX {
            return Err(limit("columns", FILE_COLUMNS_MAX as u64));
        }
        begin(header)
    };
    let mut rows = 0;
    let row = |begun: &P, line: u64, cells: Result<&dyn Cells, RowFault>| {
        rows += 1;
        if rows > FILE_ROWS_MAX {
            return Err(limit("rows", FILE_ROWS_MAX));
        }
        row(begun, line, cells)
    };
    let format = format.unwrap_or_else(|| Format::of(path));
    match format {
        Format::Parquet => parquet::rows(path, begin, row),
        Format::Csv | Format::CsvGz => csv::rows(path, open(path, format)?, begin, row),
        Format::JsonLines | Format::JsonLinesGz => {
            json_lines::rows(path, open(path, format)?, wanted, begin, row)
        }
    }
}

/// The bytes; gzip is unpacked on the way.
fn open(path: &Path, format: Format) -> Result<Box<dyn Read>, FileError> {
    let file = BufReader::new(File::open(path).map_err(FileError::io(path))?);
    Ok(if format.is_gzipped() {
        Box::new(flate2::read::MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    })
}
