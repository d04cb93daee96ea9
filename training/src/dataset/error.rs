//! Why there is no dataset, and why one that lies there is not used.

use std::path::PathBuf;

use backtest::output::OutputError;
use backtest::run::RunError;
use contracts::experiment::DateRange;
use contracts::ids::InstrumentId;
use contracts::jcs::JcsError;
use contracts::norm_stats::NormStatsError;
use strategy::strategy::StrategyError;

use super::SplitName;

/// Why no dataset was built.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// Bars of another instrument. Give those of the experiment's.
    #[error("the bars are those of {market}, the experiment's instrument is {experiment}")]
    Instrument {
        /// Of the bars.
        market: InstrumentId,
        /// Of the experiment.
        experiment: InstrumentId,
    },
    /// The feature contract does not compile.
    #[error("the experiment's feature contract does not compile")]
    Features(#[from] StrategyError),
    /// Bars or daily values are unusable or do not cover the split; the source says which dates are there.
    #[error("split {split} ({} to {})", window.start, window.end)]
    Split {
        /// Which.
        split: SplitName,
        /// Its session dates.
        window: DateRange,
        /// What is wrong.
        source: RunError,
    },
    /// No bar of the split can be decided on. Give more history before it, newer daily values, or other dates.
    #[error(
        "split {split} ({} to {}) has no row: of its bars none can be decided on ({why}); give more history before it, the missing daily \
         values, or other dates",
        window.start, window.end
    )]
    Empty {
        /// Which.
        split: SplitName,
        /// Its session dates.
        window: DateRange,
        /// Bars by reason.
        why: String,
    },
    /// Too few rows for norm stats. Give train more sessions.
    #[error(
        "split train has {rows} rows, norm stats are fitted on at least {}; give train more sessions or more history before it",
        crate::limits::FIT_ROWS_MIN
    )]
    TooFew {
        /// Rows there are.
        rows: usize,
    },
    /// A source holds a number that has no canonical form.
    #[error("the list of sources has no canonical JSON")]
    Sources(#[source] JcsError),
    /// The files' bytes could not be made.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// Why the files of a dataset could not be made: a defect of this build, or memory ran out.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The Parquet writer failed.
    #[error("cannot write the table of split {split}")]
    Table {
        /// Which.
        split: SplitName,
        /// Why.
        source: OutputError,
    },
    /// A document has no canonical JSON.
    #[error("{file} has no canonical JSON")]
    Json {
        /// Which file.
        file: &'static str,
        /// Why.
        source: JcsError,
    },
}

/// Why a dataset was not put into a folder; the folder is as it was.
#[derive(Debug, thiserror::Error)]
pub enum WriteDatasetError {
    /// The files' bytes could not be made.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Another dataset lies there. Choose another folder, or remove it.
    #[error("{} holds something else; choose another folder or remove it", path.display())]
    Taken {
        /// The folder.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot write {}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Why a dataset's folder is not used; build it anew.
#[derive(Debug, thiserror::Error)]
pub enum LoadDatasetError {
    /// A file is missing or may not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Larger than any file of a dataset.
    #[error("{} has {bytes} bytes; at most {max} are read", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The most that is read.
        max: u64,
    },
    /// No manifest of this version.
    #[error("{} is no manifest of a dataset that this build reads: {detail}; build the dataset anew", path.display())]
    Manifest {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// Bytes that are not those the manifest names: changed since, or half of a copy. Build the dataset anew.
    #[error("{} is not what the manifest says: {what} is {found}, not {expected}; build the dataset anew", path.display())]
    Differs {
        /// Which file.
        path: PathBuf,
        /// Which figure.
        what: &'static str,
        /// By the manifest.
        expected: String,
        /// In the file.
        found: String,
    },
    /// Not the table the manifest speaks of.
    #[error("{}: {detail}", path.display())]
    Table {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The norm stats cannot be read.
    #[error("{}", path.display())]
    NormStats {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: NormStatsError,
    },
}
