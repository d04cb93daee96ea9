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

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use parquet::data_type::{DataType, Int32Type};

    use super::*;
    use crate::bar::Stamp;
    use crate::files::{BarScan, Columns, DailyScan, RowFault, scan_bars, scan_daily};

    type Write = Box<dyn FnOnce(&mut parquet::file::writer::SerializedColumnWriter<'_>)>;

    /// A file of one row group, its columns written one after the other.
    fn written(
        schema: &str,
        columns: impl FnOnce(&mut Vec<Write>),
    ) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.parquet");
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let file = File::create(&path).unwrap();
        let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut writes = Vec::new();
        columns(&mut writes);
        for write in writes {
            let mut column = group.next_column().unwrap().unwrap();
            write(&mut column);
            column.close().unwrap();
        }
        group.close().unwrap();
        writer.close().unwrap();
        (dir, path)
    }

    fn put<T: DataType>(values: &'static [T::T], known: Option<&'static [i16]>) -> Write {
        Box::new(move |column| {
            column.typed::<T>().write_batch(values, known, None).unwrap();
        })
    }

    #[test]
    fn a_local_timestamp_is_read_in_the_zone_given() {
        let schema = "message m { required int64 t (TIMESTAMP(MILLIS,false)); required double open; required double high;
            required double low; required double close; required int64 volume; }";
        // 2026-01-05 08:05 on the clock.
        let (_dir, path) = written(schema, |columns| {
            columns.push(put::<Int64Type>(&[1_767_600_300_000], None));
            for price in [&[2.0][..], &[3.0], &[1.0], &[2.5]] {
                columns.push(put::<DoubleType>(price, None));
            }
            columns.push(put::<Int64Type>(&[7], None));
        });
        let read = |zone: Option<&str>| {
            let scan = BarScan {
                stamp: Stamp::Close,
                columns: "time=t".parse::<Columns>().unwrap(),
                zone: zone.and_then(|zone| TimeZone::get(zone).ok()),
                format: None,
            };
            let mut bars = Vec::new();
            scan_bars(&path, &scan, |_, bar| {
                bars.push(bar.unwrap());
                Ok(())
            })
            .unwrap();
            (bars[0].close_time.to_string(), bars[0].volume)
        };
        assert_eq!(
            read(Some("America/Bogota")),
            ("2026-01-05T13:05:00Z".to_owned(), 7.0)
        );
        assert_eq!(read(None).0, "2026-01-05T08:05:00Z");
    }

    #[test]
    fn dates_and_missing_values_of_daily_series_are_read() {
        let schema = "message m { required int32 date (DATE); optional double dxy;
            optional int64 arrived_at (TIMESTAMP(MILLIS,true)); required boolean vix; }";
        let (_dir, path) = written(schema, |columns| {
            columns.push(put::<Int32Type>(&[20_455, 20_458], None));
            columns.push(put::<DoubleType>(&[98.4], Some(&[1, 0])));
            columns.push(put::<Int64Type>(&[1_767_618_300_000], Some(&[0, 1])));
            columns.push(put::<parquet::data_type::BoolType>(&[true, false], None));
        });
        let mut lines = Vec::new();
        scan_daily(
            &path,
            &DailyScan::default(),
            |_| Ok(()),
            |_, line| {
                lines.push(line.unwrap());
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(lines[0].date.to_string(), "2026-01-02");
        assert_eq!(
            (&lines[0].values[0], lines[0].arrived_at),
            (&Ok(Some(98.4)), None)
        );
        assert_eq!(lines[1].values[0], Ok(None));
        assert_eq!(lines[1].arrived_at.unwrap().to_string(), "2026-01-05T13:05:00Z");
        assert!(matches!(lines[1].values[1], Err(RowFault::Type { .. })));
    }
}
