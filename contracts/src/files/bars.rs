//! Files of five-minute bars.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use jiff::tz::TimeZone;

use super::cells::{Cells, Column};
use super::columns::{Columns, Places};
use super::error::{FileError, RowFault};
use super::format::Format;
use super::time::says_utc;
use super::{parquet, rows};
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

/// How the rows of a bar file are to be understood.
#[derive(Debug, Clone)]
pub struct BarScan {
    /// Which end of the bar the time column holds.
    pub stamp: Stamp,
    /// Column names.
    pub columns: Columns,
    /// The zone of times that name none; without it only a column that says UTC may hold such times.
    pub zone: Option<TimeZone>,
    /// The format; by the file's name without it.
    pub format: Option<Format>,
}

/// Reads a file of bars row by row: calls `row` with each row's line and its bar, or what is wrong with it. An impossible bar and one off
/// the five-minute grid are faults; the order of the rows is the caller's to judge.
///
/// # Errors
/// [`FileError`] for a file that cannot be read at all, and whatever `row` refuses.
pub fn scan_bars(
    path: &Path,
    scan: &BarScan,
    mut row: impl FnMut(u64, Result<Bar, RowFault>) -> Result<(), FileError>,
) -> Result<(), FileError> {
    scan_rows(path, scan, |line, read| {
        let checked = read.and_then(|bar| alone(&bar).map_or(Ok(bar), Err));
        row(line, checked)
    })
}

fn scan_rows(
    path: &Path,
    scan: &BarScan,
    mut row: impl FnMut(u64, Result<Bar, RowFault>) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let begin = |header: &[String]| {
        let places = Places::find(path, header, &scan.columns)?;
        if places.says_close() && scan.stamp == Stamp::Open {
            return Err(FileError::Stamp {
                path: path.to_owned(),
            });
        }
        let time = &places.names[places.time];
        let zone = scan.zone.as_ref().filter(|zone| !is_utc(zone));
        match zone.filter(|_| says_utc(time)) {
            Some(zone) => Err(FileError::Zone {
                path: path.to_owned(),
                column: time.clone(),
                zone: zone.iana_name().unwrap_or("another").to_owned(),
            }),
            None => Ok(places),
        }
    };
    let wanted = scan.columns.wanted();
    rows::each(path, scan.format, &wanted, begin, |places, line, cells| {
        row(
            line,
            cells.and_then(|cells| read(cells, places, scan.zone.as_ref(), scan.stamp)),
        )
    })
}

fn is_utc(zone: &TimeZone) -> bool {
    *zone == TimeZone::UTC
        || zone
            .iana_name()
            .is_some_and(|name| name == "UTC" || name == "Etc/UTC")
}

fn read(cells: &dyn Cells, places: &Places, zone: Option<&TimeZone>, stamp: Stamp) -> Result<Bar, RowFault> {
    let column = |at: usize| Column {
        at,
        name: &places.names[at],
    };
    let time = column(places.time).time(cells, zone)?;
    let [open, high, low, close] = places.prices;
    let volume = match places.volume {
        Some(at) => column(at).number_if_there(cells)?.unwrap_or(0.0),
        None => 0.0,
    };
    Ok(Bar {
        close_time: stamp.close_time(time),
        open: column(open).number(cells)?,
        high: column(high).number(cells)?,
        low: column(low).number(cells)?,
        close: column(close).number(cells)?,
        volume,
    })
}

/// Reads a `.csv`, `.csv.gz`, `.parquet`, `.jsonl` or `.jsonl.gz` file.
///
/// # Errors
/// [`FileError`] naming file, line and fault.
pub fn read_bars(path: &Path, options: &BarFileOptions) -> Result<BarFile, FileError> {
    let scan = BarScan {
        stamp: options.stamp,
        columns: options.columns.clone(),
        zone: None,
        format: None,
    };
    let mut file = BarFile::default();
    let mut previous: Option<UtcMillis> = None;
    scan_rows(path, &scan, |line, read| {
        let refused = |fault| FileError::Row {
            path: path.to_owned(),
            line,
            fault,
        };
        let bar = match (read, options.on_bad) {
            (Ok(bar), _) => bar,
            (Err(fault), OnBad::Refuse) => return Err(refused(fault)),
            (Err(_), OnBad::Quarantine) => {
                file.unreadable += 1;
                return Ok(());
            }
        };
        if let Some(fault) = alone(&bar).or_else(|| out_of_order(&bar, previous)) {
            if options.on_bad == OnBad::Refuse {
                return Err(refused(fault));
            }
            file.suspect += 1;
        }
        previous = Some(bar.close_time);
        file.bars.push(bar);
        Ok(())
    })?;
    Ok(file)
}

/// What is wrong with a bar by itself.
fn alone(bar: &Bar) -> Option<RowFault> {
    let close_time = bar.close_time;
    if !bar.is_possible() {
        return Some(RowFault::Impossible);
    }
    (!close_time.is_on_bar_grid()).then_some(RowFault::OffGrid { close_time })
}

fn out_of_order(bar: &Bar, previous: Option<UtcMillis>) -> Option<RowFault> {
    let close_time = bar.close_time;
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

    #[test]
    fn json_lines_are_rows_and_a_bad_one_is_named() {
        let text = "{\"t\":\"2026-01-05 08:05\",\"open\":1,\"high\":\"2\",\"low\":0.5,\"close\":1.5}\n\n\
                    {\"t\":1767618600,\"open\":1,\"high\":2,\"low\":0.5,\"close\":1.5,\"volume\":7}\n\
                    {\"t\":1767618900,\"open\":1,\"high\":2,\"low\":0.5}\nno\n";
        let (_dir, path) = written("x.jsonl", text);
        let scan = BarScan {
            stamp: Stamp::Close,
            columns: "time=t".parse().unwrap(),
            zone: TimeZone::get("America/Bogota").ok(),
            format: None,
        };
        let mut rows = Vec::new();
        scan_bars(&path, &scan, |line, read| {
            let shown = read.map(|bar| (bar.close_time.to_string(), bar.high, bar.volume));
            rows.push((line, shown.map_err(|fault| fault.to_string())));
            Ok(())
        })
        .unwrap();
        let bar = |time: &str, volume: f64| Ok((time.to_owned(), 2.0, volume));
        assert_eq!(rows[0], (1, bar("2026-01-05T13:05:00Z", 0.0)));
        assert_eq!(rows[1], (3, bar("2026-01-05T13:10:00Z", 7.0)));
        assert_eq!(rows[2], (4, Err("the object has no `close`".to_owned())));
        assert!(
            rows[3].1.as_ref().unwrap_err().contains("no JSON object"),
            "{rows:?}"
        );
        assert_eq!(rows.len(), 4);
    }

    #[test]
    fn a_zone_must_not_contradict_the_column_and_a_row_ends() {
        let (_dir, path) = written("x.csv", "ts_utc,open,high,low,close\n");
        let scan = BarScan {
            stamp: Stamp::Close,
            columns: Columns::default(),
            zone: TimeZone::get("America/Bogota").ok(),
            format: None,
        };
        let refused = scan_bars(&path, &scan, |_, _| Ok(())).unwrap_err();
        assert!(matches!(refused, FileError::Zone { .. }), "{refused}");
        let endless = format!("time,open,high,low,close\n\"{}", "x\n".repeat(100_000));
        let (_dir, path) = written("x.csv", &endless);
        let refused = scan_bars(&path, &scan, |_, _| Ok(())).unwrap_err();
        assert!(matches!(refused, FileError::Io { .. }), "{refused}");
    }
}
