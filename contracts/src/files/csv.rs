//! CSV, gzipped or not.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::columns::Columns;
use super::columns::Places;
use super::error::{FileError, RowFault, shown};
use super::time::parse_time;
use crate::bar::Bar;
use crate::time::UtcMillis;

/// Opens a CSV; `.gz` is unpacked on the way.
pub(super) fn open(path: &Path) -> Result<csv::Reader<Box<dyn Read>>, FileError> {
    let file = BufReader::new(File::open(path).map_err(FileError::io(path))?);
    let gzipped = path.extension().is_some_and(|ext| ext.eq_ignore_ascii_case("gz"));
    let bytes: Box<dyn Read> = if gzipped {
        Box::new(flate2::read::MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    Ok(csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(bytes))
}

/// The header's names.
pub(super) fn header(path: &Path, reader: &mut csv::Reader<Box<dyn Read>>) -> Result<Vec<String>, FileError> {
    let header = reader.headers().map_err(|error| broken(path, 1, error))?;
    Ok(header.iter().map(str::to_owned).collect())
}

pub(super) fn broken(path: &Path, line: u64, error: csv::Error) -> FileError {
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

pub(super) fn number(text: &str, column: &str) -> Result<f64, RowFault> {
    text.parse().map_err(|_| RowFault::Number {
        column: column.to_owned(),
        text: shown(text),
    })
}

/// Calls `row` with each row's line and its time and five numbers, or what is wrong with it.
pub(super) fn rows(
    path: &Path,
    columns: &Columns,
    mut begin: impl FnMut(&Places) -> Result<(), FileError>,
    mut row: impl FnMut(u64, Result<(UtcMillis, Bar), RowFault>) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let mut reader = open(path)?;
    let places = Places::find(path, header(path, &mut reader)?, columns)?;
    begin(&places)?;
    let mut record = csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => row(
                record.position().map_or(line, csv::Position::line),
                read(&record, &places),
            )?,
            Err(error) => {
                let broken = broken(path, line, error);
                match broken {
                    FileError::Row { fault, .. } => row(line, Err(fault))?,
                    other => return Err(other),
                }
            }
        }
    }
}

fn read(record: &csv::StringRecord, places: &Places) -> Result<(UtcMillis, Bar), RowFault> {
    let cell = |at: usize| {
        record.get(at).ok_or_else(|| RowFault::Short {
            column: places.names[at].clone(),
            wanted: at + 1,
            found: record.len(),
        })
    };
    let value = |at: usize| number(cell(at)?, &places.names[at]);
    let time = parse_time(cell(places.time)?, &places.names[places.time])?;
    let [open, high, low, close] = places.prices;
    let volume = match places.volume {
        Some(at) if !cell(at)?.is_empty() => value(at)?,
        _ => 0.0,
    };
    let bar = Bar {
        close_time: time,
        open: value(open)?,
        high: value(high)?,
        low: value(low)?,
        close: value(close)?,
        volume,
    };
    Ok((time, bar))
}
