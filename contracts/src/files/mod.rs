//! Files of bars and of daily values: CSV, JSON lines (both gzipped or not) and Parquet.
//!
//! A file is read whole or refused: a row that cannot be read is an error that names file and line, or, when the caller asks for
//! it, is counted and left out. A row that can be read but holds an impossible bar is an error too, or is passed on for the
//! strategy to quarantine. Nothing is repaired, filled or reordered.

pub mod bars;
mod cells;
mod columns;
mod csv;
pub mod daily;
mod error;
mod format;
mod json_lines;
mod parquet;
mod rows;
mod time;

pub use bars::{
    BarFile, BarFileOptions, BarScan, OnBad, read_bars, scan_bars, write_bars_csv, write_bars_parquet,
};
pub use columns::{Columns, ParseColumnsError};
pub use daily::{DailyFile, DailyLine, DailyRow, DailyScan, read_daily, scan_daily, write_daily_csv};
pub use error::{FileError, RowFault};
pub use format::Format;
