//! A partition as a Parquet file: the same rows give the same bytes.

use std::sync::Arc;

use bytes::Bytes;
use contracts::bar::Bar;
use contracts::time::{DayNumber, UtcMillis};
use parquet::basic::Compression;
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, RowGroupReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::Type;

use super::name::{MarketKind, Month};
use super::partition::{DailyValue, PartitionError, Rows};
use crate::limits::{PARTITION_BYTES_MAX, PARTITION_ROWS_MAX};

/// Columns of bars: the close in UTC milliseconds, prices, volume.
const BARS: &str = "message bars {
    required int64 close_time (TIMESTAMP(MILLIS,true));
    required double open;
    required double high;
    required double low;
    required double close;
    required double volume;
}";

/// Columns of daily values: the date observed for, the value, when it arrived.
const DAILY: &str = "message daily {
    required int32 date (DATE);
    required double value;
    optional int64 arrived_at (TIMESTAMP(MILLIS,true));
}";

/// What stands in a file as its writer: bytes must not change with a library's version.
const WRITER: &str = "twovote market partition";

const fn columns(kind: MarketKind) -> &'static str {
    match kind {
        MarketKind::Bars => BARS,
        MarketKind::Daily => DAILY,
    }
}

/// The file of these rows.
///
/// # Errors
/// [`PartitionError::Parquet`] when memory runs out.
pub fn encode(rows: &Rows) -> Result<Vec<u8>, PartitionError> {
    let schema = Arc::new(parse_message_type(columns(rows.kind()))?);
    let properties = WriterProperties::builder()
        .set_created_by(WRITER.to_owned())
        .set_compression(Compression::SNAPPY)
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    match rows {
        Rows::Bars(bars) => {
            let times: Vec<i64> = bars.iter().map(|bar| bar.close_time.0).collect();
            put::<Int64Type>(&mut group, &times, None)?;
            let numbers: [fn(&Bar) -> f64; 5] =
                [|b| b.open, |b| b.high, |b| b.low, |b| b.close, |b| b.volume];
            for number in numbers {
                let values: Vec<f64> = bars.iter().map(number).collect();
                put::<DoubleType>(&mut group, &values, None)?;
            }
        }
        Rows::Daily(values) => {
            let dates: Vec<i32> = values.iter().map(|value| value.date.0).collect();
            put::<Int32Type>(&mut group, &dates, None)?;
            let numbers: Vec<f64> = values.iter().map(|value| value.value).collect();
            put::<DoubleType>(&mut group, &numbers, None)?;
            let known: Vec<i16> = values
                .iter()
                .map(|value| i16::from(value.arrived_at.is_some()))
                .collect();
            let arrivals: Vec<i64> = values
                .iter()
                .filter_map(|value| Some(value.arrived_at?.0))
                .collect();
            put::<Int64Type>(&mut group, &arrivals, Some(&known))?;
        }
    }
    group.close()?;
    Ok(writer.into_inner()?)
}

/// Writes the next column; `known` is 0 for a missing value.
fn put<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &[T::T],
    known: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("the schema has fewer columns".to_owned());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, known, None)?;
    column.close()
}

/// Reads and checks the file of a partition of `month`. It may come from anybody.
///
/// # Errors
/// [`PartitionError`].
pub fn decode(kind: MarketKind, month: Month, bytes: &[u8]) -> Result<Rows, PartitionError> {
    if bytes.len() > PARTITION_BYTES_MAX {
        return Err(PartitionError::TooLarge { bytes: bytes.len() });
    }
    let bytes = Bytes::copy_from_slice(bytes);
    // The reader answers most damage with an error and some of it with a panic.
    let read = std::panic::catch_unwind(move || read(kind, bytes));
    let rows = read.unwrap_or(Err(PartitionError::Unreadable))?;
    rows.check(month)?;
    Ok(rows)
}

