//! Files of daily macro values: `date`, an optional `arrived_at`, and one column per series.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use jiff::tz::TimeZone;

use super::cells::{Cells, Column};
use super::columns::one_named;
use super::error::{FileError, RowFault};
use super::format::Format;
use super::rows;
use crate::ids::SeriesId;
use crate::time::{DayNumber, UtcMillis};

/// One daily value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DailyRow {
    /// Place of its series in [`DailyFile::series`].
    pub series: usize,
    /// Observation date.
    pub date: DayNumber,
    /// The value, finite.
    pub value: f64,
    /// When it arrived, where the file says so.
    pub arrived_at: Option<UtcMillis>,
}

/// A daily file's content; a blank cell is no observation and gives no row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DailyFile {
    /// The series, in the file's order.
    pub series: Vec<SeriesId>,
    /// The values, in the file's order, row by row.
    pub rows: Vec<DailyRow>,
}

/// How the rows of a file of daily values are to be understood.
#[derive(Debug, Clone)]
pub struct DailyScan {
    /// Column of the observation date.
    pub date: String,
    /// Column of the arrival.
    pub arrived_at: Option<String>,
    /// Columns of the series; all other columns without it.
    pub values: Option<Vec<String>>,
    /// The zone of arrivals that name none.
    pub zone: Option<TimeZone>,
    /// The format; by the file's name without it.
    pub format: Option<Format>,
}

impl Default for DailyScan {
    fn default() -> Self {
        Self {
            date: "date".to_owned(),
            arrived_at: Some("arrived_at".to_owned()),
            values: None,
            zone: None,
            format: None,
        }
    }
}

/// A row: values in the order of the columns, with what is wrong where one cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub struct DailyLine {
    /// Observation date.
    pub date: DayNumber,
    /// Arrival, where the file has one.
    pub arrived_at: Option<UtcMillis>,
    /// The values; a blank cell is no observation.
    pub values: Vec<Result<Option<f64>, RowFault>>,
}

struct DailyPlaces {
    names: Vec<String>,
    date: usize,
    arrived_at: Option<usize>,
    values: Vec<usize>,
}

impl DailyPlaces {
    fn find(path: &Path, header: &[String], scan: &DailyScan) -> Result<Self, FileError> {
        let missing = |field: &str| FileError::Column {
            path: path.to_owned(),
            field: field.to_owned(),
            found: header.join(", "),
        };
        let place = |name: &str| one_named(path, header, name);
        let date = place(&scan.date)?.ok_or_else(|| missing(&scan.date))?;
        let arrived_at = match &scan.arrived_at {
            Some(name) => place(name)?,
            None => None,
        };
        let values = match &scan.values {
            Some(names) => names
                .iter()
                .map(|name| place(name)?.ok_or_else(|| missing(name)))
                .collect::<Result<_, _>>()?,
            None => (0..header.len())
                .filter(|at| *at != date && Some(*at) != arrived_at)
                .collect(),
        };
        Ok(Self {
            names: header.to_vec(),
            date,
            arrived_at,
            values,
        })
    }

    fn read(&self, cells: &dyn Cells, zone: Option<&TimeZone>) -> Result<DailyLine, RowFault> {
        let column = |at: usize| Column {
            at,
            name: &self.names[at],
        };
        let arrived_at = match self.arrived_at {
            Some(at) => column(at).time_if_there(cells, zone)?,
            None => None,
        };
        let value = |at: &usize| {
            let value = column(*at).number_if_there(cells)?;
            match value.filter(|value| !value.is_finite()) {
                None => Ok(value),
                Some(value) => Err(RowFault::Number {
                    column: self.names[*at].clone(),
                    text: value.to_string(),
                }),
            }
        };
        Ok(DailyLine {
            date: column(self.date).date(cells)?,
            arrived_at,
            values: self.values.iter().map(value).collect(),
        })
    }
}

/// Reads a file of daily values row by row: calls `begin` with the names of the series' columns, then `row` with each row's line and what
/// it holds, or what is wrong with it.
///
/// # Errors
/// [`FileError`] for a file that cannot be read at all, and whatever `begin` and `row` refuse.
pub fn scan_daily(
    path: &Path,
    scan: &DailyScan,
    begin: impl FnOnce(&[String]) -> Result<(), FileError>,
    mut row: impl FnMut(u64, Result<DailyLine, RowFault>) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let mut wanted = scan.values.clone().unwrap_or_default();
    wanted.extend(scan.arrived_at.clone());
    let begin = |header: &[String]| {
        let places = DailyPlaces::find(path, header, scan)?;
        let names: Vec<String> = places.values.iter().map(|at| header[*at].clone()).collect();
        begin(&names)?;
        Ok(places)
    };
    rows::each(path, scan.format, &wanted, begin, |places, line, cells| {
        row(
            line,
            cells.and_then(|cells| places.read(cells, scan.zone.as_ref())),
        )
    })
}

