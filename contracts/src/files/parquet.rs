//! Parquet, through the crate's row reader and column writer: no Arrow.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;
use parquet::schema::parser::parse_message_type;

use super::columns::{Columns, Places};
use super::error::{FileError, RowFault};
use super::time::{from_unix, parse_time};
use crate::bar::Bar;
use crate::time::UtcMillis;

/// Schema of the files this crate writes.
const BARS_SCHEMA: &str = "message bars {
    required int64 close_time (TIMESTAMP(MILLIS,true));
    required double open;
    required double high;
    required double low;
    required double close;
    required double volume;
}";

/// As [`super::csv::rows`].
pub(super) fn rows(
    path: &Path,
    columns: &Columns,
    mut begin: impl FnMut(&Places) -> Result<(), FileError>,
    mut row: impl FnMut(u64, Result<(UtcMillis, Bar), RowFault>) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let file = File::open(path).map_err(FileError::io(path))?;
    let reader = SerializedFileReader::new(file).map_err(FileError::parquet(path))?;
    let schema = reader.metadata().file_metadata().schema().get_fields();
    let names = schema.iter().map(|field| field.name().to_owned()).collect();
    let places = Places::find(path, names, columns)?;
    begin(&places)?;
    let records = reader.get_row_iter(None).map_err(FileError::parquet(path))?;
    for (line, record) in (1..).zip(records) {
        let record = record.map_err(FileError::parquet(path))?;
        let cells: Vec<(String, Field)> = record.into_columns();
        row(line, read(&cells, &places))?;
    }
    Ok(())
}

fn read(cells: &[(String, Field)], places: &Places) -> Result<(UtcMillis, Bar), RowFault> {
    let value = |at: usize| number(&cells[at].1, &cells[at].0);
    let time = time(&cells[places.time].1, &cells[places.time].0)?;
    let [open, high, low, close] = places.prices;
    let volume = match places.volume {
        Some(at) if cells[at].1 != Field::Null => value(at)?,
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

fn number(field: &Field, column: &str) -> Result<f64, RowFault> {
    Ok(match field {
        Field::Double(x) => *x,
        Field::Float(x) => f64::from(*x),
        Field::Int(x) => f64::from(*x),
        Field::UInt(x) => f64::from(*x),
        Field::Short(x) => f64::from(*x),
        // Volumes as integers: exact below 2^53, which no venue's five minutes reach.
        Field::Long(x) => *x as f64,
        Field::ULong(x) => *x as f64,
        Field::Str(text) => super::csv::number(text, column)?,
        _ => {
            return Err(RowFault::Type {
                column: column.to_owned(),
            });
        }
    })
}

fn time(field: &Field, column: &str) -> Result<UtcMillis, RowFault> {
    let refused = || RowFault::Type {
        column: column.to_owned(),
    };
    match field {
        Field::TimestampMillis(ms) => Ok(UtcMillis(*ms)),
        Field::TimestampMicros(us) if us % 1_000 == 0 => Ok(UtcMillis(us / 1_000)),
        Field::Long(unix) => from_unix(*unix).ok_or_else(refused),
        Field::Str(text) => parse_time(text, column),
        _ => Err(refused()),
    }
}

/// Writes bars with [`BARS_SCHEMA`].
pub(super) fn write(path: &Path, bars: &[Bar]) -> Result<(), FileError> {
    let file = File::create(path).map_err(FileError::write(path))?;
    let schema = Arc::new(parse_message_type(BARS_SCHEMA).map_err(FileError::parquet(path))?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let run = || -> Result<(), parquet::errors::ParquetError> {
        let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
        let mut group = writer.next_row_group()?;
        let times: Vec<i64> = bars.iter().map(|bar| bar.close_time.0).collect();
        let fields: [fn(&Bar) -> f64; 5] = [|b| b.open, |b| b.high, |b| b.low, |b| b.close, |b| b.volume];
        let mut fields = fields.iter();
        while let Some(mut column) = group.next_column()? {
            match column.untyped() {
                parquet::column::writer::ColumnWriter::Int64ColumnWriter(_) => {
                    column.typed::<Int64Type>().write_batch(&times, None, None)?;
                }
                _ => {
                    if let Some(field) = fields.next() {
                        let values: Vec<f64> = bars.iter().map(field).collect();
                        column.typed::<DoubleType>().write_batch(&values, None, None)?;
                    }
                }
            }
            column.close()?;
        }
        group.close()?;
        writer.close()?;
        Ok(())
    };
    run().map_err(FileError::parquet(path))
}
