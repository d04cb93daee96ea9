//! Which column holds what.

use std::path::Path;

use super::error::FileError;

/// Names of the columns; what is `None` is found by its usual names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// The time.
    pub time: Option<String>,
    /// The open.
    pub open: Option<String>,
    /// The high.
    pub high: Option<String>,
    /// The low.
    pub low: Option<String>,
    /// The close.
    pub close: Option<String>,
    /// The volume.
    pub volume: Option<String>,
}

/// Why `--columns` cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{part}` in --columns is not FIELD=NAME with FIELD one of time, open, high, low, close, volume")]
pub struct ParseColumnsError {
    /// The part that cannot be read.
    pub part: String,
}

impl std::str::FromStr for Columns {
    type Err = ParseColumnsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut columns = Self::default();
        for part in text.split(',') {
            let refused = || ParseColumnsError {
                part: part.to_owned(),
            };
            let (field, name) = part.split_once('=').ok_or_else(refused)?;
            let place = match field.trim() {
                "time" => &mut columns.time,
                "open" => &mut columns.open,
                "high" => &mut columns.high,
                "low" => &mut columns.low,
                "close" => &mut columns.close,
                "volume" => &mut columns.volume,
                _ => return Err(refused()),
            };
            *place = Some(name.trim().to_owned());
        }
        Ok(columns)
    }
}

/// Where the one column of a name is, whatever its case.
pub(super) fn one_named(path: &Path, header: &[String], name: &str) -> Result<Option<usize>, FileError> {
    let mut found = header
        .iter()
        .enumerate()
        .filter(|(_, column)| column.trim().eq_ignore_ascii_case(name));
    let first = found.next();
    match found.next() {
        None => Ok(first.map(|(at, _)| at)),
        Some(_) => Err(FileError::Twice {
            path: path.to_owned(),
            column: name.to_owned(),
        }),
    }
}

impl Columns {
    /// Names to look for in lines that need not all have the same fields.
    pub(super) fn wanted(&self) -> Vec<String> {
        let named = [
            (&self.open, "open"),
            (&self.high, "high"),
            (&self.low, "low"),
            (&self.close, "close"),
            (&self.volume, "volume"),
        ];
        let named = named
            .into_iter()
            .map(|(name, usual)| name.clone().unwrap_or_else(|| usual.to_owned()));
        self.time.iter().cloned().chain(named).collect()
    }
}

const TIME_NAMES: [&str; 5] = ["ts_utc", "timestamp", "time", "datetime", "close_time"];

/// Places of the columns in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    /// Names as the file spells them.
    pub names: Vec<String>,
    pub time: usize,
    /// Open, high, low, close.
    pub prices: [usize; 4],
    pub volume: Option<usize>,
}

impl Places {
    pub fn find(path: &Path, header: &[String], columns: &Columns) -> Result<Self, FileError> {
        let missing = |field: &str| FileError::Column {
            path: path.to_owned(),
            field: field.to_owned(),
            found: header.join(", "),
        };
        let place = |name: &str| one_named(path, header, name);
        let find = |field: &str, named: &Option<String>, usual: &[&str]| {
            let names: &[&str] = match named {
                Some(name) => &[name.as_str()],
                None => usual,
            };
            for name in names {
                if let Some(at) = place(name)? {
                    return Ok(at);
                }
            }
            Err(missing(field))
        };
        let time = find("time", &columns.time, &TIME_NAMES)?;
        let prices = [
            find("open", &columns.open, &["open"])?,
            find("high", &columns.high, &["high"])?,
            find("low", &columns.low, &["low"])?,
            find("close", &columns.close, &["close"])?,
        ];
        let volume = match &columns.volume {
            Some(_) => Some(find("volume", &columns.volume, &[])?),
            None => place("volume")?,
        };
        Ok(Self {
            time,
            prices,
            volume,
            names: header.to_vec(),
        })
    }

    /// True when the time column's name says that it holds closes.
    pub fn says_close(&self) -> bool {
        self.names[self.time].trim().eq_ignore_ascii_case("close_time")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let places = Places::find(
            Path::new("x.csv"),
            &header("volume,Close,low,high,open,TS_UTC"),
            &Columns::default(),
        )
        .unwrap();
        assert_eq!(
            (places.time, places.prices, places.volume),
            (5, [4, 3, 2, 1], Some(0))
        );
    }

    #[test]
    fn an_override_wins_and_a_missing_column_is_named() {
        let columns: Columns = "time=when, close=last".parse().unwrap();
        let places = Places::find(
            Path::new("x.csv"),
            &header("time,when,open,high,low,close,last"),
            &columns,
        )
        .unwrap();
        assert_eq!((places.time, places.prices[3]), (1, 6));
        let error = Places::find(
            Path::new("x.csv"),
            &header("time,open,high,close"),
            &Columns::default(),
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "x.csv: no column for low; found time, open, high, close; name it with --columns low=NAME"
        );
        assert!("clsoe=x".parse::<Columns>().is_err());
        let error = Places::find(
            Path::new("x.csv"),
            &header("time,open,high,low,close,CLOSE"),
            &Columns::default(),
        );
        assert!(matches!(error, Err(FileError::Twice { .. })));
    }
}
