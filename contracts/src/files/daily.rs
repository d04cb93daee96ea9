//! Files of daily macro values: `date`, an optional `arrived_at`, and one column per series.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use super::csv;
use super::error::{FileError, RowFault, shown};
use super::time::parse_time;
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

/// Reads a `.csv` or `.csv.gz` of daily values.
///
/// # Errors
/// [`FileError`] naming file, line and fault.
pub fn read_daily(path: &Path) -> Result<DailyFile, FileError> {
    let mut reader = csv::open(path)?;
    let header = csv::header(path, &mut reader)?;
    let missing = |field| FileError::Column {
        path: path.to_owned(),
        field,
        found: header.join(", "),
    };
    let date_at = header
        .iter()
        .position(|name| name == "date")
        .ok_or_else(|| missing("date"))?;
    let arrived_at_at = header.iter().position(|name| name == "arrived_at");
    let mut file = DailyFile::default();
    let mut places = Vec::new();
    for (at, name) in header.iter().enumerate() {
        if at != date_at && Some(at) != arrived_at_at {
            file.series
                .push(SeriesId::parse(name).map_err(|_| missing("a series with a usable name"))?);
            places.push(at);
        }
    }
    let mut record = ::csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        if !reader
            .read_record(&mut record)
            .map_err(|error| csv::broken(path, line, error))?
        {
            return Ok(file);
        }
        read_row(
            &record,
            &header,
            (date_at, arrived_at_at),
            &places,
            &mut file.rows,
        )
        .map_err(|fault| FileError::Row {
            path: path.to_owned(),
            line,
            fault,
        })?;
    }
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

fn read_row(
    record: &::csv::StringRecord,
    header: &[String],
    (date_at, arrived_at_at): (usize, Option<usize>),
    places: &[usize],
    rows: &mut Vec<DailyRow>,
) -> Result<(), RowFault> {
    let cell = |at: usize| record.get(at).unwrap_or("");
    let date = DayNumber::parse(cell(date_at)).map_err(|_| RowFault::Date {
        column: "date".to_owned(),
        text: shown(cell(date_at)),
    })?;
    let arrived_at = match arrived_at_at.map(cell) {
        Some(text) if !text.is_empty() => Some(parse_time(text, "arrived_at")?),
        _ => None,
    };
    for (series, at) in places.iter().enumerate() {
        if cell(*at).is_empty() {
            continue;
        }
        let value = csv::number(cell(*at), &header[*at])?;
        if !value.is_finite() {
            return Err(RowFault::Number {
                column: header[*at].clone(),
                text: shown(cell(*at)),
            });
        }
        rows.push(DailyRow {
            series,
            date,
            value,
            arrived_at,
        });
    }
    Ok(())
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
}
