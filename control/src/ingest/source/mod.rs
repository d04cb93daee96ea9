//! Source files under `config/sources/`: what a file or a vendor's answer means. Strictly read: what is not declared is refused, not guessed.

mod bars;
mod daily;
mod download;
mod zone;

use std::path::{Path, PathBuf};

use contracts::limits::SOURCE_BYTES_MAX;
use contracts::strict::{Document, StrictError};

pub use self::bars::{BarColumns, BarSource, Interval};
pub use self::daily::{DailySeries, DailySource, Every};
pub use self::download::{BaseUrl, FredDownload, KeyEnv, TwelveDataDownload};
pub use self::zone::Zone;

/// A source.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// Of bars of one instrument.
    Bars(Box<BarSource>),
    /// Of daily values of some series.
    Daily(Box<DailySource>),
}

/// Why a source file cannot be used; mend it and try again.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is too large to be one.
    #[error("{}: {bytes} bytes are more than a source file may have ({SOURCE_BYTES_MAX})", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// A line of it.
    #[error(transparent)]
    Strict(#[from] StrictError),
}

impl Source {
    /// Reads a source file.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn load(path: &Path) -> Result<Self, SourceError> {
        let failed = |source| SourceError::Read {
            path: path.to_owned(),
            source,
        };
        let bytes = std::fs::metadata(path).map_err(failed)?.len();
        if bytes > SOURCE_BYTES_MAX as u64 {
            return Err(SourceError::TooLarge {
                path: path.to_owned(),
                bytes,
            });
        }
        let yaml = std::fs::read(path).map_err(failed)?;
        Ok(Self::parse(&yaml, &path.display().to_string())?)
    }

    /// Reads a source from its text; `file` is how errors name it.
    ///
    /// # Errors
    /// [`StrictError`] naming path and line.
    pub fn parse(yaml: &[u8], file: &str) -> Result<Self, StrictError> {
        let document = Document::parse(yaml, file)?;
        match document.word("kind", &["bars", "daily"])? {
            "bars" => {
                let source: BarSource = document.typed()?;
                Ok(Self::Bars(Box::new(source)))
            }
            _ => {
                let source: DailySource = document.typed()?;
                match source.fault() {
                    None => Ok(Self::Daily(Box::new(source))),
                    Some((path, detail)) => Err(document.fault(&path, detail)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
