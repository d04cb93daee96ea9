//! A dataset's table back from Parquet, bit for bit.

use bytes::Bytes;
use contracts::time::UtcMillis;
use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use super::Rows;
use super::hash::column_names;
use crate::limits::READ_ROWS;

/// Reads a table whose columns must be the bars' and these features; an error says what is not so.
pub(super) fn rows(bytes: Vec<u8>, features: &[String]) -> Result<Rows, String> {
    let broken = |error: ParquetError| format!("no Parquet that can be read: {error}");
    let reader = SerializedFileReader::new(Bytes::from(bytes)).map_err(broken)?;
    let metadata = reader.metadata().file_metadata();
    let schema = metadata.schema_descr();
    let found: Vec<&str> = schema.columns().iter().map(|column| column.name()).collect();
    let wanted = column_names(features);
    if found != wanted {
        return Err(format!(
            "the columns are {}, not {}",
            found.join(","),
            wanted.join(",")
        ));
    }
    for (at, column) in schema.columns().iter().enumerate() {
        let kind = if at == 0 { Type::INT64 } else { Type::DOUBLE };
        if column.physical_type() != kind || column.max_def_level() != 0 {
            return Err(format!("column {} is not a required {kind}", column.name()));
        }
    }
    let mut times: Vec<i64> = Vec::new();
    let mut values: Vec<Vec<f64>> = vec![Vec::new(); wanted.len() - 1];
    for at in 0..reader.num_row_groups() {
        let group = reader.get_row_group(at).map_err(broken)?;
        for column in 0..wanted.len() {
            match group.get_column_reader(column).map_err(broken)? {
                ColumnReader::Int64ColumnReader(reader) => all(reader, &mut times).map_err(broken)?,
                ColumnReader::DoubleColumnReader(reader) => {
                    all(reader, &mut values[column - 1]).map_err(broken)?;
                }
                _ => return Err(format!("column {} has another type", wanted[column])),
            }
        }
    }
    if let Some(short) = values.iter().position(|column| column.len() != times.len()) {
        let (name, n) = (&wanted[short + 1], values[short].len());
        return Err(format!(
            "column {name} has {n} values, close_time {}",
            times.len()
        ));
    }
    let (prices, features) = values.split_at(4);
    Ok(Rows {
        prices: (0..times.len())
            .map(|row| std::array::from_fn(|at| prices[at][row]))
            .collect(),
        features: (0..times.len())
            .flat_map(|row| features.iter().map(move |column| column[row]))
            .collect(),
        close_times: times.into_iter().map(UtcMillis).collect(),
    })
}

fn all<T: DataType>(mut reader: ColumnReaderImpl<T>, into: &mut Vec<T::T>) -> Result<(), ParquetError> {
    loop {
        let (records, _, _) = reader.read_records(READ_ROWS, None, None, into)?;
        if records == 0 {
            return Ok(());
        }
    }
}