fn read(kind: MarketKind, bytes: Bytes) -> Result<Rows, PartitionError> {
    let reader = SerializedFileReader::new(bytes)?;
    let metadata = reader.metadata();
    let expected = columns(kind);
    if !same_columns(metadata.file_metadata().schema(), &parse_message_type(expected)?) {
        return Err(PartitionError::Schema { kind, expected });
    }
    let rows = metadata.file_metadata().num_rows();
    let count = usize::try_from(rows)
        .ok()
        .filter(|count| (1..=PARTITION_ROWS_MAX).contains(count) && metadata.num_row_groups() == 1);
    let count = count.ok_or(PartitionError::RowCount { rows })?;
    let group = reader.get_row_group(0)?;
    Ok(match kind {
        MarketKind::Bars => Rows::Bars(bars(&*group, count)?),
        MarketKind::Daily => Rows::Daily(daily(&*group, count)?),
    })
}

/// Names, types and what may be missing; not what the whole is called.
fn same_columns(found: &Type, expected: &Type) -> bool {
    found.is_group() && found.get_fields() == expected.get_fields()
}

fn bars(group: &dyn RowGroupReader, count: usize) -> Result<Vec<Bar>, PartitionError> {
    let times = column::<Int64Type>(group, 0, count)?;
    let [open, high, low, close, volume] = [1, 2, 3, 4, 5].map(|at| column::<DoubleType>(group, at, count));
    let (open, high, low, close, volume) = (open?, high?, low?, close?, volume?);
    let bar = |at: usize| Bar {
        close_time: UtcMillis(times[at]),
        open: open[at],
        high: high[at],
        low: low[at],
        close: close[at],
        volume: volume[at],
    };
    Ok((0..count).map(bar).collect())
}

fn daily(group: &dyn RowGroupReader, count: usize) -> Result<Vec<DailyValue>, PartitionError> {
    let dates = column::<Int32Type>(group, 0, count)?;
    let values = column::<DoubleType>(group, 1, count)?;
    let mut known = Vec::with_capacity(count);
    let arrivals = records::<Int64Type>(group, 2, count, Some(&mut known))?;
    let mut arrivals = arrivals.into_iter();
    let rows = dates.into_iter().zip(values).zip(known);
    rows.map(|((date, value), known)| {
        let arrived = (known == 1)
            .then(|| arrivals.next().ok_or_else(cut))
            .transpose()?;
        Ok(DailyValue {
            date: DayNumber(date),
            value,
            arrived_at: arrived.map(UtcMillis),
        })
    })
    .collect()
}

/// All values of a column in which none is missing.
fn column<T: DataType>(
    group: &dyn RowGroupReader,
    at: usize,
    count: usize,
) -> Result<Vec<T::T>, PartitionError> {
    records::<T>(group, at, count, None)
}

fn records<T: DataType>(
    group: &dyn RowGroupReader,
    at: usize,
    count: usize,
    mut known: Option<&mut Vec<i16>>,
) -> Result<Vec<T::T>, PartitionError> {
    let mut reader = get_typed_column_reader::<T>(group.get_column_reader(at)?);
    let (mut values, mut done) = (Vec::with_capacity(count), 0);
    while done < count {
        let (records, ..) = reader.read_records(count - done, known.as_deref_mut(), None, &mut values)?;
        if records == 0 {
            return Err(cut());
        }
        done += records;
    }
    if known.map_or(values.len(), |known| known.len()) == count {
        Ok(values)
    } else {
        Err(cut())
    }
}

