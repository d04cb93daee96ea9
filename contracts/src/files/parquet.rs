//! Parquet, through the crate's row reader and column writer: no Arrow.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType};
use parquet::data_type::{DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;
use parquet::schema::parser::parse_message_type;

use super::cells::{Cell, Cells};
use super::error::{FileError, RowFault};
use crate::bar::Bar;

/// Schema of the files this crate writes.
const BARS_SCHEMA: &str = "message bars {
    required int64 close_time (TIMESTAMP(MILLIS,true));
    required double open;
    required double high;
    required double low;
    required double close;
    required double volume;
}";

struct Record<'a> {
    cells: &'a [(String, Field)],
    /// Columns of timestamps that say they are local.
    local: &'a [bool],
}

impl Cells for Record<'_> {
    fn cell(&self, at: usize) -> Cell<'_> {
        let Some((_, field)) = self.cells.get(at) else {
            return Cell::Short(self.cells.len());
        };
        match field {
            Field::TimestampMillis(ms) if self.local[at] => Cell::Local(*ms),
            Field::TimestampMicros(us) if self.local[at] && us % 1_000 == 0 => Cell::Local(us / 1_000),
            field => Cell::Field(field),
        }
    }
}

/// As [`super::rows::each`].
pub(super) fn rows<P>(
    path: &Path,
    begin: impl FnOnce(&[String]) -> Result<P, FileError>,
    mut row: impl FnMut(&P, u64, Result<&dyn Cells, RowFault>) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let file = File::open(path).map_err(FileError::io(path))?;
    let reader = SerializedFileReader::new(file).map_err(FileError::parquet(path))?;
    let schema = reader.metadata().file_metadata().schema().get_fields();
    let names: Vec<String> = schema.iter().map(|field| field.name().to_owned()).collect();
    let local: Vec<bool> = schema
        .iter()
        .map(|field| {
            matches!(
                field.get_basic_info().logical_type_ref(),
                Some(LogicalType::Timestamp(kind)) if !kind.is_adjusted_to_u_t_c
            )
        })
        .collect();
    let begun = begin(&names)?;
    let records = reader.get_row_iter(None).map_err(FileError::parquet(path))?;
    for (line, record) in (1..).zip(records) {
        let record = record.map_err(FileError::parquet(path))?;
        let cells: Vec<(String, Field)> = record.into_columns();
        let record = Record {
            cells: &cells,
            local: &local,
        };
        row(&begun, line, Ok(&record))?;
    }
    Ok(())
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