/// Reads a `.csv`, `.csv.gz`, `.parquet`, `.jsonl` or `.jsonl.gz` of daily values.
///
/// # Errors
/// [`FileError`] naming file, line and fault.
pub fn read_daily(path: &Path) -> Result<DailyFile, FileError> {
    let DailyFile { mut series, mut rows } = DailyFile::default();
    let begin = |names: &[String]| {
        for name in names {
            series.push(SeriesId::parse(name).map_err(|_| FileError::Column {
                path: path.to_owned(),
                field: "a series with a usable name".to_owned(),
                found: names.join(", "),
            })?);
        }
        Ok(())
    };
    let row = |line: u64, read: Result<DailyLine, RowFault>| {
        let refused = |fault| FileError::Row {
            path: path.to_owned(),
            line,
            fault,
        };
        let read = read.map_err(refused)?;
        for (series, value) in read.values.into_iter().enumerate() {
            let Some(value) = value.map_err(refused)? else {
                continue;
            };
            rows.push(DailyRow {
                series,
                date: read.date,
                value,
                arrived_at: read.arrived_at,
            });
        }
        Ok(())
    };
    scan_daily(path, &DailyScan::default(), begin, row)?;
    Ok(DailyFile { series, rows })
}

/// Writes daily values as CSV: `date`, `arrived_at` where a row has one, a column per series; they read back in the same order, to the same
/// bits.
///
/// # Errors
/// [`FileError::Write`].
pub fn write_daily_csv(path: &Path, file: &DailyFile) -> Result<(), FileError> {
    let failed = || FileError::write(path);
    let mut out = BufWriter::new(File::create(path).map_err(failed())?);
    let arrivals = file.rows.iter().any(|row| row.arrived_at.is_some());
    let mut header = vec!["date".to_owned()];
    header.extend(arrivals.then(|| "arrived_at".to_owned()));
    header.extend(file.series.iter().map(ToString::to_string));
    writeln!(out, "{}", header.join(",")).map_err(failed())?;
    let one_line =
        |a: &DailyRow, b: &DailyRow| (a.date, a.arrived_at) == (b.date, b.arrived_at) && a.series < b.series;
    for rows in file.rows.chunk_by(one_line) {
        let mut cells = vec![rows[0].date.to_string()];
        cells.extend(arrivals.then(|| rows[0].arrived_at.map_or_else(String::new, |at| at.to_string())));
        let values = cells.len();
        cells.resize(values + file.series.len(), String::new());
        for row in rows {
            cells[values + row.series] = format!("{:?}", row.value);
        }
        writeln!(out, "{}", cells.join(",")).map_err(failed())?;
    }
    out.flush().map_err(failed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DailyFile, FileError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("macro.csv");
        std::fs::write(&path, text).unwrap();
        read_daily(&path)
    }

    #[test]
    fn blanks_are_no_observations() {
        let file = read("date,dxy,vix\n2026-01-02,98.4,\n2026-01-05,,14.5\n").unwrap();
        assert_eq!(
            file.series.iter().map(SeriesId::as_str).collect::<Vec<_>>(),
            ["dxy", "vix"]
        );
        let rows: Vec<_> = file
            .rows
            .iter()
            .map(|r| (r.series, r.date.to_string(), r.value))
            .collect();
        assert_eq!(
            rows,
            [
                (0, "2026-01-02".to_owned(), 98.4),
                (1, "2026-01-05".to_owned(), 14.5)
            ]
        );
    }

    #[test]
    fn what_is_written_reads_back_revisions_and_blanks_included() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("macro.csv");
        for text in [
            "date,dxy,vix\n2026-01-02,98.4,\n2026-01-05,,14.5\n2026-01-06,0.1,1e-300\n",
            "date,arrived_at,dxy,vix\n2026-01-02,,98.4,14.0\n2026-01-02,2026-01-05T12:00:00Z,98.5,\n2026-01-02,2026-01-05T12:00:00Z,98.6,\n",
        ] {
            let file = read(text).unwrap();
            write_daily_csv(&path, &file).unwrap();
            assert_eq!(read_daily(&path).unwrap(), file, "{text}");
        }
        let lost = dir.path().join("nowhere/macro.csv");
        assert!(matches!(
            write_daily_csv(&lost, &DailyFile::default()),
            Err(FileError::Write { .. })
        ));
    }

    #[test]
    fn an_arrival_column_is_read_and_faults_are_named() {
        let file = read("date,arrived_at,dxy\n2026-01-02,2026-01-03T12:00:00Z,98.4\n").unwrap();
        assert_eq!(
            file.rows[0].arrived_at,
            UtcMillis::parse("2026-01-03T12:00:00Z").ok()
        );
        for (text, part) in [
            ("day,dxy\n", "no column for date"),
            ("date,dxy\n2026-13-02,1\n", "line 2: `2026-13-02`"),
            ("date,dxy\n2026-01-02,NaN\n", "`NaN` in column `dxy`"),
            ("date,dxy\n2026-01-02,x\n", "`x` in column `dxy`"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn json_lines_name_their_series_and_may_leave_one_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("macro.jsonl");
        let text =
            "{\"date\":\"2026-01-02\",\"x\":98.4}\n{\"date\":\"2026-01-05\",\"x\":null,\"y\":\"14.5\"}\n";
        std::fs::write(&path, text).unwrap();
        let scan = DailyScan {
            values: Some(vec!["y".to_owned(), "x".to_owned()]),
            ..DailyScan::default()
        };
        let mut lines = Vec::new();
        scan_daily(
            &path,
            &scan,
            |_| Ok(()),
            |line, read| {
                lines.push((line, read.unwrap().values));
                Ok(())
            },
        )
        .unwrap();
        let expected = [
            (1, vec![Ok(None), Ok(Some(98.4))]),
            (2, vec![Ok(Some(14.5)), Ok(None)]),
        ];
        assert_eq!(lines, expected);
    }
}
