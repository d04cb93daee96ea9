//! The options that name bars and daily values, the same for every verb of both programs that reads files.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use contracts::bar::Stamp;
use contracts::files::{
    BarFile, BarFileOptions, Columns, DailyFile, FileError, OnBad, read_bars, read_daily,
};
use contracts::ids::InstrumentId;

use crate::error::{CliError, Exit, OrExit as _};

/// Which end of the bar the time column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StampArg {
    /// The open: the bar closes five minutes later.
    Open,
    /// The close.
    Close,
}

impl From<StampArg> for Stamp {
    fn from(stamp: StampArg) -> Self {
        match stamp {
            StampArg::Open => Self::Open,
            StampArg::Close => Self::Close,
        }
    }
}

/// What becomes of a bad row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnBadArg {
    /// The file is refused, naming file and line.
    Refuse,
    /// It is counted and left out.
    Quarantine,
}

/// How a bar file is read.
#[derive(Debug, Clone, clap::Args)]
pub struct BarArgs {
    /// What its time column holds; there is no default.
    #[arg(long, value_enum, value_name = "END")]
    pub stamp: StampArg,
    /// Column names that differ from the usual ones, such as time=t,close=last.
    #[arg(long, value_name = "FIELD=NAME,…")]
    pub columns: Option<Columns>,
    /// What becomes of a bad row.
    #[arg(long, value_enum, default_value = "refuse", value_name = "POLICY")]
    pub on_bad: OnBadArg,
}

impl BarArgs {
    /// Reads a bar file and says on stderr what was left out.
    ///
    /// # Errors
    /// [`Exit::NoInput`] when it cannot be opened, [`Exit::Data`] for a bad row.
    pub fn read(&self, path: &Path) -> Result<BarFile, CliError> {
        let options = BarFileOptions {
            stamp: self.stamp.into(),
            columns: self.columns.clone().unwrap_or_default(),
            on_bad: match self.on_bad {
                OnBadArg::Refuse => OnBad::Refuse,
                OnBadArg::Quarantine => OnBad::Quarantine,
            },
        };
        let file = read_bars(path, &options).map_err(|error| refused(path, error))?;
        if file.unreadable + file.suspect > 0 {
            tracing::warn!(
                path = %path.display(),
                unreadable = file.unreadable,
                suspect = file.suspect,
                "bad rows: unreadable ones are left out, suspect bars are judged like live ones"
            );
        }
        Ok(file)
    }
}

/// Reads a file of daily values.
///
/// # Errors
/// [`Exit::NoInput`] when it cannot be opened, [`Exit::Data`] for a bad row.
pub fn daily(path: &Path) -> Result<DailyFile, CliError> {
    read_daily(path).map_err(|error| refused(path, error))
}

fn refused(path: &Path, error: FileError) -> CliError {
    let (exit, remedy) = match error {
        FileError::Io { .. } => (Exit::NoInput, "check the path and the rights"),
        _ => (Exit::Data, "mend the file as the message says"),
    };
    CliError::new(exit, format!("{} is not usable", path.display()), remedy).caused_by(error)
}

/// The instrument of a file: as named, else the file's name without its endings.
///
/// # Errors
/// [`Exit::Usage`] when the file's name is no instrument name.
pub fn instrument(named: Option<&InstrumentId>, bars: &Path) -> Result<InstrumentId, CliError> {
    if let Some(named) = named {
        return Ok(named.clone());
    }
    let mut stem = PathBuf::from(bars.file_name().unwrap_or_default());
    while stem.extension().is_some_and(|ending| {
        ["csv", "gz", "parquet"]
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
    }) {
        stem.set_extension("");
    }
    InstrumentId::parse(&stem.to_string_lossy()).or_exit(
        Exit::Usage,
        "the file's name is no instrument name",
        "name the instrument with --instrument",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instrument_is_named_or_the_stem() {
        let named = InstrumentId::parse("EUR/USD").unwrap();
        assert_eq!(instrument(Some(&named), Path::new("x.csv")).unwrap(), named);
        for (path, stem) in [
            ("a/usdcop_5m.csv.gz", "usdcop_5m"),
            ("BTC.USD.parquet", "BTC.USD"),
            ("plain", "plain"),
        ] {
            assert_eq!(instrument(None, Path::new(path)).unwrap().as_str(), stem);
        }
        assert!(instrument(None, Path::new("two words.csv")).is_err());
    }

    #[test]
    fn a_missing_file_and_a_bad_row_end_differently() {
        let args = BarArgs {
            stamp: StampArg::Close,
            columns: None,
            on_bad: OnBadArg::Refuse,
        };
        assert_eq!(
            args.read(Path::new("/nowhere/x.csv")).unwrap_err().exit(),
            Exit::NoInput
        );
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.csv");
        std::fs::write(&path, "time,open,high,low,close\n2026-01-05T13:05:00Z,1,1,1,x\n").unwrap();
        let error = args.read(&path).unwrap_err();
        assert_eq!(error.exit(), Exit::Data);
        assert!(error.report().contains("line 2"), "{}", error.report());
    }
}
