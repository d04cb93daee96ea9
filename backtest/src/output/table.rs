//! A table of equally long columns as one Parquet file in memory, through the crate's column writer: no Arrow.

use std::fmt::Write as _;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{BoolType, DoubleType, Int32Type, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::OutputError;

/// Values of a column, none missing.
pub enum Column {
    /// UTC milliseconds.
    Time(Vec<i64>),
    /// Days since 1970-01-01.
    Date(Vec<i32>),
    /// Numbers.
    Number(Vec<f64>),
    /// Small integers.
    Integer(Vec<i32>),
    /// Yes or no.
    Flag(Vec<bool>),
}

impl Column {
    fn kind(&self, name: &str) -> String {
        match self {
            Self::Time(_) => format!("int64 {name} (TIMESTAMP(MILLIS,true))"),
            Self::Date(_) => format!("int32 {name} (DATE)"),
            Self::Number(_) => format!("double {name}"),
            Self::Integer(_) => format!("int32 {name}"),
            Self::Flag(_) => format!("boolean {name}"),
        }
    }
}

/// The file's bytes; `metadata` is pairs of names and texts. The same columns give the same bytes.
///
/// # Errors
/// [`OutputError::Parquet`], also when a name is none the schema can hold or the columns differ in length.
///
/// # Panics
/// Never: text is written to a string.
pub fn write(
    table: &str,
    metadata: &[(&str, String)],
    columns: &[(&str, Column)],
) -> Result<Vec<u8>, OutputError> {
    let mut schema = format!("message {table} {{");
    for (name, column) in columns {
        write!(schema, " required {};", column.kind(name)).expect("writing to a string never fails");
    }
    schema.push_str(" }");
    let schema = Arc::new(parse_message_type(&schema)?);
    let pair = |(name, text): &(&str, String)| KeyValue::new((*name).to_owned(), text.clone());
    let pairs = metadata.iter().map(pair).collect();
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(pairs))
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for (_, column) in columns {
        let Some(mut writer) = group.next_column()? else {
            break;
        };
        match column {
            Column::Time(values) => writer.typed::<Int64Type>().write_batch(values, None, None)?,
            Column::Date(values) | Column::Integer(values) => {
                writer.typed::<Int32Type>().write_batch(values, None, None)?
            }
            Column::Number(values) => writer.typed::<DoubleType>().write_batch(values, None, None)?,
            Column::Flag(values) => writer.typed::<BoolType>().write_batch(values, None, None)?,
        };
        writer.close()?;
    }
    group.close()?;
    Ok(writer.into_inner()?)
}
