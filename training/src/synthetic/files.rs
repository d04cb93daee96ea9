//! The market as the files a person would have: a CSV of bars, stamped with their close, and one of daily values.

use std::path::{Path, PathBuf};

use backtest::market::Market;
use contracts::bar::Stamp;
use contracts::files::{FileError, write_bars_csv, write_daily_csv};

/// Where [`write()`] put the market.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketFiles {
    /// `{instrument}.csv`.
    pub bars: PathBuf,
    /// How the bars are stamped: with their close.
    pub stamp: Stamp,
    /// `macro.csv`.
    pub daily: PathBuf,
}

/// Why a market was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteMarketError {
    /// The folder cannot be made.
    #[error("cannot make the folder {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Writes `{instrument}.csv` and `macro.csv` into `folder`, which is made where it is missing; numbers read back to the same bits.
///
/// # Errors
/// [`WriteMarketError`].
pub fn write(market: &Market, folder: &Path) -> Result<MarketFiles, WriteMarketError> {
    std::fs::create_dir_all(folder).map_err(|source| WriteMarketError::Folder {
        path: folder.to_owned(),
        source,
    })?;
    let files = MarketFiles {
        bars: folder.join(format!("{}.csv", market.instrument)),
        stamp: Stamp::Close,
        daily: folder.join("macro.csv"),
    };
    write_bars_csv(&files.bars, &market.bars)?;
    write_daily_csv(&files.daily, &market.daily)?;
    Ok(files)
}
