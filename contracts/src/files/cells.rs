//! One cell of a row, whichever format it comes from, as what it must hold.

use jiff::tz::TimeZone;
use parquet::record::Field;
use serde_json::Value;

use super::error::{RowFault, shown};
use super::time::{from_unix, local, parse_time};
use crate::time::{DayNumber, UtcMillis};

/// A cell.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell<'a> {
    /// Text of CSV or JSON.
    Text(&'a str),
    /// Anything but text of a JSON line.
    Json(&'a Value),
    /// Of Parquet.
    Field(&'a Field),
    /// Of Parquet: milliseconds of a local time without a zone.
    Local(i64),
    /// A CSV row that ends before it, with the number of cells it has.
    Short(usize),
    /// A JSON line that does not have it.
    Absent,
}

/// A row of cells.
pub(super) trait Cells {
    /// The cell of a column.
    fn cell(&self, at: usize) -> Cell<'_>;
}

/// A column that is read: its place and its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column<'a> {
    pub at: usize,
    pub name: &'a str,
}

impl Column<'_> {
    fn wrong_type(self) -> RowFault {
        RowFault::Type {
            column: self.name.to_owned(),
        }
    }

    fn not_there(self, cell: Cell<'_>) -> Option<RowFault> {
        let column = self.name.to_owned();
        match cell {
            Cell::Short(found) => Some(RowFault::Short {
                column,
                wanted: self.at + 1,
                found,
            }),
            Cell::Absent => Some(RowFault::Absent { column }),
            _ => None,
        }
    }

    /// A number; a blank cell is a fault.
    pub fn number(self, row: &dyn Cells) -> Result<f64, RowFault> {
        let cell = row.cell(self.at);
        if let Some(fault) = self.not_there(cell) {
            return Err(fault);
        }
        match cell {
            Cell::Text(text) => number(text, self.name),
            Cell::Json(value) => value.as_f64().ok_or_else(|| self.wrong_type()),
            Cell::Field(field) => field_number(field, self),
            Cell::Local(_) | Cell::Short(_) | Cell::Absent => Err(self.wrong_type()),
        }
    }

    /// A number, or nothing where the cell is blank or the JSON line does not have it.
    pub fn number_if_there(self, row: &dyn Cells) -> Result<Option<f64>, RowFault> {
        if is_blank(row.cell(self.at)) {
            return Ok(None);
        }
        self.number(row).map(Some)
    }

    /// An instant; local times are in `zone`, where there is one.
    pub fn time(self, row: &dyn Cells, zone: Option<&TimeZone>) -> Result<UtcMillis, RowFault> {
        let cell = row.cell(self.at);
        if let Some(fault) = self.not_there(cell) {
            return Err(fault);
        }
        match cell {
            Cell::Text(text) => parse_time(text, self.name, zone),
            Cell::Json(value) => value
                .as_i64()
                .and_then(from_unix)
                .ok_or_else(|| self.wrong_type()),
            Cell::Local(ms) => match zone {
                None => Ok(UtcMillis(ms)),
                Some(zone) => {
                    let at = UtcMillis(ms).to_jiff().ok_or_else(|| self.wrong_type())?;
                    local(TimeZone::UTC.to_datetime(at), zone, self.name)
                }
            },
            Cell::Field(field) => match field {
                Field::TimestampMillis(ms) => Ok(UtcMillis(*ms)),
                Field::TimestampMicros(us) if us % 1_000 == 0 => Ok(UtcMillis(us / 1_000)),
                Field::Long(unix) => from_unix(*unix).ok_or_else(|| self.wrong_type()),
                Field::Str(text) => parse_time(text, self.name, zone),
                _ => Err(self.wrong_type()),
            },
            Cell::Short(_) | Cell::Absent => Err(self.wrong_type()),
        }
    }

    /// An instant, or nothing where the cell is blank.
    pub fn time_if_there(
        self,
        row: &dyn Cells,
        zone: Option<&TimeZone>,
    ) -> Result<Option<UtcMillis>, RowFault> {
        if is_blank(row.cell(self.at)) {
            return Ok(None);
        }
        self.time(row, zone).map(Some)
    }

    /// A date.
    pub fn date(self, row: &dyn Cells) -> Result<DayNumber, RowFault> {
        let cell = row.cell(self.at);
        if let Some(fault) = self.not_there(cell) {
            return Err(fault);
        }
        let text = match cell {
            Cell::Text(text) => text,
            Cell::Field(Field::Str(text)) => text,
            Cell::Field(Field::Date(days)) => return Ok(DayNumber(*days)),
            _ => return Err(self.wrong_type()),
        };
        DayNumber::parse(text).map_err(|_| RowFault::Date {
            column: self.name.to_owned(),
            text: shown(text),
        })
    }
}

fn is_blank(cell: Cell<'_>) -> bool {
    match cell {
        Cell::Text(text) => text.trim().is_empty(),
        Cell::Json(value) => value.is_null(),
        Cell::Field(field) => *field == Field::Null,
        Cell::Absent => true,
        Cell::Local(_) | Cell::Short(_) => false,
    }
}

fn number(text: &str, column: &str) -> Result<f64, RowFault> {
    text.trim().parse().map_err(|_| RowFault::Number {
        column: column.to_owned(),
        text: shown(text),
    })
}

fn field_number(field: &Field, column: Column<'_>) -> Result<f64, RowFault> {
    Ok(match field {
        Field::Double(x) => *x,
        Field::Float(x) => f64::from(*x),
        Field::Int(x) => f64::from(*x),
        Field::UInt(x) => f64::from(*x),
        Field::Short(x) => f64::from(*x),
        // Volumes as integers: exact below 2^53, which no venue's five minutes reach.
        Field::Long(x) => *x as f64,
        Field::ULong(x) => *x as f64,
        Field::Str(text) => number(text, column.name)?,
        _ => return Err(column.wrong_type()),
    })
}