fn cut() -> PartitionError {
    ParquetError::EOF("a column ends before its rows do".to_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month() -> Month {
        "2026-01".parse().unwrap()
    }

    fn bars_of(count: i64) -> Rows {
        let first = UtcMillis::parse("2026-01-05T13:05:00Z").unwrap();
        let bar = |n: i64| Bar {
            close_time: first.plus_ms(n * 300_000),
            open: 4_000.1 + n as f64 / 7.0,
            high: 9_999.0,
            low: 0.1,
            close: 4_000.3 + n as f64 / 3.0,
            volume: n as f64,
        };
        Rows::Bars((0..count).map(bar).collect())
    }

    fn daily_of() -> Rows {
        let value = |day: &str, value: f64, arrived: Option<&str>| DailyValue {
            date: DayNumber::parse(day).unwrap(),
            value,
            arrived_at: arrived.map(|at| UtcMillis::parse(at).unwrap()),
        };
        Rows::Daily(vec![
            value("2026-01-02", 98.4, None),
            value("2026-01-02", 98.5, Some("2026-01-09T12:00:00.123Z")),
            value("2026-01-05", -1.0, Some("2026-01-06T00:00:00Z")),
            value("2026-01-06", 0.1 + 0.2, None),
        ])
    }

    #[test]
    fn rows_come_back_bit_by_bit_and_the_bytes_are_the_same_each_time() {
        for rows in [bars_of(1), bars_of(5_000), daily_of()] {
            let bytes = encode(&rows).unwrap();
            assert_eq!(bytes, encode(&rows).unwrap());
            assert_eq!(decode(rows.kind(), month(), &bytes).unwrap(), rows);
            assert!(bytes.len() < PARTITION_BYTES_MAX / 2, "{}", bytes.len());
        }
    }

    #[test]
    fn the_largest_month_is_a_partition() {
        let first = UtcMillis::parse("2026-01-01T00:00:00Z").unwrap();
        let bar = |n: i64| Bar {
            close_time: first.plus_ms(n * 300_000),
            open: 4_000.1 + (n as f64).sqrt(),
            high: 9_999.0 + (n as f64).sqrt(),
            low: 0.1 + (n as f64).sqrt().recip().min(0.5),
            close: 4_000.3 + (n as f64).sqrt(),
            volume: (n as f64).sqrt(),
        };
        let rows = Rows::Bars((0..31 * 288).map(bar).collect());
        let bytes = encode(&rows).unwrap();
        assert_eq!(decode(MarketKind::Bars, month(), &bytes).unwrap(), rows);
    }

    #[test]
    fn what_is_no_partition_is_refused() {
        let bytes = encode(&bars_of(10)).unwrap();
        let refused = |kind, bytes: &[u8]| decode(kind, month(), bytes).unwrap_err();
        assert!(matches!(
            refused(MarketKind::Daily, &bytes),
            PartitionError::Schema { .. }
        ));
        let daily = encode(&daily_of()).unwrap();
        assert!(matches!(
            refused(MarketKind::Bars, &daily),
            PartitionError::Schema { .. }
        ));
        for none in [&b""[..], b"PAR1", b"PAR1PAR1", b"open,high,low,close\n1,1,1,1\n"] {
            assert!(matches!(
                refused(MarketKind::Bars, none),
                PartitionError::Parquet(_)
            ));
        }
        let huge = vec![0; PARTITION_BYTES_MAX + 1];
        assert!(matches!(
            refused(MarketKind::Bars, &huge),
            PartitionError::TooLarge { .. }
        ));
        let other = decode(MarketKind::Bars, "2026-02".parse().unwrap(), &bytes).unwrap_err();
        assert!(matches!(other, PartitionError::Row { row: 1, .. }), "{other}");
        let empty = encode(&Rows::Bars(Vec::new())).unwrap();
        assert!(matches!(
            refused(MarketKind::Bars, &empty),
            PartitionError::RowCount { rows: 0 }
        ));
    }

    #[test]
    fn damage_is_an_error_or_another_valid_partition_and_never_more() {
        for rows in [bars_of(40), daily_of()] {
            let bytes = encode(&rows).unwrap();
            for at in 0..bytes.len() {
                for flip in [0x01, 0x80, 0xff] {
                    let mut damaged = bytes.clone();
                    damaged[at] ^= flip;
                    if let Ok(found) = decode(rows.kind(), month(), &damaged) {
                        found.check(month()).unwrap();
                    }
                }
                drop(decode(rows.kind(), month(), &bytes[..at]).unwrap_err());
            }
        }
    }
}
