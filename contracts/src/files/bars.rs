//! Files of five-minute bars.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use super::columns::{Columns, Places};
use super::error::{FileError, RowFault};
use super::{csv, parquet};
use crate::bar::{Bar, Stamp};
use crate::time::UtcMillis;

/// What becomes of a bad row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnBad {
    /// The file is refused.
    #[default]
    Refuse,
    /// An unreadable row is counted and left out; an impossible or misplaced bar is counted and passed on, for the strategy to
    /// quarantine or the engine to drop by its own rules.
    Quarantine,
}

/// How to read a bar file.
#[derive(Debug, Clone)]
pub struct BarFileOptions {
    /// Which end of the bar the time column holds. There is no default.
    pub stamp: Stamp,
    /// Column names.
    pub columns: Columns,
    /// Bad rows.
    pub on_bad: OnBad,
}

impl BarFileOptions {
    /// Usual columns; a bad row refuses the file.
    #[must_use]
    pub fn stamped(stamp: Stamp) -> Self {
        Self {
            stamp,
            columns: Columns::default(),
            on_bad: OnBad::Refuse,
        }
    }
}

/// A bar file's content.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BarFile {
    /// The bars, in the file's order.
    pub bars: Vec<Bar>,
    /// Rows left out because they could not be read.
    pub unreadable: u64,
    /// Bars passed on although impossible or misplaced.
    pub suspect: u64,
}

/// Reads a `.csv`, `.csv.gz` or `.parquet` file.
///
/// # Errors
/// [`FileError`] naming file, line and fault.
pub fn read_bars(path: &Path, options: &BarFileOptions) -> Result<BarFile, FileError> {
    let mut file = BarFile::default();
    let mut previous: Option<UtcMillis> = None;
    let begin = |places: &Places| {
        if places.says_close() && options.stamp == Stamp::Open {
            return Err(FileError::Stamp {
                path: path.to_owned(),
            });
        }
        Ok(())
    };
    let row = |line: u64, read: Result<(UtcMillis, Bar), RowFault>| {
        let refused = |fault| FileError::Row {
            path: path.to_owned(),
            line,
            fault,
        };
        let (time, bar) = match (read, options.on_bad) {
            (Ok(row), _) => row,
            (Err(fault), OnBad::Refuse) => return Err(refused(fault)),
            (Err(_), OnBad::Quarantine) => {
                file.unreadable += 1;
                return Ok(());
            }
        };
        let bar = Bar {
            close_time: options.stamp.close_time(time),
            ..bar
        };
        if let Some(fault) = fault_of(&bar, previous) {
            if options.on_bad == OnBad::Refuse {
                return Err(refused(fault));
            }
            file.suspect += 1;
        }
        previous = Some(bar.close_time);
        file.bars.push(bar);
        Ok(())
    };
    if path
        .extension()
        .is_some_and(|ext| ext.eq_ignore_ascii_case("parquet"))
    {
        parquet::rows(path, &options.columns, begin, row)?;
    } else {
        csv::rows(path, &options.columns, begin, row)?;
    }
    Ok(file)
}

fn fault_of(bar: &Bar, previous: Option<UtcMillis>) -> Option<RowFault> {
    let close_time = bar.close_time;
    if !bar.is_possible() {
        return Some(RowFault::Impossible);
    }
    if !close_time.is_on_bar_grid() {
        return Some(RowFault::OffGrid { close_time });
    }
    let previous = previous.filter(|previous| close_time <= *previous)?;
    Some(RowFault::Order { close_time, previous })
}

/// Writes bars as CSV with the header `close_time,open,high,low,close,volume`; every float reads back to the same bits.
///
/// # Errors
/// [`FileError::Write`].
pub fn write_bars_csv(path: &Path, bars: &[Bar]) -> Result<(), FileError> {
    let failed = || FileError::write(path);
    let mut out = BufWriter::new(File::create(path).map_err(failed())?);
    out.write_all(b"close_time,open,high,low,close,volume\n")
        .map_err(failed())?;
    for bar in bars {
        let Bar {
            close_time,
            open,
            high,
            low,
            close,
            volume,
        } = bar;
        writeln!(out, "{close_time},{open:?},{high:?},{low:?},{close:?},{volume:?}").map_err(failed())?;
    }
    out.flush().map_err(failed())
}

/// Writes bars as Parquet: `close_time` as a timestamp in UTC milliseconds, five doubles.
///
/// # Errors
/// [`FileError::Write`] or [`FileError::Parquet`].
pub fn write_bars_parquet(path: &Path, bars: &[Bar]) -> Result<(), FileError> {
    parquet::write(path, bars)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn a_vendor_file_becomes_closed_bars() {
        let (_dir, path) = written(
            "USDCOP.csv",
            "ts_utc,open,high,low,close,flat\n2020-01-02T13:00:00Z,3288.0,3288.5,3270.26001,3271.76001,False\n",
        );
        let file = read_bars(&path, &BarFileOptions::stamped(Stamp::Open)).unwrap();
        assert_eq!(file.bars.len(), 1);
        assert_eq!(file.bars[0].close_time.to_string(), "2020-01-02T13:05:00Z");
        assert_eq!(file.bars[0].low, 3270.26001);
        assert_eq!(file.bars[0].volume, 0.0);
    }

    #[test]
    fn bad_rows_are_named_or_counted() {
        let text = "time,open,high,low,close\n2020-01-02T13:05:00Z,1,1,1,1\nx,1,1,1,1\n\
                    2020-01-02T13:10:00Z,1,1,1,oops\n2020-01-02T13:15:00Z,1,0.5,1,1\n2020-01-02T13:10:00Z,1,1,1,1\n\
                    2020-01-02T13:21:00Z,1,1,1,1\n2020-01-02T13:25:00Z,1,1\n";
        let (_dir, path) = written("x.csv", text);
        let refuse = BarFileOptions::stamped(Stamp::Close);
        let error = read_bars(&path, &refuse).unwrap_err().to_string();
        assert!(error.contains("x.csv, line 3: `x` in column `time`"), "{error}");
        let file = read_bars(
            &path,
            &BarFileOptions {
                on_bad: OnBad::Quarantine,
                ..refuse
            },
        )
        .unwrap();
        assert_eq!((file.bars.len(), file.unreadable, file.suspect), (4, 3, 3));
    }

    #[test]
    fn a_close_time_column_cannot_be_stamped_open() {
        let (_dir, path) = written("x.csv", "close_time,open,high,low,close\n");
        assert!(matches!(
            read_bars(&path, &BarFileOptions::stamped(Stamp::Open)),
            Err(FileError::Stamp { .. })
        ));
        assert!(read_bars(&path, &BarFileOptions::stamped(Stamp::Close)).is_ok());
    }

    #[test]
    fn gzip_is_unpacked() {
        use std::io::Write as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.csv.gz");
        let mut gz = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
        gz.write_all(b"time,open,high,low,close,volume\n1767618300,1,2,0.5,1.5,7\n")
            .unwrap();
        gz.finish().unwrap();
        let file = read_bars(&path, &BarFileOptions::stamped(Stamp::Close)).unwrap();
        assert_eq!((file.bars[0].volume, file.bars[0].high), (7.0, 2.0));
    }
}
